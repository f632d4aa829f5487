// All seeds of a run at one azimuth, in one row; part of the turntable's function body.
function diversityStrip(choose) {
  const node = make("section", "dv-strip");
  const row = make("div", "dv-row", { role: "group" });
  const text = make("p", "dv-text");
  const pictures = [];
  node.append(row, text);

  function seedButton(sample, words, selected) {
    const button = make("button", "dv-seed", { type: "button" });
    const picture = make("span", "dv-picture");
    const name = make("span", "dv-name");
    name.textContent = sample.mark ? `${sample.title} · ${sample.mark}` : sample.title;
    button.append(picture, name);
    button.setAttribute("aria-label", [sample.title, sample.badge, sample.mark].filter(Boolean).join(", "));
    button.setAttribute("aria-pressed", selected ? "true" : "false");
    button.classList.toggle("dv-marked", Boolean(sample.mark));
    lay(picture, sample.strip);
    button.addEventListener("click", () => choose(sample.id));
    pictures.push(picture);
    return button;
  }

  return {
    node,
    turn: (index) => pictures.forEach((picture) => place(picture, index)),
    show: ({ samples, spread, selected, words }, index) => {
      node.hidden = !spread;
      pictures.length = 0;
      row.setAttribute("aria-label", words.seeds || "");
      row.replaceChildren(...(spread ? samples.map((s) => seedButton(s, words, s.id === selected)) : []));
      text.textContent = spread || "";
      pictures.forEach((picture) => place(picture, index));
    },
  };
}
