"""What a visitor enters stays, whatever the page was still about."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.e2e.conftest import Live
from tests.e2e.road import generate, give_picture

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


def text_of(page: Page, block: str) -> Locator:
    return page.locator(f"#{block} input:visible, #{block} textarea:visible").first


@pytest.fixture
def slow(browser: Browser, live: Live) -> Iterator[Page]:
    """Open a page whose frames can be held back."""
    page = browser.new_page()
    page.add_init_script(SLOW_FRAMES)
    page.goto(live.url)
    page.get_by_role("button", name="Generate 16 views").wait_for()
    yield page
    page.close()


def open_and_fill(page: Page, part: str, entries: dict[str, str]) -> None:
    """Enter something before the part that was opened has been drawn."""
    page.evaluate("holdFrames()")
    page.get_by_role("button", name=part).click()
    for block, value in entries.items():
        text_of(page, block).fill(value)
    page.wait_for_timeout(300)
    page.evaluate("releaseFrames()")
    for block, value in entries.items():
        expect(text_of(page, block)).to_have_value(value)


def test_what_is_entered_as_soon_as_a_part_is_open_stays(slow: Page, picture: Path):
    give_picture(slow, picture)
    settings = {"object-name": "brass kettle", "seed": "77", "elevation": "12", "eta": "0.5"}
    open_and_fill(slow, "Advanced settings", settings)


def test_another_name_to_score_by_stays(slow: Page, picture: Path):
    give_picture(slow, picture)
    generate(slow)
    open_and_fill(slow, "Measure the CD score for another name", {"rename": "a very large egg"})
