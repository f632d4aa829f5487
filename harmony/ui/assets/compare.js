// Two samples of one seed at one azimuth: side by side, under a wipe, or as their difference.
// Runs after turning.js as one function body with (element, trigger, props, watch).
const root = element.querySelector(".cp-root");
const state = { index: 0, mode: "wipe", split: 50 };
const model = () => props.value || { sides: [], words: {} };
const modes = ["wipe", "side", "difference"];

const bar = make("div", "tt-bar", { role: "group" });
const buttons = modes.map((mode) => {
  const button = make("button", "tt-tool", { type: "button" });
  button.addEventListener("click", () => {
    state.mode = mode;
    paint();
  });
  bar.append(button);
  return button;
});
const stage = makeStage("cp-stage");
const layers = ["cp-left", "cp-right"].map((name) => make("div", `cp-layer ${name}`));
const tags = ["cp-tag-left", "cp-tag-right"].map((name) => make("span", `cp-tag ${name}`));
const readout = make("span", "tt-readout", { "aria-hidden": "true" });
const grip = make("span", "cp-grip", { "aria-hidden": "true" });
stage.append(...layers, ...tags, readout, grip);
const divider = make("input", "cp-divider", { type: "range", min: "0", max: "100", value: "50" });
divider.addEventListener("input", () => {
  state.split = Number(divider.value);
  paint();
});
root.append(bar, stage, divider);

function turn(index) {
  state.index = wrap(index);
  paint();
}

function paint() {
  const { sides, words } = model();
  root.hidden = sides.length < 2;
  if (root.hidden) return;
  stage.dataset.mode = state.mode;
  stage.style.setProperty("--cp-split", `${state.split}%`);
  stage.setAttribute("aria-label", `${words.compare}: ${sides.map((side) => side.title).join(" / ")}`);
  sayWhere(stage, state.index, words.view);
  readout.textContent = degrees(state.index);
  layers.forEach((layer, i) => {
    if (layer.source !== sides[i].strip) {
      layer.source = sides[i].strip;
      lay(layer, sides[i].strip);
    }
    place(layer, state.index);
    tags[i].textContent = sides[i].title;
  });
  buttons.forEach((button, i) => {
    button.textContent = words[modes[i]];
    button.setAttribute("aria-pressed", state.mode === modes[i] ? "true" : "false");
  });
  bar.setAttribute("aria-label", words.modes);
  divider.setAttribute("aria-label", words.divider);
  divider.hidden = grip.hidden = state.mode !== "wipe";
}

// A finger or mouse near the line moves the wipe; anywhere else it turns the object.
const GRIP_PX = 28;
let wiping = false;
const shareAt = (event) => {
  const box = stage.getBoundingClientRect();
  return ((event.clientX - box.left) / box.width) * 100;
};
stage.addEventListener("pointerdown", (event) => {
  const away = Math.abs(shareAt(event) - state.split) / 100 * stage.clientWidth;
  if (state.mode !== "wipe" || event.button !== 0 || away > GRIP_PX) return;
  wiping = true;
  stage.setPointerCapture(event.pointerId);
  event.stopImmediatePropagation();
});
stage.addEventListener("pointermove", (event) => {
  if (!wiping) return;
  state.split = Math.min(100, Math.max(0, shareAt(event)));
  divider.value = String(state.split);
  event.stopImmediatePropagation();
  paint();
});
for (const name of ["pointerup", "pointercancel"]) stage.addEventListener(name, () => { wiping = false; });

turnByHand(stage, {
  read: () => state.index,
  turn: (index) => {
    turn(index);
    announce(state.index);
  },
});
onOthersTurn(turn);
watch("value", paint);
paint();
