// The view inspector; runs after turning.js and plot.js as one function body with
// (element, trigger, props, watch).
const root = element.querySelector(".in-root");
const model = () => props.value || { terms: {}, words: {} };
const state = { index: 0, cursor: null, marks: [] };

const stage = makeStage("in-stage");
const picture = make("div", "in-picture");
const flag = make("span", "in-flag");
stage.append(picture, flag);
const thumbs = make("div", "in-thumbs", { role: "group" });
const side = make("div", "in-side");
const figures = make("dl", "in-figures");
const plot = make("div", "in-plot");
const verdict = make("p", "in-verdict");
side.append(figures, plot, verdict);
const top = make("div", "in-top");
top.append(stage, side);
root.append(top, thumbs);

function addFigure(name, value) {
  const row = make("div");
  const term = make("dt"), detail = make("dd");
  term.textContent = name;
  detail.textContent = value;
  row.append(term, detail);
  figures.append(row);
}

function paintFigures() {
  const { terms, words, elevation } = model(), i = state.index;
  figures.replaceChildren();
  addFigure(words.view, `${i + 1} / ${frames()}`);
  addFigure(words.azimuth, degrees(i));
  addFigure(words.elevation, `${elevation.toFixed(1)}°`);
  if (!terms.distances.length) return;
  addFigure(words.distance, terms.distances[i].toFixed(4));
  addFigure(words.similarity, terms.similarities[i].toFixed(4));
  if (terms.shares.length) addFigure(words.share, `${(100 * terms.shares[i]).toFixed(1)} %`);
}

function buildPlot() {
  const { terms, words } = model();
  plot.replaceChildren();
  state.marks = [];
  plot.hidden = !terms.distances.length;
  if (plot.hidden) return;
  const svg = draw("svg", { viewBox: `0 0 ${PLOT.width} ${PLOT.height}`, role: "img", "aria-label": words.plot });
  state.cursor = draw("line", { class: "pl-cursor", y1: PLOT.top - 6, y2: PLOT.height - PLOT.bottom });
  svg.append(plotAxis(), state.cursor);
  const lines = [plotLine(terms.distances, "pl-first"), plotLine(terms.similarities, "pl-second")];
  lines.forEach((line, k) => {
    const mark = draw("circle", { r: 3.5, class: k ? "pl-second" : "pl-first" });
    state.marks.push({ mark, at: line.at });
    svg.append(line.line, mark);
  });
  if (terms.outlier !== null) svg.append(draw("circle", { ...lines[1].at(terms.outlier), r: 7, class: "pl-outlier" }));
  svg.addEventListener("click", (event) => byHand(nearestView(svg, event)));
  const legend = make("p", "pl-legend");
  for (const [name, text] of [["pl-first", words.plot_distance], ["pl-second", words.plot_similarity]]) {
    const key = make("span", `pl-key ${name}`);
    key.textContent = text;
    legend.append(key);
  }
  plot.append(svg, legend);
}

function paintVerdict() {
  const { terms, words } = model();
  const found = terms.outlier;
  const said = found === null
    ? words.calm
    : words.stands_out.replace("{view}", found + 1).replace("{azimuth}", degrees(found));
  verdict.textContent = terms.similarities.length ? `${said} ${words.rule}` : words.unscored;
  verdict.classList.toggle("in-found", found !== null);
}

function show(index) {
  state.index = index;
  place(picture, index);
  sayWhere(stage, index, model().words.view);
  flag.hidden = model().terms.outlier !== index;
  [...thumbs.children].forEach((thumb, i) => thumb.setAttribute("aria-current", i === index ? "true" : "false"));
  for (const { mark, at } of state.marks) {
    for (const [name, value] of Object.entries(at(index))) mark.setAttribute(name, value);
  }
  if (state.marks.length) for (const x of ["x1", "x2"]) state.cursor.setAttribute(x, plotX(index));
  paintFigures();
}

function byHand(index) {
  show(wrap(index));
  announce(state.index);
}

function buildThumbs() {
  const { words, strip, terms } = model();
  thumbs.replaceChildren();
  for (let i = 0; i < frames(); i += 1) {
    const odd = terms.outlier === i ? `, ${words.outlier}` : "";
    const thumb = make("button", "in-thumb", { type: "button", "aria-label": `${words.view} ${i + 1}, ${degrees(i)}${odd}` });
    thumb.classList.toggle("in-odd", Boolean(odd));
    lay(thumb, strip);
    place(thumb, i);
    thumb.addEventListener("click", () => byHand(i));
    thumbs.append(thumb);
  }
}

function render() {
  const { words, strip } = model();
  root.hidden = !strip;
  if (!strip) return;
  lay(picture, strip);
  stage.setAttribute("aria-label", words.closely);
  thumbs.setAttribute("aria-label", words.views);
  flag.textContent = words.outlier;
  buildThumbs();
  buildPlot();
  paintVerdict();
  show(state.index);
}

turnByHand(stage, { read: () => state.index, turn: byHand });
onOthersTurn(show);
watch("value", render);
render();
