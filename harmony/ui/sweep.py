"""The map of s1 and s2: one seed, every pair of scales, filled from the middle outwards."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import gradio as gr

from harmony.serving.lane import Place
from harmony.ui import texts
from harmony.ui.actions import Actions, Updates, settings_from
from harmony.ui.clock import Clock
from harmony.ui.errors import in_plain_words
from harmony.ui.events import RunReady, Step
from harmony.ui.examples import Example, chosen_example
from harmony.ui.fold import fold
from harmony.ui.parameter_map import (
    GRIDS,
    MapCell,
    cell_key,
    centre_out,
    example_map,
    map_value,
    run_cell,
)
from harmony.ui.precomputed import load_precomputed
from harmony.ui.settings import MAX_SCALE, Settings, choice, number
from harmony.ui.sharing import EXAMPLE
from harmony.ui.status import status_html, waiting_html
from harmony.ui.turntable import script
from harmony.ui.visits import Visit

Pair = tuple[float, float]
TASK = "map"


@dataclass(frozen=True)
class Sweep:
    """The components of the map."""

    panel: gr.Accordion
    grid: gr.Radio
    start: gr.Button
    status: gr.HTML
    view: gr.HTML


def build_sweep() -> Sweep:
    """Lay out the map.

    It stands outside of the panel, which may be shut: the map of an example answers the dials.
    """
    view = gr.HTML(
        value=map_value((), (), {}),
        html_template='<div class="mp-root"></div>',
        js_on_load=script("turning.js", "map.js"),
        apply_default_css=False,
        label=texts.MAP,
        elem_id="map-view",
    )
    with fold(texts.MAP_OWN, "map") as panel:
        gr.Markdown(texts.MAP_INFO, elem_classes="fine-print")
        grid = gr.Radio(list(GRIDS), value="3 × 3", label=texts.MAP_SIZE, elem_id="map-size")
        start = gr.Button(texts.MAP_START, elem_id="map-start")
        status = gr.HTML(elem_id="map-status", js_on_load=None)
    return Sweep(panel, grid, start, status, view)


class SweepActions:
    """Handlers of the map."""

    def __init__(self, page: Actions, parts: Sweep, examples: Sequence[Example] = ()) -> None:
        """Share the page's engine and visits."""
        self.page, self.parts, self.examples = page, parts, examples

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
        """Make the missing cells one by one; every finished one stays, whatever comes after."""
        if picture is None:
            raise ValueError(texts.NO_PICTURE)
        rows, columns = GRIDS[choice(texts.MAP_SIZE, grid, tuple(GRIDS))]
        wanted, visit = _base(dials), self.page.visit(request)
        self._forget(visit)
        visit.task = TASK
        missing, cells = [], {}
        for pair in centre_out(rows, columns):
            if not self._recall(visit, Path(picture), _at(wanted, pair), cells):
                missing.append(pair)
        yield {
            self.parts.view: map_value(rows, columns, cells),
            self.page.inputs.stop: gr.update(interactive=bool(missing)),
        }
        for index, pair in enumerate(missing):
            ahead = sum(
                self.page.engine.estimate(_at(wanted, p)) or 0 for p in missing[index + 1 :]
            )
            place = (len(rows) * len(columns) - len(missing) + index, len(rows) * len(columns))
            yield from self._make(visit, Path(picture), _at(wanted, pair), cells, place, ahead)
            yield {self.parts.view: map_value(rows, columns, cells)}
        visit.task = ""
        yield self.ended(texts.MAP_DONE) | {self.parts.start: gr.update(value=texts.MAP_START)}

    def _recall(
        self, visit: Visit, picture: Path, settings: Settings, cells: dict[str, MapCell]
    ) -> bool:
        """Take a cell that was made before; returns whether there was one."""
        run = self.page.engine.peek(picture, settings, visit.new_folder)
        if run is not None:
            key = cell_key(settings.s1, settings.s2)
            visit.cells[key], cells[key] = run, run_cell(run)
        return run is not None

    def _make(
        self,
        visit: Visit,
        picture: Path,
        settings: Settings,
        cells: dict[str, MapCell],
        place: tuple[int, int],
        ahead: float,
    ) -> Iterator[Updates]:
        """Paint one cell; `ahead` seconds are left after it."""
        (done, count), clock = place, Clock()
        for event in self.page.engine.generate(picture, settings, visit.new_folder()):
            if isinstance(event, Step):
                share = (done + event.step / event.num_steps) / count
                text = texts.map_progress(done + 1, count, clock.left(event) + ahead)
                yield {self.parts.status: status_html(text, fraction=share)}
            elif isinstance(event, RunReady):
                key = cell_key(settings.s1, settings.s2)
                visit.cells[key], cells[key] = event.run, run_cell(event.run)

    @staticmethod
    def _forget(visit: Visit) -> None:
        for run in visit.cells.values():
            if run.id not in visit.runs:
                shutil.rmtree(run.recipe_file.parent, ignore_errors=True)
        visit.cells.clear()

    @in_plain_words
    def announce(self, grid: str, *dials: Any) -> Updates:
        """Say how long the map will take before it is started."""
        pairs = centre_out(*GRIDS[choice(texts.MAP_SIZE, grid, tuple(GRIDS))])
        wanted = _base(dials)
        times = [self.page.engine.estimate(_at(wanted, pair)) for pair in pairs]
        known = [time for time in times if time is not None]
        seconds = sum(known) if len(known) == len(pairs) else None
        text = texts.map_estimate(len(pairs), int(wanted.num_steps), seconds)
        return {self.parts.status: status_html(text)}

    def stopped(self, request: gr.Request) -> Updates:
        """Let the visitor go on after Stop, where it was the map that was stopped."""
        visit = self.page.visit(request)
        if visit.task != TASK:
            return {self.parts.status: gr.skip()}
        visit.task = ""
        return self.ended()

    def ended(self, text: str = texts.MAP_STOPPED) -> Updates:
        """Say that no more cells come; what is missing can be made later."""
        return {
            self.parts.status: status_html(text),
            self.parts.start: gr.update(value=texts.MAP_GO_ON),
            self.page.inputs.stop: gr.update(interactive=False),
        }

    @in_plain_words
    def choose(self, request: gr.Request, event: gr.EventData) -> Updates:
        """Put a cell's sample on the page, and its scales on the dials."""
        s1 = number("s1", getattr(event, "s1", None), 0.0, MAX_SCALE)
        s2 = number("s2", getattr(event, "s2", None), 0.0, MAX_SCALE)
        inputs = self.page.inputs
        dials: Updates = {inputs.rule: "decomposed", inputs.s1: s1, inputs.s2: s2}
        visit, shelf = self.page.visit(request), getattr(event, "shelf", "")
        if shelf:
            # The browser has the cells of an example, and has shown this one already unless a
            # live answer has taken the place of the example's result.
            named = [e for e in self.examples if e.name == shelf and visit.live.shown is not None]
            return (self.page.show_example(visit, named[0], s1, s2) if named else {}) | dials
        run = visit.cells.get(cell_key(s1, s2))
        if run is None:
            raise ValueError(texts.GONE)
        visit.keep(run)
        return self.page.show(visit) | dials

    @in_plain_words
    def show_example(self, event: gr.EventData) -> Updates:
        """Put the shipped map of the chosen example on the page."""
        return self.example_view(chosen_example(self.examples, getattr(event, "index", None)))

    def show_first(self, request: gr.Request) -> Updates:
        """Put the map of the example that the page opens with on it."""
        named = request.query_params.get(EXAMPLE)
        chosen = [example for example in self.examples if example.name == named]
        shipped = [example for example in self.examples if load_precomputed(example) is not None]
        found = chosen or shipped
        return self.example_view(found[0]) if found else self.cleared()

    def example_view(self, example: Example) -> Updates:
        """Return the map's updates for an example."""
        result = load_precomputed(example)
        if result is None:
            return self.cleared()
        return {self.parts.view: example_map(result)}

    def cleared(self) -> Updates:
        """Take the map away: another picture has come."""
        return {
            self.parts.view: map_value((), (), {}),
            self.parts.start: gr.update(value=texts.MAP_START),
        }


def _base(dials: tuple[Any, ...]) -> Settings:
    return replace(settings_from(dials), rule="decomposed", instances=1)


def _at(settings: Settings, pair: Pair) -> Settings:
    return replace(settings, s1=pair[0], s2=pair[1])
