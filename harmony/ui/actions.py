"""What the controls for views do: handlers between the components and the engine."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr
from PIL import Image

from harmony.serving.lane import Place
from harmony.ui import settings, texts
from harmony.ui.banner import banner_html, full_banner
from harmony.ui.clock import Clock, steps_done
from harmony.ui.engine import Engine
from harmony.ui.errors import in_plain_words
from harmony.ui.events import Event, RunReady, SampleReady, Stage, Step
from harmony.ui.examples import Example
from harmony.ui.inputs import Inputs
from harmony.ui.inspector import inspector_value
from harmony.ui.precomputed import load_precomputed, precomputed_text, precomputed_value
from harmony.ui.results import Results
from harmony.ui.settings import Framing, Settings
from harmony.ui.shown import live_value, run_value, seed_of
from harmony.ui.status import status_html, step_text, waiting_html
from harmony.ui.texts import live as live_texts
from harmony.ui.visits import SampleFiles, Visit, Visits

Updates = dict[Any, Any]
PREVIEW_SECONDS = 0.2
"""Previews come no faster than this; each is some ten kilobytes."""


def session_of(request: gr.Request) -> str:
    """Return the session's name; a call without a session shares nothing with anybody."""
    return request.session_hash or secrets.token_urlsafe(18)


def settings_from(values: tuple[Any, ...]) -> Settings:
    """Build `Settings` from the values of `Inputs.dials`, in that order."""
    cutout, foreground, elevation_deg, *rest = values
    return Settings(Framing(cutout, foreground, elevation_deg), *rest)


def until_replaced(run: Iterator[Event], visit: Visit) -> Iterator[Event]:
    """Yield a run's events until the visitor stops it or asks for another one in its place."""
    number = visit.replaced
    for event in run:
        # Gradio's own stop may come later than the page's; no step may be told after that.
        if visit.replaced != number or visit.state == "stopped":
            # Closing it stops the model's own loop.
            run.close()  # pyright: ignore[reportAttributeAccessIssue]
            return
        yield event


