"""The link, the command line and the recipe of the result on show, each with its copy button."""

from __future__ import annotations

import gradio as gr

from harmony.ui import texts
from harmony.ui.texts import recipes

COPY = "(text) => { navigator.clipboard.writeText(text); }"
# Inside another page, as on a Space, the address bar belongs to that page.
TO_ADDRESS_BAR = """(link) => {
  if (!link || window.self !== window.top) return;
  const query = new URL(link).searchParams;
  const theme = new URLSearchParams(location.search).get("__theme");
  if (theme) query.set("__theme", theme);
  history.replaceState(history.state, "", `${location.pathname}?${query}`);
}"""


def _copied(field: gr.Textbox, label: str, elem_id: str) -> None:
    """Add a copy button; one inside the box would take the box's label for itself."""
    gr.Button(label, size="sm", elem_id=elem_id).click(
        None, inputs=field, js=COPY, api_visibility="private"
    )


def build_sharing() -> tuple[gr.Textbox, gr.Textbox, gr.Code]:
    """Lay out link, command line and recipe, and return them in this order."""
    with gr.Accordion(texts.SHARE, open=False, elem_id="share"):
        link = gr.Textbox(label=texts.LINK, info=texts.LINK_INFO, interactive=False, elem_id="link")
        _copied(link, texts.COPY_LINK, "copy-link")
        command = gr.Textbox(
            label=recipes.COMMAND,
            info=recipes.COMMAND_INFO,
            interactive=False,
            elem_id="command",
        )
        _copied(command, recipes.COPY_COMMAND, "copy-command")
        recipe = gr.Code(label=texts.RECIPE, language="json", interactive=False, elem_id="recipe")
    return link, command, recipe


def contents_html() -> str:
    """Return the list of what the zip of a sample holds."""
    rows = "".join(f"<dt>{name}</dt><dd>{what}</dd>" for name, what in recipes.CONTENTS.items())
    return f"<details><summary>{recipes.CONTENTS_TITLE}</summary><dl>{rows}</dl></details>"
