// The brush that mends the mask; the second part of coach.js's function body.
const KEY_MOVES = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const brush = { mode: "keep", size: 24, last: null, at: null, undo: [] };

const button = (className, act) => {
  const node = build("button", `tt-tool ${className}`, { type: "button" });
  node.addEventListener("click", act);
  return node;
};
const mendButton = button("co-mend", () => startMending());
const keepButton = button("co-keep", () => choose("keep"));
const removeButton = button("co-remove", () => choose("remove"));
const undoButton = button("co-undo", () => undo());
const useButton = button("co-use", () => useMask());
const cancelButton = button("co-cancel", () => render());
const size = build("input", "co-size", { type: "range", min: "4", max: "80", value: "24" });
const sizeLabel = build("label", "co-size-label");
const sizeText = build("span");
sizeLabel.append(sizeText, size);
const tools = build("div", "co-tools", { role: "group" });
tools.append(keepButton, removeButton, sizeLabel, undoButton, useButton, cancelButton);
const ring = build("span", "co-ring", { "aria-hidden": "true" });
const board = build("div", "co-board");
board.append(canvas, ring);

function choose(mode) {
  brush.mode = mode;
  keepButton.setAttribute("aria-pressed", mode === "keep" ? "true" : "false");
  removeButton.setAttribute("aria-pressed", mode === "remove" ? "true" : "false");
  ring.dataset.mode = mode;
}

function startMending() {
  state.mending = true;
  brush.undo = [];
  brush.at = [canvas.width / 2, canvas.height / 2];
  showTools();
  paint();
  canvas.focus();
}

function stopMending() {
  state.mending = false;
  showTools();
  paint();
}

function showTools() {
  const on = state.mending;
  root.classList.toggle("co-mending", on);
  tools.hidden = !on;
  mendButton.hidden = on;
  ring.hidden = !on;
  if (on) {
    canvas.setAttribute("tabindex", "0");
    canvas.setAttribute("role", "application");
    canvas.setAttribute("aria-label", words().canvas);
    placeRing();
  } else {
    canvas.removeAttribute("tabindex");
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", words().cutout);
  }
}

const copyOf = (source) => {
  const copy = sheet(source.width, source.height);
  copy.getContext("2d").drawImage(source, 0, 0);
  return copy;
};
const remember = () => {
  brush.undo.push({ keep: copyOf(state.keep), remove: copyOf(state.remove) });
  if (brush.undo.length > 20) brush.undo.shift();
};

function undo() {
  const before = brush.undo.pop();
  if (!before) return;
  Object.assign(state, before);
  paint();
}

// What is painted last counts: a stroke of one kind wipes the other kind below it.
function stroke(from, to) {
  for (const kind of ["keep", "remove"]) {
    const context = state[kind].getContext("2d");
    context.globalCompositeOperation = kind === brush.mode ? "source-over" : "destination-out";
    context.lineCap = "round";
    context.lineWidth = brush.size;
    context.strokeStyle = "#ffffff";
    context.beginPath();
    context.moveTo(...from);
    context.lineTo(to[0] + 0.01, to[1]);
    context.stroke();
  }
  paint();
}

const spot = (event) => {
  const box = canvas.getBoundingClientRect();
  const scale = canvas.width / box.width;
  return [(event.clientX - box.left) * scale, (event.clientY - box.top) * scale];
};

function placeRing() {
  const scale = canvas.clientWidth / canvas.width;
  const side = brush.size * scale;
  ring.style.width = ring.style.height = `${side}px`;
  ring.style.left = `${canvas.offsetLeft + brush.at[0] * scale - side / 2}px`;
  ring.style.top = `${canvas.offsetTop + brush.at[1] * scale - side / 2}px`;
}

canvas.addEventListener("pointerdown", (event) => {
  if (!state.mending || event.button !== 0) return;
  event.preventDefault();
  canvas.focus({ preventScroll: true });
  canvas.setPointerCapture(event.pointerId);
  remember();
  brush.at = brush.last = spot(event);
  stroke(brush.last, brush.last);
});
canvas.addEventListener("pointermove", (event) => {
  if (!state.mending) return;
  brush.at = spot(event);
  placeRing();
  if (!brush.last) return;
  stroke(brush.last, brush.at);
  brush.last = brush.at;
});
for (const name of ["pointerup", "pointercancel"]) {
  canvas.addEventListener(name, () => { brush.last = null; });
}
canvas.addEventListener("keydown", (event) => {
  if (!state.mending) return;
  const move = KEY_MOVES[event.key];
  if (move) {
    const reach = brush.size / 2;
    brush.at = [
      Math.min(canvas.width, Math.max(0, brush.at[0] + move[0] * reach)),
      Math.min(canvas.height, Math.max(0, brush.at[1] + move[1] * reach)),
    ];
    placeRing();
  } else if (event.key === " ") {
    remember();
    stroke(brush.at, brush.at);
  } else if (event.key === "Escape") render();
  else return;
  event.preventDefault();
});
size.addEventListener("input", () => {
  brush.size = Number(size.value);
  placeRing();
});

function useMask() {
  const strokes = sheet(canvas.width, canvas.height), context = strokes.getContext("2d");
  context.fillStyle = "#000000";
  context.fillRect(0, 0, strokes.width, strokes.height);
  context.globalCompositeOperation = "lighter";
  for (const [kind, colour] of [["keep", "#ff0000"], ["remove", "#00ff00"]]) {
    const layer = copyOf(state[kind]), tint = layer.getContext("2d");
    tint.globalCompositeOperation = "source-in";
    tint.fillStyle = colour;
    tint.fillRect(0, 0, layer.width, layer.height);
    context.drawImage(layer, 0, 0);
  }
  trigger("mended", { strokes: strokes.toDataURL("image/png") });
}

function say() {
  const text = words();
  mendButton.textContent = text.mend;
  keepButton.textContent = text.keep;
  removeButton.textContent = text.remove;
  undoButton.textContent = text.undo;
  useButton.textContent = text.use;
  cancelButton.textContent = text.cancel;
  sizeText.textContent = text.size;
  tools.setAttribute("aria-label", text.tools);
  empty.textContent = text.empty;
  framed.alt = text.framed;
}

figures.append(
  figure("co-cutout", board, words().cutout),
  figure("co-model", framed, words().framed),
);
root.append(figures, empty, mendButton, tools);
root.hidden = true;
say();
choose("keep");
watch("value", render);
render();
