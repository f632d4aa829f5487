"""Pinned runs in the browser."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.e2e.conftest import Live
from tests.e2e.look import colours_in
from tests.e2e.road import cards, generate, give_picture, set_number

pytestmark = pytest.mark.browser


def pins(page: Page) -> Locator:
    return page.locator(".pn-card")


def open_board(page: Page) -> None:
    page.get_by_role("button", name=re.compile("^Pinned runs")).click()
    page.locator(".pn-root").wait_for(state="attached")


def pin(page: Page, count: int) -> None:
    page.get_by_role("button", name="Pin this run").click()
    expect(pins(page)).to_have_count(count)


def choose_egg(page: Page) -> None:
    page.get_by_role("button", name="egg").click()
    page.locator("#cutout img").wait_for()


def two_pins(page: Page) -> None:
    open_board(page)
    choose_egg(page)
    generate(page)
    pin(page, 1)
    set_number(page, "s1", 0.5)
    generate(page)
    pin(page, 2)


def come_back(page: Page, live: Live) -> Page:
    """Open the page anew in the same browser; a reload would leave aborted requests."""
    again = page.context.new_page()
    again.goto(live.url)
    return again


def downloaded_recipe(page: Page) -> dict:
    with page.expect_download() as caught:
        page.locator("#recipe-file").click()
    return json.loads(Path(caught.value.path()).read_text())


def test_runs_are_pinned_renamed_sorted_shown_and_removed(page: Page):
    two_pins(page)
    assert min(colours_in(card.locator(".pn-picture"), 3) for card in pins(page).all()) > 1
    expect(pins(page).first).to_contain_text("s1 0.5")
    first = pins(page).first.get_by_label("Name of the pinned run")
    first.fill("  weak  egg ")
    first.blur()
    expect(pins(page).first.get_by_label("Name of the pinned run")).to_have_value("weak egg")
    page.get_by_label("Order").select_option("highest CD first")
    scores = [
        float(text.removeprefix("CD "))
        for text in page.locator(".pn-card .tt-badge").all_inner_texts()
    ]
    assert scores == sorted(scores, reverse=True)
    page.get_by_label("Order").select_option("newest first")
    assert downloaded_recipe(page)["guidance"]["s1"] == 0.5
    pins(page).nth(1).get_by_role("button", name="Show").click()
    page.wait_for_timeout(800)
    assert downloaded_recipe(page)["guidance"]["s1"] == 2
    page.get_by_role("button", name="Pin this run").click()
    expect(page.locator(".toast-body").last).to_contain_text("pinned already")
    pins(page).first.get_by_role("button", name="Remove").click()
    expect(pins(page)).to_have_count(1)


def test_two_pinned_runs_go_to_the_comparison(page: Page):
    two_pins(page)
    versus = page.get_by_role("button", name="Compare the two")
    expect(versus).to_be_disabled()
    for card in pins(page).all():
        card.get_by_role("checkbox").check()
    versus.click()
    expect(page.locator("#compare-status")).to_contain_text("Both are done")
    expect(page.locator("#compare-left input")).to_have_value(re.compile("s1 0.5"))
    expect(page.locator("#compare-right input")).to_have_value(re.compile("s1 2"))


def test_recipes_outlive_a_reload_and_are_made_again(page: Page, live: Live):
    two_pins(page)
    before = downloaded_recipe(page)
    page = come_back(page, live)
    page.get_by_role("button", name="Generate 16 views").wait_for()
    open_board(page)
    expect(pins(page)).to_have_count(2)
    expect(pins(page).first).to_contain_text("not in this visit")
    assert page.evaluate("() => Object.keys(localStorage).join().includes('harmony-pins')")
    page.locator("#status .status").evaluate("element => element.setAttribute('data-old', '')")
    pins(page).first.get_by_role("button", name="Make again").click()
    fresh = page.locator("#status .status:not([data-old])")
    expect(fresh).to_contain_text("Done", timeout=40_000)
    expect(cards(page)).to_have_count(1)
    assert downloaded_recipe(page) == before
    expect(page.locator("#s1 input[type=number]")).to_have_value("0.5")
    expect(pins(page).first.get_by_role("button", name="Show")).to_be_visible()


def test_a_pin_of_another_picture_asks_for_it(
    page: Page, live: Live, picture: Path, tmp_path: Path
):
    own = tmp_path / "own.png"
    own.write_bytes(picture.read_bytes() + b"\0")
    open_board(page)
    give_picture(page, own)
    generate(page)
    pin(page, 1)
    page = come_back(page, live)
    page.get_by_role("button", name="Generate 16 views").wait_for()
    open_board(page)
    pins(page).first.get_by_role("button", name="Make again").click()
    expect(page.locator(".toast-body")).to_contain_text("choose that picture first")
    give_picture(page, own)
    pins(page).first.get_by_role("button", name="Make again").click()
    expect(page.locator("#status")).to_contain_text("Done", timeout=40_000)


def test_another_visitor_has_a_board_of_his_own(page: Page, live: Live):
    open_board(page)
    choose_egg(page)
    generate(page)
    pin(page, 1)
    other = page.context.browser
    assert other is not None
    context = other.new_context()
    tab = context.new_page()
    tab.goto(live.url)
    tab.get_by_role("button", name="Generate 16 views").wait_for()
    open_board(tab)
    expect(tab.locator(".pn-empty")).to_be_visible()
    expect(pins(tab)).to_have_count(0)
    context.close()
