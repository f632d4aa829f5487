"""A and B: two recipes at one seed, shown at one azimuth."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import gradio as gr
from PIL import Image

from harmony.serving.lane import Place
from harmony.ui import texts
from harmony.ui.actions import Actions, Updates, settings_from
from harmony.ui.clock import Clock
from harmony.ui.errors import in_plain_words
from harmony.ui.events import RunReady, Stage, Step
from harmony.ui.fold import fold
from harmony.ui.settings import Settings
from harmony.ui.status import status_html, waiting_html
from harmony.ui.strips import data_url, file_url
from harmony.ui.turntable import script
from harmony.ui.visits import Visit

DIALS, TASK = "dials", "compare"
PRESETS = {
    "syncdreamer": {"rule": "cfg", "cfg_scale": 1.0},
    "harmonyview": {"rule": "decomposed", "s1": 2.0, "s2": 1.0},
    "off": {"rule": "none"},
}
"""What each preset sets; everything else stays as the dials say."""


@dataclass(frozen=True)
class Side:
    """One half of a comparison."""

    title: str
    strip: str


@dataclass(frozen=True)
class Comparison:
    """The components of the comparison."""

    left: gr.Dropdown
    right: gr.Dropdown
    start: gr.Button
    status: gr.HTML
    view: gr.HTML


def comparison_value(sides: Sequence[Side]) -> dict[str, Any]:
    """Return what the comparison shows: nothing before there are two sides."""
    return {
        "sides": [{"title": side.title, "strip": side.strip} for side in sides],
        "frames": 16,
        "group": "main",
        "words": texts.COMPARE_WORDS,
    }


def choices(visit: Visit | None = None) -> list[tuple[str, str]]:
    """Return what can be compared: presets, the dials, and the visit's runs."""
    runs = [] if visit is None else [(run.title, run.id) for run in reversed(visit.runs.values())]
    return [(texts.PRESETS[name], name) for name in (*PRESETS, DIALS)] + runs


def build_comparison() -> Comparison:
    """Lay out the comparison."""
    with fold(texts.COMPARE, "compare"):
        gr.Markdown(texts.COMPARE_INFO, elem_classes="fine-print")
        with gr.Row():
            left = gr.Dropdown(
                choices(),
                value="syncdreamer",
                label=texts.COMPARE_LEFT,
                min_width=240,
                elem_id="compare-left",
            )
            right = gr.Dropdown(
                choices(),
                value="harmonyview",
                label=texts.COMPARE_RIGHT,
                min_width=240,
                elem_id="compare-right",
            )
        start = gr.Button(texts.COMPARE_START, elem_id="compare-start")
        status = gr.HTML(elem_id="compare-status", js_on_load=None)
        view = gr.HTML(
            value=comparison_value(()),
            html_template='<div class="cp-root"></div>',
            js_on_load=script("turning.js", "compare.js"),
            apply_default_css=False,
            label=texts.COMPARE,
            elem_id="compare-view",
        )
    return Comparison(left, right, start, status, view)


def settings_of(name: str, dials: Settings) -> Settings:
    """Return the settings of one side: a preset at the dials' first seed.

    Raises:
        ValueError: There is no such preset.
    """
    if name != DIALS and name not in PRESETS:
        raise ValueError(texts.GONE)
    return replace(dials, instances=1, **({} if name == DIALS else PRESETS[name]))  # pyright: ignore[reportArgumentType]


class CompareActions:
    """Handlers of the comparison."""

    def __init__(self, page: Actions, parts: Comparison) -> None:
        """Share the page's engine and visits."""
        self.page, self.parts = page, parts

    def waiting(self, place: Place) -> Updates:
        """Say where in the queue this waits; Stop takes it out."""
        return {
            self.parts.status: waiting_html(place),
            self.page.inputs.stop: gr.update(interactive=True),
        }

    @in_plain_words
    def compare(
        self, request: gr.Request, picture: str | None, left: str, right: str, *dials: Any
    ) -> Iterator[Updates]:
        """Make what is missing and show both sides."""
        visit = self.page.visit(request)
        visit.task = TASK
        yield {self.page.inputs.stop: gr.update(interactive=True)}
        sides: list[Side] = []
        for name in (left, right):
            if name in visit.runs:
                sample = visit.runs[name].samples[0]
                sides.append(Side(visit.runs[name].title, file_url(sample.strip)))
                continue
            if picture is None:
                raise ValueError(texts.NO_PICTURE)
            wanted = settings_of(name, settings_from(dials))
            yield from self._make(visit, Path(picture), name, wanted, sides)
        visit.task = ""
        yield {
            self.parts.view: comparison_value(sides),
            self.parts.status: status_html(texts.COMPARED),
            self.page.inputs.stop: gr.update(interactive=False),
            self.page.results.runs: self.page.run_choices(visit),
        }

    def _make(
        self, visit: Visit, picture: Path, name: str, wanted: Settings, sides: list[Side]
    ) -> Iterator[Updates]:
        """Run one side; its preview stands beside the side that is done."""
        clock, title = Clock(), texts.PRESETS[name]
        for event in self.page.engine.generate(picture, wanted, visit.new_folder()):
            if isinstance(event, Stage):
                yield {self.parts.status: status_html(f"{title}: {event.text}", busy=True)}
            elif isinstance(event, Step):
                updates: Updates = {self.parts.status: self.page.step_line(event, clock, title)}
                if event.strips and sides:
                    live = Side(title, _live(event.strips[0]))
                    updates[self.parts.view] = comparison_value([*sides, live])
                yield updates
            elif isinstance(event, RunReady):
                visit.add(event.run)
                sides.append(Side(title, file_url(event.run.samples[0].strip)))

    def list_runs(self, request: gr.Request) -> Updates:
        """Offer the runs that the visit has by now."""
        offered = choices(self.page.visit(request))
        return {
            self.parts.left: gr.update(choices=offered),
            self.parts.right: gr.update(choices=offered),
        }

    def stopped(self, request: gr.Request) -> Updates:
        """Let the visitor go on after Stop, where it was the comparison that was stopped."""
        visit = self.page.visit(request)
        if visit.task != TASK:
            return {self.parts.status: gr.skip()}
        visit.task = ""
        return self.ended()

    def ended(self) -> Updates:
        """Let the visitor go on after a stop or an error; the last preview stays."""
        return {
            self.parts.status: status_html(texts.STOPPED_EARLY),
            self.page.inputs.stop: gr.update(interactive=False),
        }


def _live(strip: Image.Image) -> str:
    return data_url(strip, quality=70)
