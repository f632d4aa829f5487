"""The tab "Describe it": its components."""

from __future__ import annotations

from dataclasses import dataclass

import gradio as gr

from harmony.painting.painter import Painter
from harmony.painting.prompts import MAX_PROMPT
from harmony.ui import settings
from harmony.ui.status import status_html
from harmony.ui.texts import describe as texts

PICTURE, DESCRIBE = "picture", "describe"
"""Names of the two tabs."""


@dataclass(frozen=True)
class Describe:
    """The components of the tab."""

    tabs: gr.Tabs
    prompt: gr.Textbox
    count: gr.Radio
    seed: gr.Number
    start: gr.Button
    stop: gr.Button
    status: gr.HTML
    gallery: gr.Gallery
    made: gr.State


def build_describe(painter: Painter, tabs: gr.Tabs) -> Describe:
    """Lay out what belongs to the tab `DESCRIBE` of `tabs`; call it right after those.

    It stands below the tab, and the style sheet shows it while the tab is selected. What is in a tab
    Gradio builds when that is first selected, with the same loss of entries as in `fold.SHUT`.
    """
    model = painter.model
    licence = texts.LICENCE_LINK if model.licence_url else texts.LICENCE
    with gr.Column(elem_id="describe"):
        prompt = gr.Textbox(
            label=texts.PROMPT,
            placeholder=texts.PROMPT_HINT,
            max_length=MAX_PROMPT,
            elem_id="prompt",
        )
        with gr.Row():
            count = gr.Radio(
                list(texts.COUNTS.items()), value=1, label=texts.COUNT, elem_id="paint-count"
            )
            seed = gr.Number(
                0,
                label=texts.SEED,
                precision=0,
                minimum=0,
                maximum=settings.MAX_SEED,
                elem_id="paint-seed",
            )
        with gr.Row(elem_classes="run-row"):
            start = gr.Button(texts.START, variant="primary", scale=3, elem_id="paint")
            stop = gr.Button(texts.STOP, interactive=False, scale=1, min_width=90)
        status = gr.HTML(status_html(texts.READY), elem_id="paint-status", js_on_load=None)
        gallery = gr.Gallery(
            label=texts.CHOOSE,
            columns=2,
            format="png",
            allow_preview=False,
            interactive=False,
            buttons=[],
            # One that is not there before its first pictures may stay at them: Gradio gives it these
            # once more when it is built, and newer ones may have come before.
            visible="hidden",
            elem_id="paintings",
        )
        gr.Markdown(
            licence.format(model=model.name, licence=model.licence, url=model.licence_url),
            elem_id="paint-licence",
        )
    return Describe(tabs, prompt, count, seed, start, stop, status, gallery, gr.State(()))
