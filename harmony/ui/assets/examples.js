// A row of example pictures; runs as a function body with (element, trigger, props, watch).
const list = element.querySelector(".ex-list");

function render() {
  const examples = (props.value || {}).examples || [];
  list.replaceChildren(...examples.map((example, index) => {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "ex-button";
    const image = document.createElement("img");
    image.src = example.thumbnail;
    image.alt = "";
    const name = document.createElement("span");
    name.textContent = example.name;
    button.append(image, name);
    button.addEventListener("click", () => trigger("select", { index }));
    return button;
  }));
}

watch("value", render);
render();
