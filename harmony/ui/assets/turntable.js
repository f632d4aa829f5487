// Turntables of one gr.HTML component: a card for each sample, turned by drag, wheel, keys or
// autoplay. Runs after turning.js as one function body with (element, trigger, props, watch).
// Everything hangs on `element`, so that any number of these can stand on one page. Turning moves
// the sprite strip; nothing is loaded for it.
const AUTOPLAY_MS = 140;
const calm = window.matchMedia("(prefers-reduced-motion: reduce)");
const root = element.querySelector(".tt-root");
const state = {
  index: 0, playing: false, linked: true, cards: new Map(), timer: null, touched: false, lent: null,
  answers: [],
};
const given = () => props.value || { samples: [], words: {} };
// While a dial moves, the live model's answers come past the page (wire.js); the newest stands in
// the place of all cards until the page shows it, or something else.
const ANSWER_CHANNEL = "harmony:answer", KEPT_CHANNEL = "harmony:kept", TURNTABLES = "#turntables";
const KEEP_ANSWERS = 4;
const model = () => {
  const answer = state.answers.at(-1);
  return answer ? { ...given(), samples: [answer], selected: null, spread: "", shelf: null } : given();
};
// The map of an example lends its nearest cell to the first card while a dial moves.
const samplesOnShow = () => model().samples.map((sample, i) => (
  i === 0 && state.lent && state.lent.shelf === model().shelf ? { ...sample, ...state.lent.sample } : sample
));

const firstCard = () => state.cards.get((model().samples[0] || {}).id);

function showCard(card, index) {
  card.index = index;
  if (card === firstCard()) peek.turn(index);
  place(card.picture, index);
  card.readout.textContent = degrees(index);
  sayWhere(card.stage, index, model().words.view);
  card.thumbs.forEach((thumb, i) => thumb.setAttribute("aria-current", i === index ? "true" : "false"));
}

function turnAll(index) {
  state.index = index;
  seeds.turn(index);
  for (const card of state.cards.values()) showCard(card, index);
}

function turnTo(card, index) {
  if (!state.linked) return showCard(card, wrap(index));
  turnAll(wrap(index));
  announce(state.index);
}

function byHand(card, index) {
  state.touched = true;
  play(false);
  turnTo(card, index);
}

function autoplayStep() {
  if (!element.isConnected) return clearInterval(state.timer);
  if (document.hidden || root.offsetParent === null) return;
  const cards = [...state.cards.values()];
  for (const card of state.linked ? cards.slice(0, 1) : cards) turnTo(card, card.index + 1);
}

function play(on) {
  state.playing = on;
  clearInterval(state.timer);
  if (on) state.timer = setInterval(autoplayStep, AUTOPLAY_MS);
  paintToolbar();
}

function buildCard(sample) {
  const card = { index: state.index, thumbs: [] };
  card.node = make("article", "tt-card", { "data-sample": sample.id });
  card.head = make("button", "tt-head", { type: "button" });
  card.title = make("span", "tt-title");
  card.badge = make("span", "tt-badge");
  card.head.append(card.title, card.badge);
  card.head.addEventListener("click", () => trigger("select", { id: sample.id }));
  card.stage = makeStage("tt-stage");
  card.picture = make("div", "tt-picture");
  card.readout = make("span", "tt-readout", { "aria-hidden": "true" });
  card.stage.append(card.picture, card.readout);
  card.strip = make("div", "tt-thumbs", { role: "group" });
  for (let i = 0; i < frames(); i += 1) {
    const name = `${model().words.view} ${i + 1}, ${degrees(i)}`;
    const thumb = make("button", "tt-thumb", { type: "button", "aria-label": name });
    thumb.addEventListener("click", () => byHand(card, i));
    place(thumb, i);
    card.thumbs.push(thumb);
    card.strip.append(thumb);
  }
  card.note = make("p", "tt-note");
  card.node.append(card.head, card.stage, card.strip, card.note);
  turnByHand(card.stage, {
    read: () => card.index,
    turn: (index) => byHand(card, index),
    toggle: () => play(!state.playing),
  });
  return card;
}

function paintCard(card, sample) {
  const chosen = model().selected === sample.id;
  card.title.textContent = sample.title;
  card.badge.textContent = sample.badge || "";
  card.badge.hidden = !sample.badge;
  card.note.textContent = sample.note || "";
  card.note.hidden = !sample.note;
  card.head.setAttribute("aria-pressed", chosen ? "true" : "false");
  card.node.classList.toggle("tt-chosen", chosen && model().samples.length > 1);
  card.node.classList.toggle("tt-live", Boolean(sample.live));
  card.stage.setAttribute("aria-label", `${model().words.turntable}: ${sample.title}`);
  card.strip.setAttribute("aria-label", `${model().words.views}: ${sample.title}`);
  if (card.source !== sample.strip) {
    card.source = sample.strip;
    for (const node of [card.picture, ...card.thumbs]) lay(node, sample.strip);
  }
  showCard(card, card.index);
}

