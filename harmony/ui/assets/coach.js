// The input coach: cut-out with the crop's frame, and what the model sees. Runs before brush.js as
// one function body with (element, trigger, props, watch).
const root = element.querySelector(".co-root");
const words = () => (props.value || { words: {} }).words;
const FAINT = 8;
const SQUARE = 192;

const build = (tag, className, attributes = {}) => {
  const node = document.createElement(tag);
  if (className) node.className = className;
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  return node;
};
const sheet = (width, height) => {
  const canvas = document.createElement("canvas");
  canvas.width = width;
  canvas.height = height;
  return canvas;
};

const state = {
  foreground: 0.8, picture: null, cutout: null, keep: null, remove: null, object: null,
  mending: false, serial: 0,
};

const figures = build("div", "co-figures");
const canvas = sheet(1, 1);
canvas.className = "co-canvas";
const square = sheet(SQUARE, SQUARE);
const framed = build("img", "co-framed");
function figure(className, content, caption) {
  const node = build("figure", className);
  const text = build("figcaption");
  text.textContent = caption;
  node.append(content, text);
  return node;
}
const empty = build("p", "co-empty");

// The object as it stands: the cut-out, less what was removed, plus what was kept.
function compose() {
  const { width, height } = canvas;
  const object = sheet(width, height), context = object.getContext("2d");
  if (state.cutout) context.drawImage(state.cutout, 0, 0, width, height);
  context.globalCompositeOperation = "destination-out";
  context.drawImage(state.remove, 0, 0);
  const kept = sheet(width, height), paint = kept.getContext("2d");
  paint.drawImage(state.keep, 0, 0);
  paint.globalCompositeOperation = "source-in";
  paint.drawImage(state.picture, 0, 0, width, height);
  context.globalCompositeOperation = "source-over";
  context.drawImage(kept, 0, 0);
  state.object = object;
}

function boxOf(object) {
  const { width, height } = object;
  const data = object.getContext("2d").getImageData(0, 0, width, height).data;
  let [left, top, right, bottom] = [width, height, -1, -1];
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1) {
      if (data[(y * width + x) * 4 + 3] <= FAINT) continue;
      left = Math.min(left, x); right = Math.max(right, x);
      top = Math.min(top, y); bottom = Math.max(bottom, y);
    }
  }
  return right < 0 ? null : { left, top, right: right + 1, bottom: bottom + 1 };
}

// The square that becomes the model's picture: the object's longer side takes `foreground` of it.
function cropOf(box) {
  const side = Math.max(box.right - box.left, box.bottom - box.top) / state.foreground;
  return { x: (box.left + box.right - side) / 2, y: (box.top + box.bottom - side) / 2, side };
}

function paintCutout(crop) {
  const context = canvas.getContext("2d");
  context.clearRect(0, 0, canvas.width, canvas.height);
  if (state.mending || !state.cutout) {
    context.globalAlpha = 0.3;
    context.drawImage(state.picture, 0, 0, canvas.width, canvas.height);
    context.globalAlpha = 1;
  }
  context.drawImage(state.object, 0, 0);
  if (!crop || state.mending) return;
  for (const [dash, colour] of [[[], "#ffffff"], [[7, 5], "#0f766e"]]) {
    context.setLineDash(dash);
    context.strokeStyle = colour;
    context.lineWidth = 3;
    context.strokeRect(crop.x, crop.y, crop.side, crop.side);
  }
  context.setLineDash([]);
}

function paintFramed(crop) {
  const context = square.getContext("2d");
  context.fillStyle = "#ffffff";
  context.fillRect(0, 0, SQUARE, SQUARE);
  if (crop) {
    const scale = SQUARE / crop.side;
    context.drawImage(
      state.object, -crop.x * scale, -crop.y * scale, canvas.width * scale, canvas.height * scale,
    );
  }
  framed.src = square.toDataURL();
}

function paint() {
  if (!state.picture) return;
  compose();
  const box = boxOf(state.object);
  const crop = box && cropOf(box);
  empty.hidden = Boolean(box);
  // For tests and for the curious: the crop in pixels of the canvas.
  element.dataset.crop = crop ? [crop.x, crop.y, crop.side].map((v) => v.toFixed(1)).join(" ") : "";
  paintCutout(crop);
  paintFramed(crop);
}

const load = (source) => new Promise((resolve) => {
  if (!source) return resolve(null);
  const image = new Image();
  image.onload = () => resolve(image);
  image.onerror = () => resolve(null);
  image.src = source;
});

async function render() {
  const { picture, cutout, foreground } = props.value || {};
  state.serial += 1;
  const serial = state.serial;
  const [whole, object] = await Promise.all([load(picture), load(cutout)]);
  if (serial !== state.serial) return;
  root.hidden = !whole;
  state.picture = whole;
  state.cutout = object;
  state.foreground = foreground || state.foreground;
  if (!whole) return;
  canvas.width = whole.naturalWidth;
  canvas.height = whole.naturalHeight;
  state.keep = sheet(canvas.width, canvas.height);
  state.remove = sheet(canvas.width, canvas.height);
  stopMending();
}

const follow = (event) => {
  if (!element.isConnected) return window.removeEventListener("harmony:foreground", follow);
  state.foreground = Math.min(1, Math.max(0.1, event.detail || state.foreground));
  paint();
};
window.addEventListener("harmony:foreground", follow);
