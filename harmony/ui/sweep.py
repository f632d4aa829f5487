"""The map of s1 and s2: one seed, every pair of scales, filled from the middle outwards."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import gradio as gr
from PIL import Image

from harmony.serving.lane import Place
from harmony.ui import texts
from harmony.ui.actions import Actions, Updates, settings_from
from harmony.ui.errors import in_plain_words
from harmony.ui.events import RunReady, Step
from harmony.ui.settings import MAX_SCALE, choice, number
from harmony.ui.shown import VIEW_COUNT, badge
from harmony.ui.status import status_html, waiting_html
from harmony.ui.strips import data_url, make_strip, split_strip
from harmony.ui.turntable import script
from harmony.ui.visits import Run, Visit

GRIDS: Mapping[str, tuple[tuple[float, ...], tuple[float, ...]]] = {
    "3 × 3": ((0.0, 1.0, 2.0), (0.0, 1.0, 2.0)),
    "5 × 5": ((0.0, 0.5, 1.0, 2.0, 3.0), (0.0, 0.5, 1.0, 1.5, 2.0)),
}
"""Values of s1 and of s2."""
TILE = 112


@dataclass(frozen=True)
class Sweep:
    """The components of the map."""

    grid: gr.Radio
    start: gr.Button
    status: gr.HTML
    view: gr.HTML


def centre_out(rows: Sequence[float], columns: Sequence[float]) -> tuple[tuple[float, float], ...]:
    """Return every (s1, s2), those in the middle of the grid first."""
    middle = ((len(rows) - 1) / 2, (len(columns) - 1) / 2)
    cells = [(i, j) for i in range(len(rows)) for j in range(len(columns))]
    cells.sort(key=lambda cell: (cell[0] - middle[0]) ** 2 + (cell[1] - middle[1]) ** 2)
    return tuple((rows[i], columns[j]) for i, j in cells)


def cell_key(s1: float, s2: float) -> str:
    """Return a cell's name as the script writes it."""
    return f"{s1:g}|{s2:g}"


def map_value(
    rows: Sequence[float], columns: Sequence[float], runs: Mapping[str, Run]
) -> dict[str, Any]:
    """Return what the map shows: tiles tinted by their CD score among those that are there."""
    ratios = {key: (run.samples[0].score or {}).get("ratio") for key, run in runs.items()}
    known = [ratio for ratio in ratios.values() if ratio is not None]
    low, high = (min(known), max(known)) if known else (0.0, 0.0)
    cells = {}
    for key, run in runs.items():
        ratio = ratios[key]
        share = 0.0 if ratio is None or high == low else (ratio - low) / (high - low)
        sample = run.samples[0]
        cells[key] = {"strip": _tile(sample.strip), "badge": badge(sample.score), "share": share}
    return {
        "rows": list(rows),
        "columns": list(columns),
        "cells": cells,
        "frames": VIEW_COUNT,
        "group": "main",
        "words": texts.MAP_WORDS,
    }


def _tile(strip: Path) -> str:
    with Image.open(strip) as opened:
        views = split_strip(opened.convert("RGB"), VIEW_COUNT)
    return data_url(make_strip(views, max_side=TILE), quality=80)


def build_sweep() -> Sweep:
    """Lay out the map."""
    with gr.Accordion(texts.MAP, open=False, elem_id="map"):
        gr.Markdown(texts.MAP_INFO, elem_classes="fine-print")
        grid = gr.Radio(list(GRIDS), value="3 × 3", label=texts.MAP_SIZE, elem_id="map-size")
        start = gr.Button(texts.MAP_START, elem_id="map-start")
        status = gr.HTML(elem_id="map-status", js_on_load=None)
        view = gr.HTML(
            value=map_value((), (), {}),
            html_template='<div class="mp-root"></div>',
            js_on_load=script("turning.js", "map.js"),
            apply_default_css=False,
            label=texts.MAP,
            elem_id="map-view",
        )
    return Sweep(grid, start, status, view)


class SweepActions:
    """Handlers of the map."""

    def __init__(self, page: Actions, parts: Sweep) -> None:
        """Share the page's engine and visits."""
        self.page, self.parts = page, parts

    def waiting(self, place: Place) -> Updates:
        """Say where in the queue this waits; Stop takes it out."""
        return {
            self.parts.status: waiting_html(place),
            self.page.inputs.stop: gr.update(interactive=True),
        }

    @in_plain_words
    def fill(
        self, request: gr.Request, picture: str | None, grid: str, *dials: Any
    ) -> Iterator[Updates]:
        """Make the cells one by one; every finished one stays, whatever comes after."""
        if picture is None:
            raise ValueError(texts.NO_PICTURE)
        rows, columns = GRIDS[choice(texts.MAP_SIZE, grid, tuple(GRIDS))]
        wanted = replace(settings_from(dials), rule="decomposed", instances=1)
        visit = self.page.visit(request)
        self._forget(visit)
        pairs, started = centre_out(rows, columns), time.monotonic()
        yield {
            self.parts.view: map_value(rows, columns, {}),
            self.page.inputs.stop: gr.update(interactive=True),
        }
        for done, (s1, s2) in enumerate(pairs):
            spent = time.monotonic() - started
            left = spent / done * (len(pairs) - done) if done else None
            settings = replace(wanted, s1=s1, s2=s2)
            for event in self.page.engine.generate(Path(picture), settings, visit.new_folder()):
                if isinstance(event, Step):
                    share = (done + event.step / event.num_steps) / len(pairs)
                    text = texts.map_progress(done + 1, len(pairs), left)
                    yield {self.parts.status: status_html(text, fraction=share)}
                elif isinstance(event, RunReady):
                    visit.cells[cell_key(s1, s2)] = event.run
            yield {self.parts.view: map_value(rows, columns, visit.cells)}
        yield self.ended(texts.MAP_DONE)

    @staticmethod
    def _forget(visit: Visit) -> None:
        for run in visit.cells.values():
            if run.id not in visit.runs:
                shutil.rmtree(run.recipe_file.parent, ignore_errors=True)
        visit.cells.clear()

    def ended(self, text: str = texts.MAP_STOPPED) -> Updates:
        """Say that no more cells come."""
        return {
            self.parts.status: status_html(text),
            self.page.inputs.stop: gr.update(interactive=False),
        }

    @in_plain_words
    def choose(self, request: gr.Request, event: gr.EventData) -> Updates:
        """Put a cell's sample on the page, and its scales on the dials."""
        s1 = number("s1", getattr(event, "s1", None), 0.0, MAX_SCALE)
        s2 = number("s2", getattr(event, "s2", None), 0.0, MAX_SCALE)
        visit = self.page.visit(request)
        run = visit.cells.get(cell_key(s1, s2))
        if run is None:
            raise ValueError(texts.GONE)
        visit.keep(run)
        return self.page.show(visit) | {
            self.page.inputs.rule: "decomposed",
            self.page.inputs.s1: s1,
            self.page.inputs.s2: s2,
        }