function toolbar() {
  const bar = make("div", "tt-bar");
  state.playButton = make("button", "tt-tool", { type: "button" });
  state.playButton.addEventListener("click", () => {
    state.touched = true;
    play(!state.playing);
  });
  state.linkButton = make("button", "tt-tool", { type: "button" });
  state.linkButton.addEventListener("click", () => {
    state.linked = !state.linked;
    const [first] = state.cards.values();
    if (state.linked && first) turnTo(first, first.index);
    paintToolbar();
  });
  state.hint = make("span", "tt-hint");
  bar.append(state.playButton, state.linkButton, state.hint);
  return bar;
}

function paintToolbar() {
  const words = model().words;
  state.playButton.textContent = state.playing ? words.pause : words.play;
  state.playButton.setAttribute("aria-pressed", state.playing ? "true" : "false");
  state.linkButton.textContent = words.link;
  state.linkButton.setAttribute("aria-pressed", state.linked ? "true" : "false");
  state.linkButton.hidden = state.cards.size < 2;
  state.hint.textContent = words.hint;
}

const bar = toolbar();
const grid = make("div", "tt-grid", { role: "group" });
const peek = makePeek(() => firstCard().stage.scrollIntoView({ block: "center" }));
const seeds = diversityStrip((id) => trigger("select", { id }));
const empty = make("p", "tt-empty");
root.append(bar, grid, seeds.node, empty, peek.node);

function paintPeek() {
  const [sample] = samplesOnShow();
  const card = firstCard();
  const lively = sample && (sample.live || (state.lent && state.lent.shelf === model().shelf));
  peek.follow(card && card.stage, sample, lively, model().words.peek);
}

function render() {
  const { words } = model();
  const samples = samplesOnShow();
  const wanted = new Set(samples.map((sample) => sample.id));
  for (const [id, card] of state.cards) {
    if (!wanted.has(id)) {
      card.node.remove();
      state.cards.delete(id);
    }
  }
  samples.forEach((sample, i) => {
    if (!state.cards.has(sample.id)) state.cards.set(sample.id, buildCard(sample));
    const card = state.cards.get(sample.id);
    // Moving a node takes its focus away, so a card in its place stays untouched.
    if (grid.children[i] !== card.node) grid.insertBefore(card.node, grid.children[i] || null);
    paintCard(card, sample);
  });
  grid.setAttribute("aria-label", words.samples || "");
  grid.dataset.count = samples.length;
  bar.hidden = samples.length === 0;
  empty.hidden = samples.length > 0;
  empty.textContent = words.empty || "";
  seeds.show(model(), state.index);
  paintPeek();
  if (model().autoplay && !state.touched && !calm.matches && !state.playing) play(true);
  else paintToolbar();
}

function lend(event) {
  if (!element.isConnected) return window.removeEventListener("harmony:cell", lend);
  const { group, shelf } = event.detail;
  const [first] = state.cards.values();
  if (!first || group !== model().group || shelf !== model().shelf) return;
  state.lent = event.detail;
  paintCard(first, samplesOnShow()[0]);
  paintPeek();
}

function show() {
  // An answer that a newer one has overtaken on its way through the page is not shown again.
  const strips = state.answers.map((answer) => answer.strip);
  const [first] = given().samples;
  if (!first || !strips.includes(first.strip) || strips.at(-1) === first.strip) {
    state.answers = [];
    if (element.closest(TURNTABLES)) window.dispatchEvent(new CustomEvent(KEPT_CHANNEL));
  }
  render();
  const { shelf } = model();
  if (shelf) window.dispatchEvent(new CustomEvent("harmony:shown", { detail: { shelf } }));
}

function answered(event) {
  if (!element.isConnected) return window.removeEventListener(ANSWER_CHANNEL, answered);
  const { place: there, card } = event.detail;
  if (!element.closest(there)) return;
  state.answers = [...state.answers, card].slice(-KEEP_ANSWERS);
  render();
}

onOthersTurn((index) => {
  if (state.linked) turnAll(index);
});
window.addEventListener("harmony:cell", lend);
window.addEventListener(ANSWER_CHANNEL, answered);
function tellWhere(event) {
  if (!element.isConnected) return window.removeEventListener(WHERE, tellWhere);
  if (event.detail.group === model().group && event.detail.from !== element) announce(state.index);
}
window.addEventListener(WHERE, tellWhere);
watch("value", show);
show();
