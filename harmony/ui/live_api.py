"""The live student for programs: the endpoint `/live`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr

from harmony.ui import plans, texts
from harmony.ui.errors import in_plain_words
from harmony.ui.inputs import Inputs
from harmony.ui.live import STEP_COUNTS, LiveAnswer, LiveMemory, LiveRequest
from harmony.ui.settings import Framing, Settings
from harmony.ui.student import Student, within_reach
from harmony.ui.texts import live as live_texts
from harmony.ui.turns import Turns
from harmony.ui.visits import Visits


class LiveApi:
    """The endpoint's function; its argument names are the clients' keywords."""

    def __init__(self, student: Student, visits: Visits) -> None:
        """Serve it from the page's own student."""
        self.student, self.visits = student, visits

    @in_plain_words
    def live(
        self,
        picture: str | None,
        cutout: str,
        foreground: float,
        elevation_deg: float,
        s1: float,
        s2: float,
        seed: int,
        steps: int,
    ) -> tuple[str, dict[str, Any]]:
        """Paint sixteen views of one seed with the live model, in a few network passes.

        Args:
            picture: The picture of one object.
            cutout: Cut-out model, "u2netp" or "none"; a picture with its own mask keeps it.
            foreground: Share of the frame that the object's longer side takes, 0.1 to 1.
            elevation_deg: Elevation of the camera that took the picture, -90 to 90 degrees.
            s1: Weight of the reference, 0 to 4.
            s2: Weight of the other views, 0 to 1.5.
            seed: Of the noise.
            steps: 4, or 2 for the fastest answer.

        Returns:
            A PNG strip of the sixteen views, which carries its recipe, and the recipe.
        """
        from harmony.recipe import recipe_from_json, recipe_png_info

        request = _request(picture, cutout, foreground, elevation_deg, s1, s2, seed, steps)
        _, limits = within_reach(request.settings)
        if limits:
            raise ValueError(live_texts.limits(limits))
        answer = _last(self.student.answer(request, LiveMemory()))
        file = self.visits.lend() / "strip.png"
        answer.strip.save(file, pnginfo=recipe_png_info(recipe_from_json(answer.recipe)))
        return str(file), json.loads(answer.recipe)


def _last(events: Iterator[LiveAnswer | None]) -> LiveAnswer:
    answer = None
    for event in events:
        answer = event
    assert answer is not None  # every walk to the end has one
    return answer


def _request(
    picture: str | None,
    cutout: str,
    foreground: float,
    elevation_deg: float,
    s1: float,
    s2: float,
    seed: int,
    steps: int,
) -> LiveRequest:
    if picture is None:
        raise ValueError(texts.NO_PICTURE)
    settings = Settings(
        Framing(cutout, foreground, elevation_deg),
        rule="decomposed",
        s1=s1,
        s2=s2,
        cfg_scale=0.0,
        sampler="ddim",
        num_steps=max(STEP_COUNTS),  # the full model's
        eta=0.0,
        instances=1,
        first_seed=seed,
        object_name="object",
    )
    return LiveRequest(Path(picture), settings, steps)


def bind_live_api(api: LiveApi, inputs: Inputs, turns: Turns) -> None:
    """Name the endpoint `/live`."""
    gr.Button(live_texts.LIVE, visible=False).click(
        **turns.of(api.live, plans.for_program(lambda *values: plans.live_work(_request(*values)))),
        inputs=[
            *(inputs.picture, *inputs.framing),
            *(inputs.s1, inputs.s2, inputs.first_seed, inputs.live),
        ],
        outputs=[
            gr.File(label=live_texts.SHEET, visible=False),
            gr.JSON(label=texts.API_REPORT, visible=False),
        ],
        api_name="live",
    )
