"""The map of s1 and s2 in the browser."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.conftest import Live
from tests.e2e.look import contrast, nameless
from tests.e2e.road import cards, give_picture

pytestmark = pytest.mark.browser


def start(page: Page) -> None:
    page.get_by_role("button", name="Fill a map of s1 and s2").click()
    page.locator("#map-start").click()


def test_the_map_fills_and_a_cell_goes_on_the_page(page: Page, picture: Path):
    give_picture(page, picture)
    start(page)
    expect(page.locator("#map-status")).to_contain_text("The map is full", timeout=60_000)
    cells = page.locator(".mp-cell:enabled")
    expect(cells).to_have_count(9)
    strips = page.locator(".mp-picture").evaluate_all(
        "nodes => nodes.map((node) => node.style.backgroundImage)"
    )
    assert len(set(strips)) == 9
    page.get_by_role("slider", name="Azimuth of the map").fill("4")
    page.get_by_role("button", name=re.compile(r"^s1 2, s2 0, CD")).click()
    expect(page.locator("#status")).to_contain_text("Done")
    expect(cards(page)).to_have_count(1)
    expect(page.locator("#s1 input[type=number]")).to_have_value("2")
    expect(page.locator("#s2 input[type=number]")).to_have_value("0")
    assert contrast(page)["poor"] == []
    assert nameless(page) == []


def test_stop_keeps_the_cells_that_are_done(page: Page, live: Live, picture: Path):
    give_picture(page, picture)
    with live.model.slowed(1.0):
        start(page)
        page.get_by_role("button", name=re.compile(r"^s1 1, s2 1, CD")).wait_for()
        page.locator("#stop").click()
        expect(page.locator("#map-status")).to_contain_text("Stopped")
    page.wait_for_timeout(1000)
    made = page.locator(".mp-cell:enabled").count()
    assert 1 <= made < 9
    page.wait_for_timeout(1000)
    expect(page.locator(".mp-cell:enabled")).to_have_count(made)
