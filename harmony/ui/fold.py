"""Parts of the page that are folded up, with controls inside that keep what is entered into them."""

from __future__ import annotations

from typing import Any

import gradio as gr

SHUT: Any = 0
"""Shut, but not `False`.

What is in an accordion with `open=False` Gradio 6.31 builds when it is first opened, and one
animation frame later it gives every control in it the value that it has had before: what a
visitor has entered by then is lost. Whatever else is shut is built with the page and only hidden.
"""


def fold(label: str, elem_id: str) -> gr.Accordion:
    """Return a shut accordion for controls that a visitor fills in; use it as a context."""
    return gr.Accordion(label, open=SHUT, elem_id=elem_id)
