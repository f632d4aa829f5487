// A small copy of the first turntable for narrow windows, where the dials push it out of sight.
// It shows above it while something new comes to the first card, and a press goes there.
const IN_SIGHT = 0.4; // of the stage
function makePeek(goTo) {
  const node = make("button", "tt-peek", { type: "button" });
  const picture = make("span", "tt-picture");
  const state = { stage: null, source: null, lively: false, seen: true };
  const paint = () => { node.hidden = !state.lively || state.seen; };
  const observer = new IntersectionObserver((entries) => {
    const { intersectionRatio, boundingClientRect } = entries.at(-1);
    state.seen = intersectionRatio >= IN_SIGHT || boundingClientRect.top < 0;
    paint();
  }, { threshold: [0, IN_SIGHT] });
  node.append(picture);
  node.addEventListener("click", goTo);
  paint();
  return {
    node,
    follow(stage, sample, lively, name) {
      if (state.stage !== stage) {
        observer.disconnect();
        if (stage) observer.observe(stage);
        state.stage = stage;
      }
      if (sample && state.source !== sample.strip) {
        state.source = sample.strip;
        lay(picture, sample.strip);
      }
      state.lively = Boolean(stage && lively);
      node.setAttribute("aria-label", name);
      paint();
    },
    turn: (index) => place(picture, index),
  };
}
