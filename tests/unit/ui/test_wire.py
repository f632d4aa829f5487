"""The short way of a moving dial: who is answered, with what, and what is left to the page."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from harmony.background import CutoutModels
from harmony.serving.lane import Lane, Work
from harmony.ui.live import OFF, LiveBase
from harmony.ui.strips import jpeg_url
from harmony.ui.student import Student
from harmony.ui.turns import Turns
from harmony.ui.visits import Visit, Visits
from harmony.ui.wire import PATH, asked_before, wire_route, wire_value
from tests.page_fakes import PageStudent
from tests.unit.ui.test_live import SETTINGS, a_picture

ASK_PAGE, ASK_KEY = {"ask": "page"}, {"ask": "key"}


@pytest.fixture
def model() -> PageStudent:
    return PageStudent()


@pytest.fixture
def visits(tmp_path: Path) -> Visits:
    return Visits(lambda: tmp_path)


@pytest.fixture
def visit(visits: Visits, tmp_path: Path) -> Visit:
    visit = visits.of("me")
    visit.live.base = LiveBase(a_picture(tmp_path), SETTINGS, 4)
    return visit


@pytest.fixture
def lane() -> Lane:
    return Lane()


@pytest.fixture
def client(model: PageStudent, visits: Visits, lane: Lane) -> TestClient:
    student = Student(lambda: model, CutoutModels())
    return TestClient(Starlette(routes=[wire_route(student, visits, Turns(lane))]))


@pytest.fixture
def ask(client: TestClient) -> Callable[..., Any]:
    """Return a function that asks as a browser does."""
    return lambda **question: client.post(f"/{PATH}", json={"asked": 1.0, **question})


def test_a_position_is_answered_with_what_the_page_shows_of_it(ask, visit, model):
    told = ask(key=visit.key, s1=1.5, s2=0.5).json()
    wanted = visit.live.base.at({"s1": 1.5, "s2": 0.5})
    answer = visit.live.answer_to(wanted)
    assert answer is not None
    assert told["card"]["strip"] == jpeg_url(answer.strip)
    assert told["card"]["live"] is True
    assert told["said"].startswith("s1 1.5, s2 0.5 · seed 3 · 4 steps")
    assert (told["model"], told["note"]) == ("Live model", "")
    assert model.runs == [(1.5, 0.5, 4)]
    assert visit.live.painting is None


def test_what_was_answered_last_is_not_painted_again(ask, visit, model):
    first, again = ask(key=visit.key, s1=1.5).json(), ask(key=visit.key, s1=1.5, asked=2.0).json()
    assert first == again
    assert len(model.runs) == 1


def test_what_the_page_has_kept_is_no_more_on_show(ask, visit):
    kept = visit.live.base.at({"s1": 3.0})
    visit.live.show(kept)
    ask(key=visit.key, s1=1.5)
    assert visit.live.shown is None


def test_a_dial_that_is_not_on_the_page_stands_as_the_page_said(ask, visit, model):
    visit.live.base = replace(visit.live.base, settings=replace(SETTINGS, s1=3.0))
    ask(key=visit.key, s2=0.25, s1=None)
    assert model.runs == [(3.0, 0.25, 4)]


def test_limits_are_told(ask, visit):
    assert "Live stops at s2 1.5" in ask(key=visit.key, s2=2.0).json()["note"]


def test_an_older_question_than_the_newest_is_not_answered(ask, visit, model):
    ask(key=visit.key, s1=1.5, asked=5.0)
    late = ask(key=visit.key, s1=0.5, asked=4.0)
    assert (late.status_code, late.content) == (204, b"")
    assert [run[0] for run in model.runs] == [1.5]


def test_nobody_is_answered_for_another_visit(ask, visits, visit, model):
    yours = visits.of("you")
    assert ask(key=yours.key, s1=1.0).json() == ASK_PAGE  # who gave no picture
    assert ask(key="guess", s1=1.0).json() == ASK_KEY
    visits.close("me")
    assert ask(key=visit.key, s1=1.0).json() == ASK_KEY
    assert model.runs == []


@pytest.mark.parametrize(
    "question",
    [
        {},
        {"key": 3},
        {"s1": "1"},
        {"s1": True},
        {"asked": None},
        {"s1": [1]},
    ],
)
def test_what_is_no_question_is_refused(ask, visit, model, question):
    given = {"key": visit.key, **question} if question else {"key": None}
    assert ask(**given).status_code == 400
    assert model.runs == []


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"{", b"[]", b"\xff", b'{"key": "a", "asked": NaN}'),
        b'{"key": "\\ud800", "asked": 1}',  # half of a letter
    ],
)
def test_what_is_no_json_is_refused(client, body):
    assert client.post(f"/{PATH}", content=body).status_code == 400


@pytest.mark.parametrize(
    "said", [{"num_steps": OFF}, {"settings": replace(SETTINGS, rule="decomposed-official")}]
)
def test_what_the_student_does_not_serve_is_left_to_the_page(ask, visit, model, said):
    visit.live.base = replace(visit.live.base, **said)
    assert ask(key=visit.key, s1=1.0).json() == ASK_PAGE
    assert model.runs == []


def test_a_scale_that_is_none_is_left_to_the_page_which_says_why(ask, visit, model):
    assert ask(key=visit.key, s1=-1.0).json() == ASK_PAGE
    assert model.runs == []


def test_the_dials_rest_while_a_run_of_ones_own_goes_on(ask, visit, model):
    visit.begin()
    assert ask(key=visit.key, s1=1.0).json() == ASK_PAGE
    visit.restore()
    visit.begin(refining=True)
    assert "card" in ask(key=visit.key, s1=1.0, asked=2.0).json()
    assert (len(model.runs), visit.running) == (1, False)


def test_a_full_queue_is_left_to_the_page(ask, visit, lane):
    lane.max_waiting = 0
    lane.join("somebody else", Work("generate", "step"))
    assert ask(key=visit.key, s1=1.0).json() == ASK_PAGE


def test_a_position_that_is_wanted_no_more_when_its_turn_comes_is_not_painted(
    ask, visit, model, monkeypatch
):
    monkeypatch.setattr(type(visit.live), "want", lambda *_: False)
    assert ask(key=visit.key, s1=1.0).status_code == 204
    assert model.runs == []


def test_the_page_tells_when_it_asked_last():
    assert asked_before(wire_value("key") | {"asked": 5}) == 5.0
    assert (
        asked_before(wire_value("key")) == asked_before(None) == asked_before({"asked": "x"}) == 0
    )
