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
    passes = engine.passes(settings)
    steps, count = int(settings.num_steps), int(settings.instances)
    seconds, measured = engine.estimate(settings), True
    if seconds is None:
        seconds, measured = engine.guess(settings), False
    said = texts.work(steps, passes, count)
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
            return f"<p>{estimate_text(self.page.engine, settings_from(dials))}</p>"
        except ValueError:
            return ""


def bind_modes(actions: ModeActions) -> dict[str, Any]:
    """Let the estimate follow the dials, the picture and what runs have measured.

    A dial that is dragged asks nothing before it is let go; the number of branches changes only at 0.

    Returns:
        How the estimate is shown after the dials were set by something else.
    """
    inputs, results = actions.page.inputs, actions.page.results
    quiet: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
    show: dict[str, Any] = {
        "fn": actions.show,
        "inputs": inputs.dials,
        "outputs": inputs.estimate,
        "concurrency_limit": None,
        **quiet,
    }
    dragged = (inputs.s1, inputs.s2, inputs.cfg_scale)
    gr.on(
        [
            *(dial.release for dial in dragged),
            *(inputs.rule.change, inputs.num_steps.change, inputs.instances.change),
            *(inputs.picture.change, results.shown.change),
        ],
        trigger_mode="always_last",
        **show,
    )
    results.shown.change(actions.page.engine.status, outputs=actions.chip, **quiet)
    return show
