// The board of pinned runs; runs after turning.js as one function body with
// (element, trigger, props, watch).
const root = element.querySelector(".pn-root");
const model = () => props.value || { pins: [], words: {} };
const state = { index: 0, order: "by_age", marked: [], pictures: [] };

const bar = make("div", "pn-bar");
const sort = make("label", "pn-sort");
const sortText = make("span");
const order = make("select", "pn-order");
sort.append(sortText, order);
const versus = make("button", "tt-tool", { type: "button" });
const hint = make("span", "tt-hint");
const list = make("div", "pn-list", { role: "group" });
const empty = make("p", "pn-empty");
bar.append(sort, versus, hint);
root.append(bar, list, empty);

const tool = (text, label, act) => {
  const node = make("button", "tt-tool pn-tool", { type: "button", "aria-label": label });
  node.textContent = text;
  node.addEventListener("click", act);
  return node;
};

function nameField(pin) {
  const field = make("input", "pn-name", { type: "text", maxlength: "40", "aria-label": model().words.name });
  field.value = pin.name;
  field.addEventListener("change", () => trigger("pin_rename", { id: pin.id, name: field.value }));
  return field;
}

function mark(id, on) {
  state.marked = state.marked.filter((other) => other !== id);
  if (on) state.marked = [...state.marked, id].slice(-2);
  paintMarks();
}

function paintMarks() {
  versus.disabled = state.marked.length !== 2;
  for (const box of list.querySelectorAll(".pn-mark")) box.checked = state.marked.includes(box.value);
}

function tools(pin) {
  const { words } = model(), row = make("div", "pn-tools");
  if (pin.strip) {
    row.append(tool(words.show, `${words.show}: ${pin.name}`, () => trigger("pin_show", { id: pin.id })));
    const label = make("label", "pn-choose"), text = make("span");
    const box = make("input", "pn-mark", { type: "checkbox", value: pin.id, "aria-label": `${words.choose}: ${pin.name}` });
    box.addEventListener("change", () => mark(pin.id, box.checked));
    text.textContent = words.choose;
    label.append(box, text);
    row.append(label);
  } else {
    row.append(tool(words.again, `${words.again}: ${pin.name}`, () => trigger("pin_again", { id: pin.id })));
  }
  row.append(tool(words.remove, `${words.remove}: ${pin.name}`, () => trigger("pin_remove", { id: pin.id })));
  return row;
}

function card(pin) {
  const node = make("article", "pn-card", { "data-pin": pin.id });
  const picture = make("div", "pn-picture", { role: "img", "aria-label": pin.name });
  if (pin.strip) {
    lay(picture, pin.strip);
    place(picture, state.index);
    state.pictures.push(picture);
  } else {
    picture.classList.add("pn-gone");
    picture.textContent = model().words.gone;
  }
  const head = make("div", "pn-head"), score = make("span", "tt-badge");
  score.textContent = pin.badge;
  head.append(nameField(pin), score);
  const detail = make("p", "tt-note");
  detail.textContent = pin.detail;
  node.append(picture, head, detail, tools(pin));
  return node;
}

function sorted() {
  const pins = [...model().pins].reverse();
  if (state.order === "by_score") pins.sort((a, b) => (b.ratio ?? -Infinity) - (a.ratio ?? -Infinity));
  return pins;
}

function render() {
  const { pins, words } = model();
  state.pictures = [];
  const here = new Set(pins.filter((pin) => pin.strip).map((pin) => pin.id));
  state.marked = state.marked.filter((id) => here.has(id));
  bar.hidden = pins.length < 2;
  empty.hidden = pins.length > 0;
  empty.textContent = words.empty;
  sortText.textContent = words.sort;
  if (!order.options.length) order.append(new Option(words.by_age, "by_age"), new Option(words.by_score, "by_score"));
  versus.textContent = words.versus;
  hint.textContent = words.hint;
  list.setAttribute("aria-label", words.board);
  list.replaceChildren(...sorted().map(card));
  paintMarks();
}

order.addEventListener("change", () => {
  state.order = order.value;
  render();
});
versus.addEventListener("click", () => {
  const [left, right] = state.marked;
  trigger("pin_versus", { left, right });
});
onOthersTurn((index) => {
  state.index = index;
  for (const picture of state.pictures) place(picture, index);
});
watch("value", render);
render();
