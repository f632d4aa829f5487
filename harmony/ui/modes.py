"""Honest modes: what this machine runs, how fast, and how long the next run takes."""

from __future__ import annotations

from typing import Any

import gradio as gr

from harmony.ui.actions import Actions, settings_from
from harmony.ui.engine import Engine
from harmony.ui.settings import Settings
from harmony.ui.texts import modes as texts

LONG_SECONDS = 300.0
"""A run that takes longer gets a word on how to make it shorter."""


def estimate_text(engine: Engine, settings: Settings) -> str:
    """Return how long a run with these settings takes here, and how that is known."""
    branches = engine.branches(settings)
    steps, count = int(settings.num_steps), int(settings.instances)
    seconds, measured = engine.estimate(settings), True
    if seconds is None:
        seconds, measured = engine.guess(settings), False
    said = texts.work(steps, branches, count)
    long = seconds is not None and seconds > LONG_SECONDS
    return texts.estimate(seconds, said, measured=measured, long=long)


class ModeActions:
    """Handlers of the estimate beside Generate."""

    def __init__(self, page: Actions, chip: gr.Markdown) -> None:
        """Share the page's engine."""
        self.page, self.chip = page, chip

    def show(self, *dials: Any) -> str:
        """Return the estimate, or nothing while a dial stands where it cannot."""
        try:
            settings = settings_from(dials)
        except ValueError:
            return ""
        return f"<p>{estimate_text(self.page.engine, settings)}</p>"


def bind_modes(actions: ModeActions) -> None:
    """Let the estimate follow the dials, the picture and what runs have measured."""
    inputs, results = actions.page.inputs, actions.page.results
    dials = (inputs.rule, inputs.s1, inputs.s2, inputs.cfg_scale, inputs.num_steps)
    quiet: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
    gr.on(
        [
            *(dial.change for dial in (*dials, inputs.instances)),
            *(inputs.picture.change, results.shown.change),
        ],
        actions.show,
        inputs=inputs.dials,
        outputs=inputs.estimate,
        trigger_mode="always_last",
        concurrency_limit=None,
        **quiet,
    )
    results.shown.change(actions.page.engine.status, outputs=actions.chip, **quiet)
