// Turntables of one gr.HTML component: a card for each sample, turned by drag, wheel, keys or
// autoplay. Runs as a function body with (element, trigger, props, watch) in scope. Everything
// hangs on `element`, so that any number of these can stand on one page; those that share a group
// turn together through one event on the window. Turning moves the sprite strip, nothing is loaded.
const CHANNEL = "harmony:azimuth";
const DRAG_PX_PER_TURN = 420;
const AUTOPLAY_MS = 140;
const WHEEL_PER_VIEW = 60;
const calm = window.matchMedia("(prefers-reduced-motion: reduce)");
const root = element.querySelector(".tt-root");
const state = { index: 0, playing: false, linked: true, cards: new Map(), timer: null, turnedByHand: false };

const make = (tag, className, attributes = {}) => {
  const node = document.createElement(tag);
  if (className) node.className = className;
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  return node;
};
const model = () => props.value || { samples: [], words: {} };
const frames = () => model().frames || 16;
const azimuth = (index) => (index * 360) / frames();
const degrees = (index) => `${azimuth(index).toFixed(1)}°`;
const wrap = (index) => ((index % frames()) + frames()) % frames();
const place = (node, index) => {
  node.style.backgroundPosition = `${(index / (frames() - 1)) * 100}% 0`;
};

function showCard(card, index) {
  card.index = index;
  place(card.picture, index);
  card.readout.textContent = degrees(index);
  card.stage.setAttribute("aria-valuenow", azimuth(index));
  card.stage.setAttribute("aria-valuetext", `${model().words.view} ${index + 1} / ${frames()}, ${degrees(index)}`);
  card.thumbs.forEach((thumb, i) => thumb.setAttribute("aria-current", i === index ? "true" : "false"));
}

function turnTo(card, index, announce = true) {
  const target = wrap(index);
  if (!state.linked) return showCard(card, target);
  state.index = target;
  for (const other of state.cards.values()) showCard(other, target);
  if (announce) {
    const detail = { group: model().group, index: target, from: element };
    window.dispatchEvent(new CustomEvent(CHANNEL, { detail }));
  }
}

function byHand(card, index) {
  state.turnedByHand = true;
  play(false);
  turnTo(card, index);
}

function play(on) {
  state.playing = on;
  clearInterval(state.timer);
  if (on) {
    state.timer = setInterval(() => {
      if (!element.isConnected) return clearInterval(state.timer);
      if (document.hidden || root.offsetParent === null) return;
      const cards = [...state.cards.values()];
      if (state.linked) cards.slice(0, 1).forEach((card) => turnTo(card, card.index + 1));
      else cards.forEach((card) => showCard(card, wrap(card.index + 1)));
    }, AUTOPLAY_MS);
  }
  paintToolbar();
}

function attachDrag(card) {
  let start = null;
  card.stage.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    start = { x: event.clientX, index: card.index };
    card.stage.setPointerCapture(event.pointerId);
    card.stage.classList.add("tt-grabbed");
  });
  card.stage.addEventListener("pointermove", (event) => {
    if (!start) return;
    // The near surface follows the pointer: dragging right walks the camera clockwise.
    const moved = Math.round(((event.clientX - start.x) / DRAG_PX_PER_TURN) * frames());
    if (wrap(start.index - moved) !== card.index) byHand(card, start.index - moved);
  });
  for (const name of ["pointerup", "pointercancel"]) {
    card.stage.addEventListener(name, () => {
      start = null;
      card.stage.classList.remove("tt-grabbed");
    });
  }
}

function attachWheel(card) {
  let rest = 0;
  card.stage.addEventListener("wheel", (event) => {
    // An upright wheel scrolls the page unless the turntable has the focus.
    const sideways = Math.abs(event.deltaX) > Math.abs(event.deltaY);
    if (!sideways && document.activeElement !== card.stage) return;
    event.preventDefault();
    rest += sideways ? event.deltaX : event.deltaY;
    const moved = Math.trunc(rest / WHEEL_PER_VIEW);
    if (moved !== 0) {
      rest -= moved * WHEEL_PER_VIEW;
      byHand(card, card.index + moved);
    }
  }, { passive: false });
}

function attachKeys(card) {
  const steps = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1, PageUp: 4, PageDown: -4 };
  card.stage.addEventListener("keydown", (event) => {
    let target = null;
    if (event.key in steps) target = card.index + steps[event.key];
    else if (event.key === "Home") target = 0;
    else if (event.key === "End") target = frames() - 1;
    else if (event.key === " ") play(!state.playing);
    else return;
    event.preventDefault();
    if (target !== null) byHand(card, target);
  });
}

function buildCard(sample) {
  const words = model().words;
  const card = { index: state.index, thumbs: [] };
  card.node = make("article", "tt-card", { "data-sample": sample.id });
  card.head = make("button", "tt-head", { type: "button" });
  card.title = make("span", "tt-title");
  card.badge = make("span", "tt-badge");
  card.head.append(card.title, card.badge);
  card.head.addEventListener("click", () => trigger("select", { id: sample.id }));
  card.stage = make("div", "tt-stage", {
    role: "slider", tabindex: "0", "aria-valuemin": "0", "aria-valuemax": azimuth(frames() - 1),
  });
  card.picture = make("div", "tt-picture");
  card.readout = make("span", "tt-readout", { "aria-hidden": "true" });
  card.stage.append(card.picture, card.readout);
  card.strip = make("div", "tt-thumbs", { role: "group" });
  for (let i = 0; i < frames(); i += 1) {
    const thumb = make("button", "tt-thumb", { type: "button", "aria-label": `${words.view} ${i + 1}, ${degrees(i)}` });
    thumb.addEventListener("click", () => byHand(card, i));
    place(thumb, i);
    card.thumbs.push(thumb);
    card.strip.append(thumb);
  }
  card.note = make("p", "tt-note");
  card.node.append(card.head, card.stage, card.strip, card.note);
  [attachDrag, attachWheel, attachKeys].forEach((attach) => attach(card));
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
    const image = sample.strip ? `url("${sample.strip}")` : "none";
    for (const node of [card.picture, ...card.thumbs]) node.style.backgroundImage = image;
    for (const node of [card.picture, ...card.thumbs]) node.style.backgroundSize = `${frames() * 100}% 100%`;
  }
  showCard(card, card.index);
}

function toolbar() {
  const bar = make("div", "tt-bar");
  state.playButton = make("button", "tt-tool", { type: "button" });
  state.playButton.addEventListener("click", () => {
    state.turnedByHand = true;
    play(!state.playing);
  });
  state.linkButton = make("button", "tt-tool", { type: "button" });
  state.linkButton.addEventListener("click", () => {
    state.linked = !state.linked;
    if (state.linked) [...state.cards.values()].slice(0, 1).forEach((card) => turnTo(card, card.index));
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
const empty = make("p", "tt-empty");
root.append(bar, grid, empty);

function render() {
  const { samples, words } = model();
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
  if (model().autoplay && !state.turnedByHand && !calm.matches && !state.playing) play(true);
  else paintToolbar();
}

function onOthersTurn(event) {
  if (!element.isConnected) return window.removeEventListener(CHANNEL, onOthersTurn);
  const { group, index, from } = event.detail;
  if (from === element || group !== model().group || !state.linked) return;
  state.index = index;
  for (const card of state.cards.values()) showCard(card, wrap(index));
}

window.addEventListener(CHANNEL, onOthersTurn);
watch("value", render);
render();
