// A small line plot over the azimuth; part of a function body, after turning.js.
const SVG = "http://www.w3.org/2000/svg";
const PLOT = { width: 360, height: 132, left: 8, right: 8, top: 10, bottom: 22 };

function draw(tag, attributes, text) {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  if (text) node.textContent = text;
  return node;
}

const plotX = (index) =>
  PLOT.left + (index / (frames() - 1)) * (PLOT.width - PLOT.left - PLOT.right);

// Each line has its own scale: they are read for their shape, and their figures stand beside.
function plotLine(values, className) {
  const low = Math.min(...values), span = Math.max(...values) - low || 1;
  const room = PLOT.height - PLOT.top - PLOT.bottom;
  const y = (value) => PLOT.top + (1 - (value - low) / span) * room;
  const points = values.map((value, i) => `${plotX(i).toFixed(1)},${y(value).toFixed(1)}`);
  const line = draw("polyline", { points: points.join(" "), class: `pl-line ${className}` });
  return { line, at: (index) => ({ cx: plotX(index), cy: y(values[index]) }) };
}

function plotAxis() {
  const group = draw("g", { class: "pl-axis" });
  const foot = PLOT.height - PLOT.bottom;
  group.append(draw("line", { x1: PLOT.left, x2: PLOT.width - PLOT.right, y1: foot, y2: foot }));
  for (let index = 0; index < frames(); index += 4) {
    group.append(draw("line", { x1: plotX(index), x2: plotX(index), y1: foot, y2: foot + 4 }));
    const anchor = index === 0 ? "start" : "middle";
    group.append(draw("text", { x: plotX(index), y: PLOT.height - 4, "text-anchor": anchor }, `${azimuth(index)}°`));
  }
  return group;
}

function nearestView(svg, event) {
  const box = svg.getBoundingClientRect();
  const x = ((event.clientX - box.left) / box.width) * PLOT.width;
  const share = (x - PLOT.left) / (PLOT.width - PLOT.left - PLOT.right);
  return Math.max(0, Math.min(frames() - 1, Math.round(share * (frames() - 1))));
}
