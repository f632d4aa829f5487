// The short way of a moving dial; see harmony/ui/wire.py. Runs as one function body with
// (element, trigger, props, watch). Its event `input` asks the page's own handler instead, and
// `select` asks for a new key. Its value tells those handlers when it asked last.
const DIALS = { s1: "#s1", s2: "#s2", cfg_scale: "#cfg-scale" };
const ANSWER_CHANNEL = "harmony:answer", KEPT_CHANNEL = "harmony:kept", TURNTABLES = "#turntables";
const NOTHING = 204;
const REST_MS = 150; // after which a dial counts as resting
const SETTLED_MS = 500; // after which the server knows what was changed beside the dials
const state = { asked: 0, underWay: false, waiting: false, timer: null, changedAt: 0 };
const model = () => props.value || {};

function position() {
  const found = {};
  for (const [name, place] of Object.entries(DIALS)) {
    const range = document.querySelector(`${place} input[type=range]`);
    if (range) found[name] = Number(range.value);
  }
  return found;
}

function askPageIn(milliseconds) {
  clearTimeout(state.timer);
  state.timer = setTimeout(() => trigger("input"), milliseconds);
}
// Not before Gradio has heard of the movement, too.
const askPage = () => askPageIn(0);
// Once the dial rests, the page keeps the answer, or says what it waits for.
const whenAtRest = () => askPageIn(REST_MS);

function note() {
  if (model().key && model().asked !== state.asked) props.value = { ...model(), asked: state.asked };
}

async function ask() {
  // A moment and no count: it must grow even where this is built anew.
  const asked = state.asked = Math.max(state.asked + 1, Date.now());
  state.underWay = true;
  state.waiting = false;
  const question = JSON.stringify({ key: model().key, asked, ...position() });
  note();
  whenAtRest();
  let answer = { ask: "page" };
  try {
    const place = new URL(model().path, document.baseURI);
    const response = await fetch(place, { method: "POST", body: question });
    if (response.ok) answer = response.status === NOTHING ? {} : await response.json();
  } catch (error) {
    console.warn("The short way to the live model is closed:", error);
  }
  if (asked !== state.asked) return;
  state.underWay = false;
  if (answer.ask === "key") trigger("select");
  if (answer.card) show(answer);
  if (state.waiting) ask();
  else if (answer.ask) askPage();
  else if (answer.card) whenAtRest();
}

// The line stands in the banner's place until Gradio changes that, or the turntables.
const line = document.createElement("p");
line.className = "banner banner-live banner-wire";
const observer = new MutationObserver((changes) => {
  if (changes.some(({ target }) => !line.contains(target) && target !== line.parentNode)) line.remove();
});

function show({ card, model: name, said, note: more }) {
  window.dispatchEvent(new CustomEvent(ANSWER_CHANNEL, { detail: { place: TURNTABLES, card } }));
  const part = (tag, text) => Object.assign(document.createElement(tag), { textContent: text });
  line.replaceChildren(part("b", name), part("span", said), ...(more ? [part("small", more)] : []));
  const banner = document.querySelector("#banner");
  if (line.parentNode === banner) return;
  banner.prepend(line);
  observer.disconnect();
  observer.observe(banner, { subtree: true, childList: true, characterData: true });
}

function moved({ letGo }) {
  if (!model().key || Date.now() - state.changedAt < SETTLED_MS) askPage();
  else if (state.underWay && !letGo) {
    state.waiting = true;
    whenAtRest();
  } else ask();
}

const HEARD = ["input", "change", "click", "drop"];
const isDial = (target) => Object.values(DIALS).some((place) => target.closest?.(place));
// Of a pointer that was let go beside the dial, the click is that of what lies around both.
const holdsDial = (target) => Object.values(DIALS).some((place) => target.querySelector?.(place));
function heard(event) {
  if (!element.isConnected) {
    for (const name of HEARD) window.removeEventListener(name, heard, true);
  } else if (!isDial(event.target)) {
    if (!holdsDial(event.target)) state.changedAt = Date.now();
  } else if (event.target.type !== "range") {
    if (event.type === "input") askPage();
  } else if (event.type === "input") moved({ letGo: false });
  // A range says "change" when it is let go; its last move may still be waiting then.
  else if (event.type === "change" && state.waiting) moved({ letGo: true });
}
function kept() {
  line.remove();
  if (!element.isConnected) window.removeEventListener(KEPT_CHANNEL, kept);
}
for (const name of HEARD) window.addEventListener(name, heard, true);
window.addEventListener(KEPT_CHANNEL, kept);
watch("value", note);
