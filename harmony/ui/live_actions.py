"""What happens while a dial moves: the student answers with one sample, the newest position wins.

In the browser one position is on its way and one waits; the lane lets one of a visitor's wait;
and a position that is no longer wanted ends at once, or at its next step in another process.
A moving dial asks on the short way first (`wire`); the events here keep what was answered there.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr

from harmony.serving.lane import Place
from harmony.ui import plans
from harmony.ui import texts as page_texts
from harmony.ui.actions import Actions, Updates, settings_from
from harmony.ui.banner import answer_value, banner_html, live_banner
from harmony.ui.errors import in_plain_words
from harmony.ui.live import RULES, LiveAnswer, LiveBase, LiveRequest
from harmony.ui.plans import live_request
from harmony.ui.shown import card_id
from harmony.ui.status import status_html, waiting_html
from harmony.ui.student import Student, while_wanted
from harmony.ui.texts import live as texts
from harmony.ui.turns import Turns
from harmony.ui.visits import Visit
from harmony.ui.wire import asked_before, wire_value


class LiveActions:
    """Handlers of a moving dial."""

    def __init__(self, page: Actions, student: Student) -> None:
        """Share the page's components and visits."""
        self.page, self.student = page, student

    @property
    def outputs(self) -> list[Any]:
        """What a live answer changes."""
        inputs = self.page.inputs
        return [inputs.asked, inputs.generate, inputs.stop, *self.page.results.of_example]

    @in_plain_words
    def at_once(
        self, request: gr.Request, picture: str | None, num_steps: int, wire: Any, *dials: Any
    ) -> Updates | None:
        """Answer a position that takes no work; None where the student must paint it."""
        if not num_steps or picture is None:
            return self.page.nothing
        if settings_from(dials).rule not in RULES:
            return {self.page.results.status: status_html(texts.NOT_SERVED)}
        wanted, visit = live_request(picture, num_steps, dials), self.page.visit(request)
        if visit.running and not visit.refining:
            return {self.page.results.banner: banner_html(texts.FULL, texts.RESTING)}
        live = visit.live
        if asked_before(wire) < live.moved_at:
            return self.page.nothing  # the dial has moved on, which came here on the short way
        if visit.refining and visit.running and live.followed == wanted:
            return self.page.nothing  # the full model is at it already
        if live.shown == wanted:
            live.show(wanted)  # nothing else is waited for
            return self._followed(visit, wanted)
        under_way = live.want(wanted)
        visit.stop_refining()
        known = live.answer_to(wanted)
        if known is not None:
            shown = self.page.buttons(running=False) | self._show(visit, wanted, known)
            return self._followed(visit, wanted) | shown
        return self._working() if under_way else None

    def remember(
        self, request: gr.Request, picture: str | None, num_steps: int, *dials: Any
    ) -> Updates:
        """Keep what the short way of a moving dial must know, and tell the page its key."""
        visit = self.page.visit(request)
        visit.live.base = live_base(picture, num_steps, dials)
        return {self.page.inputs.wire: wire_value(visit.key)}

    def _followed(self, visit: Visit, answered: LiveRequest) -> Updates:
        """Let the full model follow an answer where it shall."""
        asked = visit.live.take_refine(answered)
        return self.page.nothing if asked is None else {self.page.inputs.asked: asked}

    def _working(self) -> Updates:
        said = texts.WORKING if self.student.model.state == "ready" else texts.LOADING
        return {self.page.results.status: status_html(said, busy=True)}

    def waiting(self, place: Place) -> Updates:
        """Say where in the queue a position waits; a newer one takes its place."""
        return {self.page.results.status: waiting_html(place)}

    @in_plain_words
    def answer(
        self, request: gr.Request, picture: str | None, num_steps: int, _: Any, *dials: Any
    ) -> Iterator[Updates]:
        """Let the student paint a position, if it is still wanted when its turn has come."""
        wanted, visit = live_request(picture, num_steps, dials), self.page.visit(request)
        live = visit.live
        if live.shown == wanted:
            yield self._followed(visit, wanted)
        elif live.wanted != wanted or live.painting == wanted:
            yield self.page.nothing
        else:
            yield from self._painted(visit, wanted)

    def _painted(self, visit: Visit, wanted: LiveRequest) -> Iterator[Updates]:
        results, live = self.page.results, visit.live
        yield self.page.buttons(running=False) | self._working()
        try:
            for event in while_wanted(self.student, live, wanted):
                if event is not None:
                    yield self._show(visit, wanted, event)
        except ValueError as error:
            # A line and no toast: a dial that moves on would raise one after the other.
            live.wanted = None
            yield {results.status: status_html(str(error))}
        if live.wanted != wanted:  # else it was given up and is wanted again: its turn comes
            yield self._followed(visit, wanted)

    def _show(self, visit: Visit, wanted: LiveRequest, answer: LiveAnswer) -> Updates:
        results, refine = self.page.results, visit.live.refine
        visit.put_aside()
        visit.live.show(wanted)
        visit.live.refine = refine
        said = texts.answered(self.page.engine.estimate(wanted.settings), follows=refine == wanted)
        card = card_id(int(wanted.settings.first_seed))
        return {
            results.status: status_html(said),
            results.banner: live_banner(answer, wanted.num_steps),
            results.back: gr.update(visible=visit.earlier is not None),
            results.turntable: answer_value(answer, card),
            results.details: gr.update(visible=False),
        }

    def failed(self, request: gr.Request) -> Updates:
        """Say that nothing is lost; a toast has said why. The full model does not follow."""
        self.page.visit(request).live.settle()
        return {self.page.results.status: status_html(page_texts.FAILED)}

    @in_plain_words
    def back(self, request: gr.Request) -> Updates:
        """Put the last full result back on show."""
        visit = self.page.visit(request)
        run = visit.earlier
        if run is not None:
            visit.choose(run.id)
        return self.page.show(visit)


