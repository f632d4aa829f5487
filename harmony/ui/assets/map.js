// A map of s1 (rows) and s2 (columns): one sample in each cell, all at one azimuth.
// Runs after turning.js as one function body with (element, trigger, props, watch).
const root = element.querySelector(".mp-root");
const state = { index: 0, pictures: [] };
const model = () => props.value || { rows: [], columns: [], cells: {}, words: {} };
const grid = make("div", "mp-grid", { role: "group" });
const slider = make("input", "cp-divider", { type: "range", min: "0", value: "0" });
root.append(grid, slider);

function turn(index) {
  state.index = wrap(index);
  slider.value = String(state.index);
  slider.setAttribute("aria-valuetext", degrees(state.index));
  for (const picture of state.pictures) place(picture, state.index);
}

slider.addEventListener("input", () => {
  turn(Number(slider.value));
  announce(state.index);
});

function cellButton(s1, s2, cell) {
  const { words } = model();
  const name = `s1 ${s1}, s2 ${s2}`;
  const button = make("button", "mp-cell", { type: "button" });
  const picture = make("span", "mp-picture");
  const label = make("span", "mp-label");
  label.textContent = cell ? cell.badge : "";
  button.append(picture, label);
  button.disabled = !cell;
  button.setAttribute("aria-label", cell ? `${name}, ${cell.badge}` : `${name}, ${words.waiting}`);
  if (cell) {
    lay(picture, cell.strip);
    button.style.setProperty("--mp-share", `${Math.round(cell.share * 100)}%`);
    button.addEventListener("click", () => trigger("select", { s1, s2 }));
  }
  state.pictures.push(picture);
  return button;
}

function head(text) {
  const node = make("span", "mp-head");
  node.textContent = text;
  return node;
}

function render() {
  const { rows, columns, cells, words } = model();
  root.hidden = rows.length === 0;
  state.pictures = [];
  grid.style.setProperty("--mp-columns", columns.length);
  grid.setAttribute("aria-label", words.map || "");
  slider.max = String(frames() - 1);
  slider.setAttribute("aria-label", words.azimuth || "");
  const nodes = [head(""), ...columns.map((s2) => head(`s2 ${s2}`))];
  for (const s1 of rows) {
    nodes.push(head(`s1 ${s1}`), ...columns.map((s2) => cellButton(s1, s2, cells[`${s1}|${s2}`])));
  }
  grid.replaceChildren(...nodes);
  turn(state.index);
}

onOthersTurn(turn);
watch("value", render);
render();
