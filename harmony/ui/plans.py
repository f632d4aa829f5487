"""What each handler's work amounts to, read off its inputs before anybody waits for it.

Inputs that will not do are refused here, so that nobody waits only to be told so.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import gradio as gr

from harmony.serving.lane import Place, Work
from harmony.ui import texts
from harmony.ui.actions import settings_from
from harmony.ui.compare import DIALS, PRESETS
from harmony.ui.live import LiveRequest
from harmony.ui.settings import QUALITIES, choice
from harmony.ui.sweep import GRIDS
from harmony.ui.texts import lane

LIVE = "live step"
STEP = "step"
"""All sampling is measured by the step, so that a first map already has an estimate."""


def _sampling(name: str, dials: tuple[Any, ...], samples: int | None = None) -> Work:
    settings = settings_from(dials)
    steps = int(settings.num_steps)
    seeds = int(settings.instances) if samples is None else samples
    return Work(name, STEP, steps * seeds, steps, seeds)


def run(picture: str | None, *dials: Any) -> Work:
    """Return the work of a run.

    Raises:
        ValueError: There is no picture, or a dial is out of its range.
    """
    if picture is None:
        raise ValueError(texts.NO_PICTURE)
    return _sampling("generate", dials)


def live(picture: str | None, num_steps: int, _: Any, *dials: Any) -> Work:
    """Return the work of a live answer.

    Raises:
        ValueError: There is no picture, or a dial is out of its range.
    """
    return live_work(live_request(picture, num_steps, dials))


def live_work(request: LiveRequest) -> Work:
    """Return the work of one position of the dials."""
    return Work("live", LIVE, request.num_steps, request.num_steps, 1, fleeting=True)


def live_request(picture: str | None, num_steps: int, dials: tuple[Any, ...]) -> LiveRequest:
    """Return what is asked of the student.

    Raises:
        ValueError: There is no picture, or a dial is out of its range.
    """
    if picture is None:
        raise ValueError(texts.NO_PICTURE)
    return LiveRequest(Path(picture), settings_from(dials), num_steps)


def comparison(_: str | None, left: str, right: str, *dials: Any) -> Work:
    """Return the work of a comparison: a side that is a finished run costs nothing."""
    made = sum(side in PRESETS or side == DIALS for side in (left, right))
    return _sampling("compare", dials, made)


def sweep(picture: str | None, grid: str, *dials: Any) -> Work:
    """Return the work of a map.

    Raises:
        ValueError: There is no picture, no such map, or a dial is out of its range.
    """
    if picture is None:
        raise ValueError(texts.NO_PICTURE)
    rows, columns = GRIDS[choice(texts.MAP_SIZE, grid, tuple(GRIDS))]
    return _sampling("map", dials, len(rows) * len(columns))


def name(*_: Any) -> Work:
    """Return the work of suggesting a name."""
    return Work("name", "name")


def score(*_: Any) -> Work:
    """Return the work of scoring a run again."""
    return Work("score", "score")


def mesh(quality: str) -> Work:
    """Return the work of a mesh.

    Raises:
        ValueError: There is no such quality.
    """
    return Work("mesh", f"mesh {choice(texts.QUALITY, quality, QUALITIES)}")


def mesh_of_zip(_: str | None, quality: str) -> Work:
    """Return the work of a mesh from a zip; see `mesh`."""
    return mesh(quality)


def for_program(plan: Callable[..., Work]) -> Callable[..., Work]:
    """Return the plan of an endpoint: a program may have several calls waiting."""
    return lambda *values: replace(plan(*values), program=True)


def told(outputs: int) -> Callable[[Place], tuple[Any, ...]]:
    """Return what an endpoint with so many outputs streams while it waits."""

    def at(place: Place) -> tuple[Any, ...]:
        where = {"waiting": place.position, "seconds": place.seconds}
        return where, *([None] * (outputs - 1))

    return at


def toast(place: Place) -> Any:
    """Tell a visitor in passing where their work waits."""
    gr.Info(lane.waiting(place.position, place.seconds), duration=2)
    return gr.skip()
