// A map of s1 (rows) and s2 (columns): one sample in each cell, all at one azimuth. The map of an
// example ("shelf") also answers its dials: the turntable takes the nearest cell while one moves.
// Runs after turning.js as one function body with (element, trigger, props, watch).
const CELL_CHANNEL = "harmony:cell", SHOWN_CHANNEL = "harmony:shown";
const DIALS = ["s1", "s2"];
const root = element.querySelector(".mp-root");
const state = { index: 0, pictures: [], buttons: new Map(), colour: null };
const model = () => props.value || { rows: [], columns: [], cells: {}, colours: [], words: {} };

const bar = make("div", "mp-bar");
const colourLabel = make("label", "mp-colour");
const colourText = make("span");
const colour = make("select", "mp-select");
colourLabel.append(colourText, colour);
const turner = make("label", "mp-colour");
const turnerText = make("span");
const slider = make("input", "cp-divider", { type: "range", min: "0", value: "0" });
turner.append(turnerText, slider);
bar.append(colourLabel, turner);
const grid = make("div", "mp-grid", { role: "group" });
const title = make("h2", "mp-title");
const about = make("p", "mp-about");
root.append(title, about, bar, grid);

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
colour.addEventListener("change", () => {
  state.colour = colour.value;
  tint();
});

function cellButton(s1, s2, cell) {
  const button = make("button", "mp-cell", { type: "button" });
  const picture = make("span", "mp-picture");
  const label = make("span", "mp-label");
  button.append(picture, label);
  button.label = label;
  button.disabled = !cell;
  if (cell) {
    lay(picture, cell.strip);
    button.addEventListener("click", () => choose(s1, s2));
  }
  state.pictures.push(picture);
  state.buttons.set(`${s1}|${s2}`, button);
  return button;
}

function choose(s1, s2) {
  const shelf = model().shelf;
  if (shelf) answer({ s1, s2 });
  trigger("select", { s1, s2, shelf });
}

function tint() {
  const { cells, words } = model();
  for (const [key, button] of state.buttons) {
    const [s1, s2] = key.split("|");
    const cell = cells[key];
    const figure = cell ? cell.figures[state.colour] || "" : "";
    const name = `s1 ${s1}, s2 ${s2}`;
    button.label.textContent = figure;
    button.setAttribute("aria-label", cell ? `${name}, ${figure}` : `${name}, ${words.waiting}`);
    const share = cell ? cell.shares[state.colour] ?? 0 : 0;
    button.style.setProperty("--mp-share", `${Math.round(share * 100)}%`);
  }
}

function head(text) {
  const node = make("span", "mp-head");
  node.textContent = text;
  return node;
}

function offerColours() {
  const { colours, words } = model();
  const names = colours.map(([name]) => name);
  if (!names.includes(state.colour)) state.colour = names[0] || null;
  colour.replaceChildren(...colours.map(([name, text]) => new Option(text, name)));
  colour.value = state.colour || "";
  colourText.textContent = words.colour || "";
  colourLabel.hidden = names.length === 0;
}

function render() {
  const { rows, columns, cells, words } = model();
  const focused = [...state.buttons].find(([, button]) => button === document.activeElement);
  // One cell alone is no map; it still answers the dials.
  root.hidden = rows.length * columns.length < 2;
  title.textContent = words.title || "";
  about.textContent = words.about || "";
  state.pictures = [];
  state.buttons.clear();
  grid.style.setProperty("--mp-columns", columns.length);
  grid.setAttribute("aria-label", words.map || "");
  slider.max = String(frames() - 1);
  slider.setAttribute("aria-label", words.azimuth || "");
  turnerText.textContent = words.turn || "";
  const nodes = [head(""), ...columns.map((s2) => head(`s2 ${s2}`))];
  for (const s1 of rows) {
    nodes.push(head(`s1 ${s1}`), ...columns.map((s2) => cellButton(s1, s2, cells[`${s1}|${s2}`])));
  }
  grid.replaceChildren(...nodes);
  offerColours();
  tint();
  turn(state.index);
  if (focused) state.buttons.get(focused[0])?.focus();
  answer();
}

// Arrow keys walk from cell to cell, over those that are not there yet.
grid.addEventListener("keydown", (event) => {
  const width = model().columns.length, buttons = [...state.buttons.values()];
  const steps = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: width, ArrowUp: -width };
  const at = buttons.indexOf(document.activeElement), step = steps[event.key];
  if (at < 0 || !step) return;
  event.preventDefault();
  for (let to = at + step; to >= 0 && to < buttons.length; to += step) {
    const sameRow = Math.floor(to / width) === Math.floor(at / width);
    if (Math.abs(step) === 1 && !sameRow) return;
    if (!buttons[to].disabled) return buttons[to].focus();
  }
});

function dials(moved) {
  const values = {};
  for (const name of DIALS) {
    const field = document.querySelector(`#${name} input[type=number]`);
    values[name] = moved && moved.closest(`#${name}`) ? Number(moved.value) : Number(field?.value);
  }
  return values;
}

function answer(wanted = dials()) {
  const { shelf, cells, words, group } = model();
  for (const button of state.buttons.values()) button.removeAttribute("aria-current");
  const known = Object.keys(cells || {}).map((key) => key.split("|").map(Number));
  if (!shelf || known.length === 0 || Number.isNaN(wanted.s1 + wanted.s2)) return;
  const distance = ([s1, s2]) => (s1 - wanted.s1) ** 2 + (s2 - wanted.s2) ** 2;
  const [s1, s2] = known.reduce((best, cell) => (distance(cell) < distance(best) ? cell : best));
  const key = `${s1}|${s2}`;
  const { strip, badge, note } = cells[key];
  const words_ = distance([s1, s2]) === 0 ? words.exact : words.nearest;
  const title = words_.replace("{s1}", s1).replace("{s2}", s2);
  state.buttons.get(key).setAttribute("aria-current", "true");
  const detail = { group, shelf, sample: { strip, badge, note, title } };
  window.dispatchEvent(new CustomEvent(CELL_CHANNEL, { detail }));
}

function listen(name, target, react) {
  const heard = (event) => {
    if (!element.isConnected) return target.removeEventListener(name, heard);
    react(event);
  };
  target.addEventListener(name, heard);
}

const ofDials = (node) => node.closest && node.closest(DIALS.map((name) => `#${name}`).join(", "));
listen("input", document, ({ target }) => {
  if (ofDials(target)) answer(dials(target));
});
// The reset button of a dial changes its value after the click.
listen("click", document, ({ target }) => {
  if (ofDials(target) && target.closest("button")) setTimeout(answer, 0);
});
listen(SHOWN_CHANNEL, window, ({ detail }) => {
  if (detail.shelf === model().shelf) answer();
});
onOthersTurn(turn);
watch("value", render);
render();
