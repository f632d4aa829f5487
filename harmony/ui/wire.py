"""The short way of a moving dial: from the browser to the student and back, past Gradio's events.

An event of the page and its answer take a quarter of a second (`benchmarks.live_dials
--by-events`), which on a GPU is far more than the views take. So while a dial moves, the browser
asks here, and paints what it gets in the place of what was on show. Whatever cannot be answered
here, and every answer once the dial rests, goes the way of the page's own events (`live_actions`),
which says why, and keeps the answer.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import aclosing
from dataclasses import asdict
from typing import Any

import gradio as gr
from pydantic import BaseModel, FiniteFloat, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from harmony.ui.banner import answer_card, answer_line
from harmony.ui.live import LiveAnswer, LiveMemory, LiveRequest
from harmony.ui.plans import live_work
from harmony.ui.shown import card_id
from harmony.ui.student import Student, while_wanted
from harmony.ui.texts import live as texts
from harmony.ui.turns import Turns
from harmony.ui.visits import Visit, Visits

PATH = "live-wire"
"""Below wherever the page is."""
DIALS = {"s1", "s2", "cfg_scale"}
NOTHING, BAD = 204, 400
"""Another position is wanted by now; that is no question."""
ASK_PAGE, ASK_KEY = {"ask": "page"}, {"ask": "key"}
"""Ask the page's event instead; so too, and for a key. No errors: browsers would log them."""


class Question(BaseModel, strict=True):
    """A position of the dials that a browser asks about.

    Attributes:
        key: The visit's.
        asked: When, on the browser's clock; an older question is not answered.
        s1: Where the dial stands, or None where it is not on the page; so too `s2`, `cfg_scale`.
    """

    key: str
    asked: FiniteFloat
    s1: FiniteFloat | None = None
    s2: FiniteFloat | None = None
    cfg_scale: FiniteFloat | None = None


class DeclinedError(Exception):
    """The page's own event must answer."""


class Wire:
    """Answers positions of the dials."""

    def __init__(self, student: Student, visits: Visits, turns: Turns) -> None:
        """Share the page's student, visits and turns."""
        self.student, self.visits, self.turns = student, visits, turns

    async def answer(self, request: Request) -> Response:
        """Answer one position.

        The question is a JSON `Question`. The answer is `told`, or one of `ASK_PAGE`, `ASK_KEY`
        and `NOTHING`.
        """
        try:
            question = Question.model_validate_json(await request.body())
        except ValidationError:
            return Response(status_code=BAD)
        found = self.visits.with_key(question.key)
        if found is None:
            return JSONResponse(ASK_KEY)
        session, visit = found
        if question.asked < visit.live.moved_at:
            return Response(status_code=NOTHING)
        visit.live.moved_at = question.asked
        try:
            wanted = self._wanted(visit, question)
            value = await self._value(session, visit.live, wanted)
        except (ValueError, DeclinedError, gr.Error):
            return JSONResponse(ASK_PAGE)
        if value is None:
            return Response(status_code=NOTHING)
        visit.live.shown = None  # what the page has kept is no more on show
        return JSONResponse(value)

    def _wanted(self, visit: Visit, question: Question) -> LiveRequest:
        live = visit.live
        if live.base is None or (visit.running and not visit.refining):
            raise DeclinedError
        wanted = live.base.at(question.model_dump(include=DIALS, exclude_none=True))
        live.want(wanted)
        visit.stop_refining()
        return wanted

    async def _value(
        self, session: str, live: LiveMemory, wanted: LiveRequest
    ) -> dict[str, Any] | None:
        known = live.answer_to(wanted)
        if known is not None:
            return told(known, wanted)
        work = live_work(wanted)
        steps = self.turns.walk(session, work, lambda: self._steps(live, wanted), lambda _: None)
        async with aclosing(steps) as walked:
            values = [value async for value in walked]
        return values[-1] if values else None

    def _steps(self, live: LiveMemory, wanted: LiveRequest) -> Iterator[dict[str, Any] | None]:
        if live.wanted != wanted or live.painting == wanted:
            return
        for answer in while_wanted(self.student, live, wanted):
            yield answer and told(answer, wanted)


def wire_value(key: str) -> dict[str, Any]:
    """Return what the page's side of the way must know of a visit."""
    return {"key": key, "path": PATH}


def asked_before(wire: Any) -> float:
    """Return when the page's side had asked last as one of the page's events went out, or 0."""
    asked = wire.get("asked") if isinstance(wire, dict) else None
    return float(asked) if isinstance(asked, int | float) else 0.0


def told(answer: LiveAnswer, wanted: LiveRequest) -> dict[str, Any]:
    """Return what the browser shows: "card" of the turntable, "model", "said" and "note"."""
    return {
        "card": asdict(answer_card(answer, card_id(int(wanted.settings.first_seed)))),
        "model": texts.STUDENT,
        "said": answer_line(answer, wanted.num_steps),
        "note": texts.limits(answer.limits),
    }


def wire_route(student: Student, visits: Visits, turns: Turns) -> Route:
    """Return the route."""
    return Route(f"/{PATH}", Wire(student, visits, turns).answer, methods=["POST"])
