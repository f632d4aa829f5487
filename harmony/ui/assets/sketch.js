// A drawing of the camera that took the picture; runs as a function body with (element, props).
const root = element.querySelector(".sk-root");
const SVG = "http://www.w3.org/2000/svg";
const CENTRE = [92, 60], RADIUS = 50;

const draw = (tag, attributes) => {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  return node;
};
const onRing = (angle, radius = RADIUS) => {
  const radians = (angle * Math.PI) / 180;
  return [CENTRE[0] - radius * Math.cos(radians), CENTRE[1] - radius * Math.sin(radians)];
};
const svg = draw("svg", { viewBox: "0 0 130 120", role: "img" });
const text = document.createElement("p");
text.className = "sk-text";
root.append(svg, text);

function show(elevation) {
  const { low, high, words } = props.value;
  const [from, to] = [onRing(low), onRing(high)], [x, y] = onRing(elevation);
  const outside = elevation < low || elevation > high;
  const camera = draw("g", { transform: `translate(${x} ${y}) rotate(${elevation})`, class: "sk-camera" });
  camera.append(
    draw("rect", { x: -9, y: -6, width: 13, height: 12, rx: 2 }),
    draw("path", { d: "M4 -4 L10 -7 L10 7 L4 4 Z" }),
  );
  svg.replaceChildren(
    draw("line", { x1: 20, x2: 126, y1: CENTRE[1], y2: CENTRE[1], class: "sk-ground" }),
    draw("path", { d: `M ${from} A ${RADIUS} ${RADIUS} 0 0 1 ${to}`, class: "sk-range" }),
    draw("line", { x1: x, y1: y, x2: CENTRE[0], y2: CENTRE[1], class: "sk-ray" }),
    draw("rect", { x: CENTRE[0] - 10, y: CENTRE[1] - 10, width: 20, height: 20, rx: 3, class: "sk-object" }),
    camera,
  );
  svg.classList.toggle("sk-outside", outside);
  const where = elevation > 2 ? words.above : elevation < -2 ? words.below : words.level;
  const said = `${words.camera.replace("{angle}", elevation)}: ${where}.`;
  const warning = outside ? ` ${words.outside.replace("{low}", low).replace("{high}", high)}` : "";
  text.textContent = said + warning;
  svg.setAttribute("aria-label", text.textContent);
}

const follow = (event) => {
  if (!element.isConnected) return window.removeEventListener("harmony:elevation", follow);
  if (Number.isFinite(event.detail)) show(event.detail);
};
window.addEventListener("harmony:elevation", follow);
// Built anew whenever its part of the page is opened; what happened before stands on the body.
const { elevation } = document.body.dataset;
show(elevation === undefined ? props.value.elevation : Number(elevation));