def live_base(picture: str | None, num_steps: int, dials: tuple[Any, ...]) -> LiveBase | None:
    """Return what the page says beside the moving dials; None while that cannot be painted."""
    try:
        return LiveBase(Path(picture), settings_from(dials), num_steps) if picture else None
    except ValueError:
        return None  # a number that is being typed; who runs with it is told


def bind_live(actions: LiveActions, demo: gr.Blocks, turns: Turns, released: Any) -> None:
    """Answer while s1, s2 or s moves, and once more when it is let go.

    Args:
        actions: The handlers.
        demo: The page.
        turns: Who works when.
        released: The event of a dial that was let go; some ways of moving one say nothing else.
    """
    inputs, results = actions.page.inputs, actions.page.results
    quiet: dict[str, Any] = {
        "api_visibility": "private",
        "show_progress": "hidden",
        # A state has no look: a hidden progress, too, would tick on every output at every frame.
        "show_progress_on": inputs.asked,
    }
    answer: dict[str, Any] = {
        **turns.of(actions.answer, plans.live, actions.waiting, actions.at_once),
        "inputs": [inputs.picture, inputs.live, inputs.wire, *inputs.dials],
        "outputs": actions.outputs,
        "trigger_mode": "always_last",
        **quiet,
    }
    moved = inputs.wire.input(**answer)
    for event in (moved, released.success(**answer)):
        event.failure(actions.failed, outputs=actions.outputs, **quiet)
    gr.on(
        [
            *(demo.load, inputs.wire.select, inputs.picture.change, inputs.live.change),
            *(inputs.cutout.change, inputs.foreground.change, inputs.elevation_deg.change),
            *(inputs.rule.change, inputs.sampler.change, inputs.num_steps.change),
            *(inputs.eta.change, inputs.instances.change, inputs.first_seed.change),
            inputs.object_name.change,
        ],
        actions.remember,
        inputs=[inputs.picture, inputs.live, *inputs.dials],
        outputs=inputs.wire,
        trigger_mode="always_last",
        **quiet,
    )
    results.back.click(actions.back, outputs=actions.page.parts, **quiet)
