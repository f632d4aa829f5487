"""The chip in the page's head: which model answers, and how far its loading is."""

from __future__ import annotations

from typing import Any

import gradio as gr

from harmony.ui.engine import Engine

SECONDS = 1.0


def bind_chip(engine: Engine, chip: gr.Markdown, demo: gr.Blocks) -> None:
    """Keep the chip true while the model loads in the background."""
    timer = gr.Timer(SECONDS, active=False)
    quiet: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}

    def look() -> tuple[str, gr.Timer]:
        return engine.status(), gr.Timer(active=engine.model.state == "loading")

    demo.load(look, outputs=[chip, timer], queue=False, **quiet)
    timer.tick(look, outputs=[chip, timer], queue=False, **quiet)
