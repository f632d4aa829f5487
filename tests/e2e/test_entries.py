"""What a visitor enters stays, whatever the page was still about."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from harmony.painting.painter import Painter
from tests.e2e.conftest import Live
from tests.e2e.road import JOIN, Held, generate, give_picture, set_number
from tests.page_fakes import fake_engine

pytestmark = pytest.mark.browser

SLOW_FRAMES = """(() => {
  const draw = window.requestAnimationFrame.bind(window);
  let held = null;
  window.requestAnimationFrame = (call) => held === null ? draw(call) : held.push(call);
  window.holdFrames = () => { held = []; };
  window.releaseFrames = () => {
    const calls = held;
    held = null;
    calls.forEach((call) => draw(call));
    return new Promise((done) => draw(() => draw(done)));
  };
})()"""
"""A machine so busy that no animation frame comes before it is let through."""

WORKING = re.compile(r"\d\.\ds")
"""The clock that a control shows while its answer is awaited."""


def text_of(page: Page, block: str) -> Locator:
    return page.locator(f"#{block} input:visible, #{block} textarea:visible").first


@pytest.fixture
def open_slow(browser: Browser) -> Iterator[Callable[[str], Page]]:
    """Return a function that opens a page whose frames can be held back."""
    pages: list[Page] = []

    def run(url: str) -> Page:
        pages.append(browser.new_page())
        pages[-1].add_init_script(SLOW_FRAMES)
        pages[-1].goto(url)
        pages[-1].get_by_role("button", name="Generate 16 views").wait_for()
        return pages[-1]

    yield run
    for page in pages:
        page.close()


@pytest.fixture
def slow(open_slow: Callable[[str], Page], live: Live) -> Page:
    return open_slow(live.url)


def open_and_fill(page: Page, part: Locator, entries: dict[str, str]) -> None:
    """Enter something before the part that was opened has been drawn."""
    page.evaluate("holdFrames()")
    part.click()
    for block, value in entries.items():
        text_of(page, block).fill(value)
    page.wait_for_timeout(300)
    page.evaluate("releaseFrames()")
    for block, value in entries.items():
        expect(text_of(page, block)).to_have_value(value)


def test_what_is_entered_as_soon_as_a_part_is_open_stays(slow: Page, picture: Path):
    give_picture(slow, picture)
    settings = {"object-name": "brass kettle", "seed": "77", "elevation": "12", "eta": "0.5"}
    open_and_fill(slow, slow.get_by_role("button", name="Advanced settings"), settings)


def test_another_name_to_score_by_stays(slow: Page, picture: Path):
    give_picture(slow, picture)
    generate(slow)
    part = slow.get_by_role("button", name="Measure the CD score for another name")
    open_and_fill(slow, part, {"rename": "a very large egg"})


def test_a_description_stays_that_is_typed_as_soon_as_its_tab_is_open(
    open_slow: Callable[[str], Page], serve: Callable[..., str]
):
    page = open_slow(serve(fake_engine(painter=Painter())))
    tab = page.get_by_role("tab", name="Describe it")
    open_and_fill(page, tab, {"prompt": "a brass kettle", "paint-seed": "77"})


@pytest.mark.parametrize("typed", [None, "brass kettle"])
def test_a_suggestion_does_not_replace_what_was_typed_meanwhile(
    page: Page, picture: Path, typed: str | None
):
    give_picture(page, picture)
    page.get_by_role("button", name="Advanced settings").click()
    held, name = Held(page), page.locator("#object-name")
    with page.expect_request(JOIN):
        page.get_by_role("button", name="Suggest a name").click()
    if typed is not None:
        text_of(page, "object-name").fill(typed)
    expect(name).to_contain_text(WORKING)
    held.let_go()
    expect(name).not_to_contain_text(WORKING)
    expect(text_of(page, "object-name")).to_have_value(typed or "disc")


def test_a_link_does_not_replace_what_was_set_before_the_server_answered(
    browser: Browser, live: Live
):
    page = browser.new_page()
    held = Held(page)
    with page.expect_request(JOIN):
        page.goto(f"{live.url}?s1=0.7&num_steps=9&object_name=egg")
    page.get_by_role("button", name="Advanced settings").click()
    set_number(page, "s1", 3.3)
    held.let_go()
    expect(page.locator("#steps input[type=number]")).to_have_value("9")
    expect(text_of(page, "object-name")).to_have_value("egg")
    expect(page.locator("#s1 input[type=number]")).to_have_value("3.3")
    page.close()
