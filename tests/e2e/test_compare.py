"""A and B in the browser."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.road import generate, give_picture, set_number

pytestmark = pytest.mark.browser

CORNER = "e => getComputedStyle(e.querySelector('.cp-right')).clipPath"


def compare(page: Page) -> None:
    page.get_by_role("button", name="Compare two settings").click()
    page.get_by_role("button", name="Compare A and B").click()
    expect(page.locator("#compare-status")).to_contain_text("Both are done", timeout=40_000)


def test_two_presets_share_a_seed_and_an_azimuth(page: Page, picture: Path):
    give_picture(page, picture)
    set_number(page, "instances", 2)
    generate(page)
    page.get_by_role("button", name="Pause").click()
    compare(page)
    stage = page.get_by_role("slider", name=re.compile("Comparison: SyncDreamer"))
    strips = [
        page.locator(f".cp-{side}").evaluate("e => e.style.backgroundImage")
        for side in ("left", "right")
    ]
    assert strips[0].startswith('url("data:image/webp')
    assert strips[0] != strips[1]

    page.locator(".tt-card").first.locator(".tt-thumb").nth(6).click()
    expect(stage).to_have_attribute("aria-valuenow", "135")
    stage.focus()
    page.keyboard.press("ArrowRight")
    table = page.get_by_role("slider", name=re.compile("Turntable")).first
    expect(table).to_have_attribute("aria-valuenow", "157.5")

    divider = page.get_by_role("slider", name="Place of the wipe")
    divider.fill("80")
    assert "80%" in stage.evaluate(CORNER)
    page.get_by_role("button", name="Side by side").click()
    expect(divider).to_be_hidden()
    boxes = [page.locator(f".cp-{side}").bounding_box() for side in ("left", "right")]
    assert boxes[0] is not None
    assert boxes[1] is not None
    assert boxes[0]["x"] + boxes[0]["width"] <= boxes[1]["x"] + 1
    page.get_by_role("button", name="Difference").click()
    expect(page.locator(".cp-right")).to_have_css("mix-blend-mode", "difference")


def test_a_setting_compared_with_itself_differs_nowhere(page: Page, picture: Path):
    give_picture(page, picture)
    page.get_by_role("button", name="Compare two settings").click()
    for side in ("left", "right"):
        page.locator(f"#compare-{side} input").click()
        page.locator(f"#compare-{side}").get_by_role("option", name="Guidance off").click()
    page.get_by_role("button", name="Compare A and B").click()
    expect(page.locator("#compare-status")).to_contain_text("Both are done", timeout=40_000)
    left, right = (
        page.locator(f".cp-{side}").evaluate("e => e.style.backgroundImage")
        for side in ("left", "right")
    )
    assert left == right


def test_without_a_picture_the_comparison_says_what_to_do(page: Page):
    page.get_by_role("button", name="Compare two settings").click()
    page.get_by_role("button", name="Compare A and B").click()
    expect(page.locator(".toast-body")).to_contain_text("Choose a picture first.")
