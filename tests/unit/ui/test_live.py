"""The live student: what it remembers, what it paints, and what it will not do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from PIL import Image, ImageDraw
from torch import nn

from harmony.background import CutoutModels
from harmony.recipe import recipe_from_json
from harmony.ui.banner import full_banner, live_banner
from harmony.ui.live import (
    KEEP_PICTURES,
    RULES,
    STEP_COUNTS,
    LiveAnswer,
    LiveMemory,
    LiveOffer,
    LiveRequest,
)
from harmony.ui.live_actions import LiveActions
from harmony.ui.loading import live_offer, standard_engine
from harmony.ui.page import build_demo
from harmony.ui.settings import Framing, Settings
from harmony.ui.student import KEEP_NOISE, Student, within_reach
from harmony.ui.visits import Visit, Visits
from harmony.ui.zero_engine import ZeroEngine
from tests.page_fakes import PageStudent

SETTINGS = Settings(
    Framing("none", 0.8, 30.0), "decomposed", 2.0, 1.0, 1.0, "ddim", 4, 1.0, 2, 3, "mug"
)


def a_picture(folder: Path, name: str = "egg.png", colour: str = "#b45309") -> Path:
    image = Image.new("RGBA", (80, 80))
    ImageDraw.Draw(image).ellipse((16, 12, 64, 68), fill=colour)
    image.save(folder / name)
    return folder / name


@pytest.fixture
def model() -> PageStudent:
    return PageStudent()


@pytest.fixture
def student(model: PageStudent) -> Student:
    return Student(lambda: model, CutoutModels())


@pytest.fixture
def request_of(tmp_path: Path) -> Callable[..., LiveRequest]:
    picture = a_picture(tmp_path)
    return lambda num_steps=4, **dials: LiveRequest(picture, replace(SETTINGS, **dials), num_steps)


def answer(student: Student, request: LiveRequest, memory: LiveMemory) -> LiveAnswer:
    *steps, last = student.answer(request, memory)
    assert steps == [None] * request.num_steps
    assert last is not None
    return last


def test_the_first_seed_alone_is_painted_in_the_steps_that_were_asked_for(student, request_of):
    found = answer(student, request_of(2), LiveMemory())
    recipe = recipe_from_json(found.recipe)
    assert (recipe.seeds, recipe.model) == ((3,), "fake-live")
    assert (recipe.sampler.num_steps, recipe.sampler.sampler, recipe.sampler.eta) == (2, "ddim", 0)
    assert found.strip.size == (16 * 128, 128)


def test_the_picture_is_read_and_encoded_once(student, model, request_of, monkeypatch):
    memory = LiveMemory()
    first = answer(student, request_of(), memory)
    monkeypatch.setattr("harmony.ui.student.read_image", None)
    again = answer(student, request_of(s1=0.5), memory)
    assert model.encoded == 1
    assert again.strip.tobytes() != first.strip.tobytes()
    back = answer(student, request_of(), memory)
    assert back.strip.tobytes() == first.strip.tobytes()


def test_another_framing_or_another_file_of_the_same_name_is_read_anew(
    student, model, request_of, tmp_path
):
    memory = LiveMemory()
    before = answer(student, request_of(), memory)
    answer(student, request_of(framing=Framing("none", 0.5, 30.0)), memory)
    assert model.encoded == 2
    a_picture(tmp_path, colour="#1d4ed8").touch()
    after = answer(student, request_of(), memory)
    assert (
        recipe_from_json(after.recipe).image_sha256 != recipe_from_json(before.recipe).image_sha256
    )


def test_a_visit_remembers_few_pictures_and_the_student_few_seeds(student, model, tmp_path):
    memory = LiveMemory()
    for index in range(KEEP_PICTURES + 2):
        picture = a_picture(tmp_path, f"{index}.png")
        answer(student, LiveRequest(picture, SETTINGS, 2), memory)
    assert len(memory.pictures) == KEEP_PICTURES
    for seed in range(KEEP_NOISE + 2):
        request = LiveRequest(tmp_path / "0.png", replace(SETTINGS, first_seed=seed), 2)
        answer(student, request, memory)
    assert len(student.kept_seeds) == KEEP_NOISE


def test_visitors_do_not_share_what_is_remembered(tmp_path):
    visits = Visits(lambda: tmp_path)
    mine = visits.of("me")
    assert mine.live is not visits.of("you").live
    visits.close("me")
    assert visits.of("me").live is not mine.live


@pytest.mark.parametrize("num_steps", [0, 1, 3, 12])
def test_other_numbers_of_steps_are_refused(request_of, num_steps):
    with pytest.raises(ValueError, match="one of 2, 4"):
        request_of(num_steps)


def test_the_released_codes_rule_is_left_to_the_full_model(request_of):
    with pytest.raises(ValueError, match="only the full model"):
        request_of(rule="decomposed-official")


def test_on_zero_gpu_the_dials_ask_for_no_gpu(model, request_of):
    def gpu(**_: Any) -> Any:
        def lend(_: Any) -> Any:
            raise AssertionError("A GPU was asked for.")

        return lambda task: lend

    engine = ZeroEngine(
        gpu,
        model_name="fake",
        load_model=PageStudent,
        load_scorer=None,
        live=LiveOffer(lambda: model),
    )
    assert engine.student is not None
    answer(engine.student, request_of(), LiveMemory())
    assert len(model.runs) == 1


def test_scales_beyond_the_students_reach_are_painted_at_its_end_and_said(student, request_of):
    found = answer(student, request_of(s2=3.0), LiveMemory())
    assert recipe_from_json(found.recipe).guidance.s2 == 1.5
    assert "Live stops at s2 1.5" in live_banner(found, 4)
    assert within_reach(SETTINGS) == (SETTINGS, ())
    reached, limits = within_reach(replace(SETTINGS, rule="cfg", cfg_scale=9.0, s2=3.0))
    assert (reached.cfg_scale, reached.s2, limits) == (4.0, 3.0, (("s", 4.0),))


def test_the_banner_says_which_model_painted_what_is_on_show(student, request_of):
    live = live_banner(answer(student, request_of(), LiveMemory()), 4)
    assert "Live model" in live
    assert "s1 2, s2 1 · seed 3 · 4 steps · " in live
    assert "Full model" in full_banner(SETTINGS)
    assert "s1 2, s2 1 · 2 samples · 4 steps" in full_banner(SETTINGS)


def test_a_position_that_is_given_up_inside_a_step_has_no_answer_and_breaks_nothing(
    student, model, request_of
):
    model.network = nn.Identity()
    predict, calls = model.predict, []

    def through_the_network(*args: Any) -> Any:
        calls.append(model.network(torch.zeros(1)))
        return predict(*args)

    model.predict = through_the_network
    memory, wanted = LiveMemory(), request_of()
    events = list(student.answer(wanted, memory, lambda: len(calls) < 2))
    assert events == [None, None]
    assert student.model.state == "ready"
    assert len(list(student.answer(wanted, memory))) == wanted.num_steps + 1


def test_a_position_that_was_given_up_is_painted_anew_when_it_is_wanted_again(request_of):
    memory, wanted = LiveMemory(), request_of()
    assert not memory.want(wanted)
    memory.painting = wanted
    assert memory.want(wanted)
    assert memory.still_wants(wanted)
    memory.want(request_of(s1=1.0))
    assert not memory.still_wants(wanted)
    assert not memory.want(wanted)
    assert not memory.still_wants(wanted)


def test_the_end_of_an_older_position_leaves_the_newer_one_alone(request_of):
    memory, newer = LiveMemory(), request_of()
    memory.painting = newer
    memory.leave(request_of(s1=1.0))
    assert memory.painting == newer
    memory.leave(newer)
    assert memory.painting is None


def test_the_full_model_follows_an_answer_once(request_of):
    memory, wanted = LiveMemory(), request_of()
    memory.refine = wanted
    assert memory.take_refine(request_of(s1=1.0)) is None
    assert memory.take_refine(wanted) == 1
    assert memory.take_refine(wanted) is None


def test_a_movement_to_elsewhere_takes_back_that_the_full_model_follows(request_of):
    memory, wanted = LiveMemory(), request_of()
    memory.refine = wanted
    memory.want(wanted)
    assert memory.refine == wanted
    memory.want(request_of(s1=1.0))
    memory.want(wanted)
    assert memory.refine is None


def test_what_else_is_put_on_show_takes_the_place_of_a_live_answer(tmp_path, request_of):
    visit = Visits(lambda: tmp_path).of("me")
    for come in (visit.begin, visit.put_aside, lambda: visit.choose("another")):
        visit.live.want(request_of())
        visit.live.shown = request_of(s1=1.0)
        come()
        assert visit.live.wanted is visit.live.shown is None


def test_only_a_run_that_follows_is_stopped_by_a_dial(tmp_path):
    visit = Visits(lambda: tmp_path).of("me")
    visit.begin()
    assert not visit.stop_refining()
    assert visit.running
    visit.begin(refining=True)
    assert visit.stop_refining()
    assert (visit.running, visit.replaced) == (False, 1)


@pytest.mark.parametrize(
    ("model", "live_model", "why_not"),
    [
        ("syncdreamer", "small-live", "no quick model for the syncdreamer model"),
        ("small", "off", "turned off"),
        ("small", "nowhere", "not here"),
    ],
)
def test_a_page_without_live_dials_says_why(model, live_model, why_not):
    engine = standard_engine(model, "cpu", live_model=live_model)
    assert engine.student is None
    parts = {c["props"].get("elem_id"): c["props"] for c in build_demo(engine).config["components"]}
    assert why_not in parts["live-off"]["value"]
    assert not parts["live"]["visible"]
    assert parts["live"]["value"] == 0


def test_a_dial_that_is_let_go_is_answered_before_anything_else_that_follows_it():
    engine = standard_engine("small", "cpu", live_model="small-live")
    config = build_demo(engine).config
    for dial in ("s1", "s2"):
        (component,) = (c for c in config["components"] if c["props"].get("elem_id") == dial)
        event = (component["id"], "release")
        dependencies = config.get("dependencies", [])
        handlers = [d["api_name"] for d in dependencies if event in d["targets"]]
        assert handlers[0] == "released"
        assert len(handlers) > 1


def test_the_live_model_answers_for_its_teacher_and_a_folder_for_any_model(tmp_path):
    (tmp_path / "card.json").write_text("{}")
    for model in ("small", "syncdreamer"):
        assert live_offer(model, "cpu", str(tmp_path)).load is not None


def test_the_page_knows_what_the_live_model_serves_without_importing_it():
    from harmony.models.small_live import dials

    assert set(RULES) == set(dials.SCALES)
    assert STEP_COUNTS == dials.STEP_COUNTS


def asked_at_once(visit: Visit, request: LiveRequest, **wire: Any) -> Any:
    """Let the page's event ask for a position; "nothing" is what changes nothing."""
    parts = SimpleNamespace(banner="banner", status="status")
    page = SimpleNamespace(visit=lambda _: visit, nothing="nothing", results=parts)
    student = SimpleNamespace(model=SimpleNamespace(state="ready"))
    actions = LiveActions(page, student)  # pyright: ignore[reportArgumentType]
    said = request.settings
    dials = [getattr(said, field.name) for field in fields(said)][1:]
    framing = (said.framing.cutout, said.framing.foreground, said.framing.elevation_deg)
    picture, steps = str(request.picture), request.num_steps
    return actions.at_once(None, picture, steps, wire, *framing, *dials)  # pyright: ignore[reportArgumentType]


def test_a_second_question_stops_no_full_model_that_follows_the_answer(tmp_path, request_of):
    visit, wanted = Visits(lambda: tmp_path).of("me"), request_of()
    visit.live.refine = wanted
    assert visit.live.take_refine(wanted) == 1
    visit.begin(refining=True)
    assert asked_at_once(visit, wanted) == "nothing"
    assert visit.running
    assert asked_at_once(visit, request_of(s1=0.5)) is None  # the student's turn
    assert not visit.running


def test_an_event_from_before_the_last_movement_asks_for_nothing(tmp_path, request_of):
    visit, wanted = Visits(lambda: tmp_path).of("me"), request_of()
    visit.live.moved_at = 5.0
    assert asked_at_once(visit, wanted, asked=4.0) == "nothing"
    assert visit.live.wanted is None
    assert asked_at_once(visit, wanted, asked=5.0) is None
    assert visit.live.wanted == wanted


def test_who_asks_for_what_is_being_painted_is_told_so(tmp_path, request_of):
    visit, wanted = Visits(lambda: tmp_path).of("me"), request_of()
    visit.live.want(wanted)
    visit.live.painting = wanted
    assert "Answering the dials" in asked_at_once(visit, wanted)["status"]