class Actions:
    """Handlers of one page."""

    def __init__(self, engine: Engine, visits: Visits, inputs: Inputs, results: Results) -> None:
        """Bind the handlers to the page's components."""
        self.engine, self.visits = engine, visits
        self.inputs, self.results = inputs, results

    @property
    def parts(self) -> list[Any]:
        """What `show` and the handlers of a run may change."""
        return [self.inputs.generate, self.inputs.stop, *self.results.on_show]

    @property
    def nothing(self) -> Updates:
        """What a handler returns that changes nothing; an empty table would be taken for a value."""
        return {self.results.status: gr.skip()}

    def visit(self, request: gr.Request) -> Visit:
        """Return the visitor's own shelf."""
        return self.visits.of(session_of(request))

    def take_example(self, example: Example) -> Updates:
        """Take an example's picture and what is known of it."""
        return {
            self.inputs.picture: str(example.file),
            self.inputs.object_name: example.name,
            self.inputs.elevation_deg: example.elevation_deg,
        }

    def choose_example(self, request: gr.Request, example: Example) -> Updates:
        """Take an example's picture, and show the result that ships with it."""
        s1, s2 = self.inputs.s1.value, self.inputs.s2.value
        return self.take_example(example) | self.show_example(self.visit(request), example, s1, s2)

    def show_example(self, visit: Visit, example: Example, s1: float, s2: float) -> Updates:
        """Show what ships with an example, or nothing where there is no such thing."""
        result = load_precomputed(example)
        if result is None:
            return {}
        visit.put_aside()
        return {
            self.results.status: status_html(precomputed_text(result)),
            self.results.banner: "",
            self.results.back: gr.update(visible=False),
            self.results.turntable: precomputed_value(result, s1, s2),
            self.results.details: gr.update(visible=False),
        }

    @in_plain_words
    def suggest_name(self, picture: str | None, *framing: Any) -> str:
        """Guess the object's name from the picture."""
        if picture is None:
            raise ValueError(texts.NO_PICTURE)
        return self.engine.suggest_name(Path(picture), Framing(*framing))

    @in_plain_words
    def draw_seed(self, wanted: bool) -> Any:
        """Return a new random seed where one is wanted."""
        if not wanted:
            return gr.skip()
        return secrets.randbelow(settings.MAX_SEED - settings.MAX_INSTANCES)

    @in_plain_words
    def generate(self, request: gr.Request, picture: str | None, *dials: Any) -> Iterator[Updates]:
        """Run the model; every step paints the page."""
        yield from self._run(self.visit(request), picture, dials)

    @in_plain_words
    def refine(self, request: gr.Request, picture: str | None, *dials: Any) -> Iterator[Updates]:
        """Run the model after a dial was let go, unless it has moved on since."""
        visit = self.visit(request)
        if visit.live.wanted is None:
            yield from self._run(visit, picture, dials, refining=True)
        else:
            yield self.nothing

    def _run(
        self, visit: Visit, picture: str | None, dials: tuple[Any, ...], *, refining: bool = False
    ) -> Iterator[Updates]:
        if picture is None:
            raise ValueError(texts.NO_PICTURE)
        wanted = settings_from(dials)
        folder = visit.begin(refining=refining)
        yield self.buttons(running=True) | {
            self.results.details: gr.update(visible=False),
            self.results.banner: full_banner(wanted, live_texts.UNDER_WAY),
            self.results.back: gr.update(visible=False),
        }
        run = self.engine.generate(Path(picture), wanted, folder)
        try:
            yield from self._follow(until_replaced(run, visit), visit, wanted.seeds)
        except Exception:
            visit.state = "broken"
            raise

    def _follow(
        self, run: Iterator[Event], visit: Visit, seeds: tuple[int, ...]
    ) -> Iterator[Updates]:
        status, turntable = self.results.status, self.results.turntable
        clock, painted_at = Clock(), 0.0
        strips: dict[int, Image.Image] = {}
        done: dict[int, SampleFiles] = {}
        for event in run:
            match event:
                case Stage():
                    yield {status: status_html(event.text, busy=True)}
                case Step():
                    visit.last_step = (event.step, event.num_steps)
                    strips |= dict(zip(event.seeds, event.strips or (), strict=False))
                    line = self.step_line(event, clock)
                    now = time.monotonic()
                    if now - painted_at >= PREVIEW_SECONDS or event.step == event.num_steps:
                        painted_at = now
                        yield {status: line, turntable: live_value(seeds, strips, done)}
                case SampleReady():
                    done[event.files.seed] = event.files
                    yield {turntable: live_value(seeds, strips, done)}
                case RunReady():
                    visit.keep(event.run)
                    yield self.show(visit) | self.buttons(running=False)

    @staticmethod
    def step_line(step: Step, clock: Clock, title: str = "") -> str:
        """Return the status line of a step, with what is being made where that is named."""
        done, total = steps_done(step)
        text = step_text(
            step.step,
            step.num_steps,
            pass_index=step.pass_index,
            num_passes=step.num_passes,
            left=clock.left(step),
        )
        parts = [f"{title}:" if title else "", text, step.notice or ""]
        return status_html(" ".join(filter(None, parts)), fraction=done / total)

    def waiting(self, place: Place) -> Updates:
        """Say where in the queue a run waits; Stop takes it out, Generate replaces it."""
        return self.waiting_score(place) | {self.inputs.stop: gr.update(interactive=True)}

    def waiting_score(self, place: Place) -> Updates:
        """Say where in the queue a measurement waits."""
        return {self.results.status: waiting_html(place)}

    def buttons(self, *, running: bool) -> Updates:
        """Return Generate and Stop as they stand while a run goes on or not."""
        return {
            self.inputs.generate: gr.update(interactive=not running),
            self.inputs.stop: gr.update(interactive=running),
        }

    def stopped(self, request: gr.Request) -> Updates:
        """Say where the run was stopped; the last preview stays."""
        visit, text = self.visit(request), texts.STOPPED_EARLY
        step, visit.state = visit.last_step, "stopped"
        if step is not None:
            text = texts.STOPPED.format(step=step[0], num_steps=step[1])
        return self.buttons(running=False) | {
            self.results.status: status_html(text),
            self.results.banner: banner_html(live_texts.FULL, live_texts.STOPPED),
            self.results.runs: gr.update(value=None),
        }

    def failed(self, request: gr.Request) -> Updates:
        """Put back what the visitor had; a run that was stopped keeps its last preview."""
        visit = self.visit(request)
        # To the browser a stopped run has failed, too, before or after Stop has its say.
        if visit.state in {"running", "stopped"}:
            return self.stopped(request)
        visit.restore()
        updates = self.buttons(running=False) | self.show(visit)
        return updates | {self.results.status: status_html(texts.FAILED)}

    def show(self, visit: Visit) -> Updates:
        """Return the page with the visit's current run and sample on it."""
        run, sample = visit.run, visit.sample
        if run is None or sample is None:
            return {self.results.details: gr.update(visible=False), self.results.banner: ""}
        visit.mesh = None
        chosen = run.samples.index(sample)
        done = texts.DONE.format(
            samples=texts.samples(len(run.samples)), time=texts.duration(run.seconds)
        )
        return {
            self.results.status: status_html(done),
            self.results.banner: full_banner(run.settings),
            self.results.back: gr.update(visible=False),
            self.results.turntable: run_value(run, chosen),
            self.results.details: gr.update(visible=True),
            self.results.runs: self.run_choices(visit),
            self.results.recipe_file: gr.update(value=run.recipe_file),
            # A button's own change fires anew whenever the page is drawn again.
            self.results.shown: (run.id, run.samples[0].score),
        } | self.show_sample(sample)

    def show_sample(self, sample: SampleFiles) -> Updates:
        """Return the parts of the page that belong to one sample; its mesh is not made yet."""
        return {
            self.results.gallery: inspector_value(sample),
            self.results.views_file: gr.update(value=sample.views_zip),
            self.results.mesh_view: gr.update(value=None, visible=False),
            self.results.mesh_turntable: gr.update(value=None, visible=False),
            self.results.mesh_file: gr.update(visible=False),
            self.results.mesh_status: "",
        }

    @staticmethod
    def run_choices(visit: Visit) -> Any:
        """Return the list of the visit's runs, the newest first."""
        choices = [(run.title, run.id) for run in reversed(visit.runs.values())]
        return gr.update(choices=choices, value=visit.current, visible=len(choices) > 1)

    @in_plain_words
    def choose_run(self, request: gr.Request, run_id: str | None) -> Updates:
        """Put an earlier run back on the page."""
        visit = self.visit(request)
        if run_id is None or run_id not in visit.runs:
            raise ValueError(texts.GONE)
        visit.choose(run_id)
        return self.show(visit)

    @in_plain_words
    def choose_sample(self, request: gr.Request, event: gr.EventData) -> Updates:
        """Take the clicked sample for gallery, downloads and mesh."""
        visit = self.visit(request)
        seed = seed_of(getattr(event, "id", None))
        seeds = [sample.seed for sample in visit.run.samples] if visit.run else []
        if seed not in seeds:
            raise ValueError(texts.NOT_FINISHED)
        visit.chosen = seeds.index(seed)
        return self.show(visit)

    @in_plain_words
    def score_again(self, request: gr.Request, object_name: str) -> Iterator[Updates]:
        """Measure every sample of the run on show for another object name."""
        visit = self.visit(request)
        if visit.run is None:
            raise ValueError(texts.NO_SAMPLE)
        yield {self.results.status: status_html(texts.LOADING_SCORER, busy=True)}
        visit.replace(self.engine.score_run(visit.run, object_name))
        yield self.show(visit)
