// Turning a ring of views by hand; shared by the turntables and the comparison. Everything that
// shows azimuths listens on one channel of the window, so that those of one group turn together.
const CHANNEL = "harmony:azimuth";
const DRAG_PX_PER_TURN = 420;
const WHEEL_PER_VIEW = 60;
const KEY_STEPS = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1, PageUp: 4, PageDown: -4 };

const make = (tag, className, attributes = {}) => {
  const node = document.createElement(tag);
  if (className) node.className = className;
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  return node;
};
const frames = () => (props.value || {}).frames || 16;
const azimuth = (index) => (index * 360) / frames();
const degrees = (index) => `${azimuth(index).toFixed(1)}°`;
const wrap = (index) => ((index % frames()) + frames()) % frames();
const place = (node, index) => {
  node.style.backgroundPosition = `${(index / (frames() - 1)) * 100}% 0`;
};
const lay = (node, strip) => {
  node.style.backgroundImage = strip ? `url("${strip}")` : "none";
  node.style.backgroundSize = `${frames() * 100}% 100%`;
};

function announce(index) {
  const detail = { group: props.value.group, index, from: element };
  window.dispatchEvent(new CustomEvent(CHANNEL, { detail }));
}

// What comes later on the page asks where the others stand.
const WHERE = "harmony:where";
function askWhere() {
  const { group } = props.value || {};
  window.dispatchEvent(new CustomEvent(WHERE, { detail: { group, from: element } }));
}

function onOthersTurn(turn) {
  const listen = (event) => {
    if (!element.isConnected) return window.removeEventListener(CHANNEL, listen);
    const { group, index, from } = event.detail;
    if (from !== element && group === (props.value || {}).group) turn(wrap(index));
  };
  window.addEventListener(CHANNEL, listen);
}

function makeStage(className) {
  return make("div", className, {
    role: "slider", tabindex: "0", "aria-valuemin": "0", "aria-valuemax": azimuth(frames() - 1),
  });
}

function sayWhere(stage, index, view) {
  stage.setAttribute("aria-valuenow", azimuth(index));
  stage.setAttribute("aria-valuetext", `${view} ${index + 1} / ${frames()}, ${degrees(index)}`);
}

function turnByHand(stage, { read, turn, toggle = () => {} }) {
  let start = null;
  stage.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    start = { x: event.clientX, index: read() };
    stage.setPointerCapture(event.pointerId);
    stage.classList.add("tt-grabbed");
  });
  stage.addEventListener("pointermove", (event) => {
    if (!start) return;
    // The near surface follows the pointer: dragging right walks the camera clockwise.
    const moved = Math.round(((event.clientX - start.x) / DRAG_PX_PER_TURN) * frames());
    if (wrap(start.index - moved) !== read()) turn(start.index - moved);
  });
  for (const name of ["pointerup", "pointercancel"]) {
    stage.addEventListener(name, () => {
      start = null;
      stage.classList.remove("tt-grabbed");
    });
  }
  let rest = 0;
  stage.addEventListener("wheel", (event) => {
    // An upright wheel scrolls the page unless the stage has the focus.
    const sideways = Math.abs(event.deltaX) > Math.abs(event.deltaY);
    if (!sideways && document.activeElement !== stage) return;
    event.preventDefault();
    rest += sideways ? event.deltaX : event.deltaY;
    const moved = Math.trunc(rest / WHEEL_PER_VIEW);
    rest -= moved * WHEEL_PER_VIEW;
    if (moved !== 0) turn(read() + moved);
  }, { passive: false });
  stage.addEventListener("keydown", (event) => {
    let target = null;
    if (event.key in KEY_STEPS) target = read() + KEY_STEPS[event.key];
    else if (event.key === "Home") target = 0;
    else if (event.key === "End") target = frames() - 1;
    else if (event.key === " ") toggle();
    else return;
    event.preventDefault();
    if (target !== null) turn(target);
  });
}
