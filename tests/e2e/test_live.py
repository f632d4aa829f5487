"""Live dials in the browser: the newest position is answered, and little is computed for it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from harmony.recipe import recipe_from_png
from harmony.serving.lane import Lane, Work
from harmony.ui.cache import FileCache
from harmony.ui.turns import Turns
from tests.e2e.conftest import STEPS
from tests.e2e.look import contrast, nameless, width_beyond_window
from tests.e2e.road import cards, generate, give_picture
from tests.page_fakes import PageDenoiser, PageStudent, fake_engine

pytestmark = pytest.mark.browser

SLOW_STEP = 0.15
BANNER = "#banner .banner-live >> visible=true"
NOTE_STATUS = """() => {
  window.said = [];
  const status = document.querySelector("#status");
  new MutationObserver(() => window.said.push(status.textContent)).observe(
    status, { subtree: true, childList: true, characterData: true });
}"""
"""Keeps what the status line says."""
IS_ON_TOP = """(node) => {
  const { left, top, width, height } = node.getBoundingClientRect();
  return node.contains(document.elementFromPoint(left + width / 2, top + height / 2));
}"""
"""Whether nothing lies above a node."""


@dataclass(frozen=True)
class LivePage:
    """A page with a student.

    Attributes:
        url: Where.
        student: Counts its runs.
        teacher: The page's own model.
        lane: Where both wait for their turns.
    """

    url: str
    student: PageStudent
    teacher: PageDenoiser
    lane: Lane


@pytest.fixture(scope="module")
def with_student(serve: Callable[..., str]) -> LivePage:
    student, teacher, lane = PageStudent(SLOW_STEP), PageDenoiser(), Lane()
    engine = fake_engine(model=teacher, student=student, cache=FileCache(memory_bytes=0))
    return LivePage(serve(engine, turns=Turns(lane)), student, teacher, lane)


@pytest.fixture
def tab(browser: Browser, with_student: LivePage, picture: Path) -> Iterator[Page]:
    """Open the page with a picture on it; errors on the console fail the test."""
    errors: list[str] = []
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    page.set_default_timeout(20_000)
    page.on("console", lambda m: errors.append(m.text) if m.type == "error" else None)
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(with_student.url)
    give_picture(page, picture)
    with_student.student.runs.clear()
    with_student.student.finished = 0
    yield page
    # Whatever was replaced on its way, nothing else on the page has changed.
    expect(page.locator("#generate")).to_have_text("Generate 16 views")
    expect(page.locator("#stop")).to_have_text("Stop")
    context.close()
    assert errors == []


def drag(page: Page, dial: str, moves: int, *, to: float = 0.9) -> str:
    """Drag a dial from its left end with the mouse, let it go, and return where it stands."""
    track = page.locator(f"#{dial} input[type=range]")
    track.scroll_into_view_if_needed()
    box = track.bounding_box()
    assert box is not None
    height = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + 0.05 * box["width"], height)
    page.mouse.down()
    for move in range(1, moves + 1):
        page.mouse.move(box["x"] + (0.05 + (to - 0.05) * move / moves) * box["width"], height)
    page.mouse.up()
    return page.locator(f"#{dial} input[type=number]").input_value()


def settle(page: Page, served: LivePage) -> None:
    """Wait until whatever was left behind in browser and lane has come and gone."""
    page.evaluate("fetch('/config').then((answer) => answer.text())")
    while served.lane.waiting or served.lane.running:
        page.wait_for_timeout(20)


def test_of_ten_quick_moves_the_last_is_shown_and_two_are_computed(
    tab: Page, with_student: LivePage
):
    with with_student.student.slowed(5.0):
        stands = drag(tab, "s1", 10)
    banner = tab.locator(BANNER)
    expect(banner).to_contain_text(f"s1 {float(stands):g},")
    expect(banner).to_contain_text("4 steps")
    settle(tab, with_student)
    runs = with_student.student.runs
    assert runs[-1][0] == float(stands)
    # The first move finds the student idle; of the other nine two at most are begun, and what is
    # begun ends inside its step when the dial is let go elsewhere.
    assert 1 <= with_student.student.finished <= 2
    assert len(runs) <= 3
    assert len({run[0] for run in runs}) == len(runs)
    assert with_student.lane.waiting == with_student.lane.running == 0
    expect(cards(tab).first.locator(".tt-title")).to_have_text("Live · seed 0")


def test_a_moving_dial_is_answered_past_the_pages_events(tab: Page, with_student: LivePage):
    drag(tab, "s1", 2)
    expect(tab.locator("#banner .banner-wire")).to_have_count(0)  # the page has kept the answer
    picture = "node => node.querySelector('.tt-picture').style.backgroundImage"
    before = cards(tab).first.evaluate(picture)
    tab.route("**/queue/join*", lambda route: None)  # no event comes through
    stands = drag(tab, "s1", 4, to=0.4)
    expect(tab.locator(BANNER)).to_contain_text(f"s1 {float(stands):g},")
    expect(tab.locator("#banner .banner-wire")).to_be_visible()
    assert cards(tab).first.evaluate(picture) != before
    assert with_student.student.runs[-1][0] == float(stands)


def test_where_the_short_way_is_closed_the_pages_events_answer(tab: Page, with_student: LivePage):
    tab.route("**/live-wire", lambda route: route.fulfill(json={"ask": "page"}))
    for share in (0.9, 0.2):
        stands = drag(tab, "s1", 4, to=share)
        expect(tab.locator(BANNER)).to_contain_text(f"s1 {float(stands):g},")
    assert with_student.student.runs[-1][0] == float(stands)


def test_a_position_that_was_kept_is_answered_again_at_once_after_another(tab: Page):
    """The answer between the two is on show, and the page has not kept it yet."""
    drag(tab, "s1", 3)
    expect(tab.locator("#banner .banner-wire")).to_have_count(0)
    for share in (0.2, 0.9):
        stands = drag(tab, "s1", 3, to=share)
        expect(tab.locator(BANNER)).to_contain_text(f"s1 {float(stands):g},")


def test_back_and_forth_the_line_is_that_of_the_views(tab: Page):
    for share in (0.9, 0.2, 0.9, 0.2, 0.9):
        stands = drag(tab, "s1", 3, to=share)
        expect(tab.locator(BANNER)).to_contain_text(f"s1 {float(stands):g},")
    expect(tab.locator("#banner .banner-wire")).to_have_count(0)
    expect(tab.locator("#banner")).to_contain_text(f"s1 {float(stands):g},")


def test_nobody_waits_behind_the_position_that_they_asked_for(tab: Page, with_student: LivePage):
    """The browser sends a position when the dial moves and when it is let go: one work, one line."""
    tab.evaluate(NOTE_STATUS)
    with with_student.student.slowed(0.5):
        stands = drag(tab, "s1", 10)
        expect(tab.locator(BANNER)).to_contain_text(f"s1 {float(stands):g},")
    settle(tab, with_student)
    said = tab.evaluate("window.said")
    assert any("Answering the dials" in line for line in said)
    assert not any("Waiting" in line for line in said)


def drag_in_a_low_window(page: Page) -> None:
    """Drag a dial where the left column is long and not much of either can be seen at once."""
    page.set_viewport_size({"width": 1366, "height": 768})
    page.get_by_role("button", name="Advanced settings").click()
    drag(page, "s1", 3)
    expect(page.locator(BANNER)).to_contain_text("s1 ")


def test_where_the_dials_are_in_sight_so_is_who_answered_with_what(tab: Page):
    drag_in_a_low_window(tab)
    for dial in ("#s1", "#s2", "#live"):
        tab.locator(dial).evaluate("(node) => node.scrollIntoView({ block: 'center' })")
        expect(cards(tab).first.locator(".tt-stage")).to_be_in_viewport(ratio=0.95)
        expect(tab.locator(BANNER)).to_be_in_viewport(ratio=1)
        assert tab.locator(BANNER).evaluate(IS_ON_TOP)


@pytest.mark.parametrize("key", ["Tab", "Shift+Tab"])
def test_what_keys_go_to_below_the_views_is_in_sight(tab: Page, key: str):
    drag_in_a_low_window(tab)
    folds = ["Pinned runs", "Fill a map", "Compare two"]
    if key == "Tab":
        tab.locator(".tt-thumb").last.focus()
    else:
        folds.reverse()
        tab.locator("footer button").first.focus()
    for name in folds:
        tab.keyboard.press(key)
        fold = tab.get_by_role("button", name=name)
        expect(fold).to_be_focused()
        expect(fold).to_be_in_viewport(ratio=1)
        assert fold.evaluate(IS_ON_TOP)


@pytest.mark.parametrize(("width", "seen"), [(390, True), (1280, False)])
def test_where_the_dials_push_the_views_out_of_sight_a_small_copy_shows_them(
    tab: Page, width: int, seen: bool
):
    tab.set_viewport_size({"width": width, "height": 844})
    peek = tab.locator("#turntables .tt-peek")
    expect(peek).to_be_hidden()
    drag(tab, "s1", 2)
    expect(tab.locator(BANNER)).to_contain_text("s1 ")
    picture = "node => node.querySelector('.tt-picture').style.backgroundImage"
    expect(peek).to_be_visible(visible=seen)
    assert peek.evaluate(picture) == cards(tab).first.evaluate(picture)
    if seen:
        peek.click()
        expect(cards(tab).first.locator(".tt-stage")).to_be_in_viewport(ratio=0.5)
        expect(peek).to_be_hidden()


def test_arrow_keys_are_answered_and_two_steps_can_be_chosen(tab: Page, with_student: LivePage):
    tab.locator("#live").get_by_text("2 steps").click()
    tab.locator("#s2 input[type=range]").press("ArrowRight")
    expect(tab.locator(BANNER)).to_contain_text("s2 1.1 · seed 0 · 2 steps")
    assert with_student.student.runs == [(2.0, 1.1, 2)]


def test_what_lies_beyond_the_student_is_painted_at_its_end_and_said(
    tab: Page, with_student: LivePage
):
    tab.locator("#s2 input[type=range]").press("End")
    expect(tab.locator("#banner small")).to_contain_text("Live stops at s2 1.5")
    assert with_student.student.runs[-1][1] == 1.5


def test_live_can_be_turned_off(tab: Page, with_student: LivePage):
    tab.locator("#live").get_by_text("Off").click()
    tab.locator("#s1 input[type=range]").press("ArrowRight")
    expect(tab.locator("#status")).to_contain_text("These settings were not made yet")
    assert with_student.student.runs == []


def test_a_finished_result_comes_back_after_a_live_answer(tab: Page):
    generate(tab)
    expect(tab.locator("#banner")).to_contain_text("Full model")
    drag(tab, "s1", 3)
    expect(tab.locator(BANNER)).to_be_visible()
    expect(tab.locator("#views-file")).to_be_hidden()
    tab.locator("#back").click()
    expect(tab.locator("#banner")).to_contain_text(f"Full models1 2, s2 1 · 1 sample · {STEPS}")
    expect(tab.locator("#views-file")).to_be_visible()
    expect(tab.locator("#back")).to_be_hidden()


def test_the_full_model_follows_and_a_new_drag_stops_it(tab: Page, with_student: LivePage):
    with with_student.teacher.slowed(3.0):
        tab.get_by_label("Refine with the full model").check()
        drag(tab, "s1", 3)
        expect(tab.locator("#banner")).to_contain_text(re.compile("Full model.*on its way"))
        expect(tab.locator("#status")).to_contain_text("Step 1 of 4")
        stands = drag(tab, "s1", 3, to=0.5)
    expect(tab.locator("#banner")).to_contain_text(
        re.compile(rf"Full models1 {float(stands):g}, s2 1 · 1 sample · 4 steps\s*$")
    )
    assert with_student.student.runs[-1][0] == float(stands)


def test_the_full_model_follows_an_answer_that_came_at_once(tab: Page, with_student: LivePage):
    """The page asks twice for what a quick answer showed; the second time stops nothing."""
    tab.get_by_label("Refine with the full model").check()
    with with_student.student.slowed(0.0), with_student.teacher.slowed(0.5):
        for share in (0.9, 0.3):
            stands = drag(tab, "s1", 3, to=share)
            expect(tab.locator("#banner")).to_contain_text(
                re.compile(rf"Full models1 {float(stands):g}, s2 1 · 1 sample · 4 steps\s*$")
            )


def test_a_position_waits_for_others_and_says_so(tab: Page, with_student: LivePage):
    theirs = with_student.lane.join("somebody else", Work("generate", "step"))
    try:
        stands = drag(tab, "s1", 10)
        expect(tab.locator("#status")).to_contain_text("Waiting: next in line")
        assert with_student.student.runs == []
    finally:
        with_student.lane.end(theirs)
    expect(tab.locator(BANNER)).to_contain_text(f"s1 {float(stands):g},")
    assert [run[0] for run in with_student.student.runs] == [float(stands)]


def test_the_dials_rest_while_a_run_of_ones_own_goes_on(tab: Page, with_student: LivePage):
    with with_student.teacher.slowed(3.0):
        tab.get_by_role("button", name="Generate 16 views").click()
        expect(tab.locator("#status")).to_contain_text("Step 1 of 4")
        drag(tab, "s1", 3)
        expect(tab.locator("#banner")).to_contain_text("rest while your run goes on")
    expect(tab.locator("#status")).to_contain_text("Done")
    assert with_student.student.runs == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_it_can_be_read_and_named_in_every_window(tab: Page, scheme: str, width: int):
    tab.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    tab.set_viewport_size({"width": width, "height": 900})
    tab.locator("#s2 input[type=range]").press("End")
    expect(tab.locator("#banner small")).to_be_visible()
    seen = contrast(tab)
    assert seen["seen"] > 0
    assert seen["poor"] == []
    assert nameless(tab) == []
    assert width_beyond_window(tab) <= 0


@pytest.fixture
def client(with_student: LivePage, tmp_path: Path) -> Iterator[Client]:
    opened = Client(with_student.url, download_files=tmp_path, verbose=False)
    yield opened
    opened.close()


def test_a_program_gets_a_strip_that_carries_its_recipe(client: Client, picture: Path):
    dials: dict[str, Any] = {"s1": 1.5, "s2": 0.5, "seed": 7, "steps": 2}
    strip, recipe = client.predict(
        picture=handle_file(str(picture)), cutout="none", **dials, api_name="/live"
    )
    found = recipe_from_png(Path(strip).read_bytes())
    assert (found.guidance.s1, found.guidance.s2, found.seeds) == (1.5, 0.5, (7,))
    assert recipe["sampler"] == {"sampler": "ddim", "num_steps": 2, "eta": 0.0}
    with Image.open(strip) as views:
        assert views.size == (16 * 128, 128)


@pytest.mark.parametrize(
    ("dials", "sentence"), [({"s2": 2.0}, "Live stops at s2 1.5"), ({"steps": 0}, "one of 2, 4")]
)
def test_a_program_is_told_what_the_live_model_cannot_do(
    client: Client, picture: Path, dials: dict[str, Any], sentence: str
):
    with pytest.raises(AppError, match=sentence):
        client.predict(picture=handle_file(str(picture)), **dials, api_name="/live")
