"""Dials that are let go, seeds side by side, and work that is not done twice."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.conftest import Live
from tests.e2e.road import cards, generate, give_picture, set_number
from tests.page_fakes import PageDenoiser, fake_engine

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def live(serve: Callable[..., str]) -> Live:
    """Serve a page that keeps what it made, in the place of the one that forgets."""
    model = PageDenoiser()
    return Live(serve(fake_engine(model=model)), model, Path(os.environ["GRADIO_TEMP_DIR"]))


def nudge(page: Page, dial: str, key: str) -> None:
    """Move a dial by one step with the keyboard, and let it go."""
    page.locator(f"#{dial} input[type=range]").focus()
    page.keyboard.press(key)


def strip(page: Page) -> str:
    return page.locator(".tt-picture").first.evaluate("e => e.style.backgroundImage")


def test_a_setting_that_was_made_comes_back_when_the_dial_is_let_go(
    page: Page, live: Live, picture: Path
):
    give_picture(page, picture)
    generate(page)
    first = strip(page)
    nudge(page, "s1", "ArrowLeft")
    expect(page.locator("#status")).to_contain_text(
        re.compile("not made yet: press Generate, about")
    )
    assert strip(page) == first
    generate(page)
    second = strip(page)
    assert second != first
    live.model.calls.clear()
    nudge(page, "s1", "ArrowRight")
    expect(page.locator("#status")).to_contain_text("Done")
    page.wait_for_function(
        "first => document.querySelector('.tt-picture').style.backgroundImage === first", arg=first
    )
    assert live.model.calls == []


def test_another_visitor_finds_what_was_made_in_a_folder_of_their_own(
    page: Page, live: Live, picture: Path
):
    give_picture(page, picture)
    generate(page)
    live.model.calls.clear()
    before = set(live.folder.glob("visit-*"))
    context = page.context.browser.new_context()  # pyright: ignore[reportOptionalMemberAccess]
    other = context.new_page()
    other.goto(live.url)
    give_picture(other, picture)
    generate(other)
    assert strip(other) == strip(page)
    assert live.model.calls == []
    (folder,) = set(live.folder.glob("visit-*")) - before
    assert list(folder.rglob("views-seed-0.zip"))
    context.close()


def test_letting_a_dial_go_starts_a_run_and_replaces_the_one_on_its_way(
    page: Page, live: Live, picture: Path
):
    give_picture(page, picture)
    page.get_by_role("button", name="Advanced settings").click()
    page.get_by_label("Generate whenever s1 or s2 is let go").check()
    set_number(page, "steps", 60)
    with live.model.slowed(0.5):
        nudge(page, "s2", "ArrowRight")
        expect(page.locator("#status")).to_contain_text("Step")
        nudge(page, "s2", "ArrowRight")
        page.wait_for_timeout(300)
    expect(page.locator("#status")).to_contain_text("Done", timeout=40_000)
    expect(page.locator("#generate")).to_be_enabled()
    with page.expect_download() as caught:
        page.locator("#recipe-file").click()
    assert '"s2": 1.2' in Path(caught.value.path()).read_text()
    expect(page.locator("#runs")).to_be_hidden()


def test_seeds_stand_side_by_side_and_turn_with_the_turntables(page: Page, picture: Path):
    give_picture(page, picture)
    set_number(page, "instances", 3)
    generate(page)
    page.get_by_role("button", name="Pause").click()
    seeds = page.locator(".dv-seed")
    expect(seeds).to_have_count(3)
    expect(page.locator(".dv-text")).to_have_text(
        re.compile(r"Spread of the seeds \d.*mean over pairs")
    )
    marks = page.locator(".dv-marked .dv-mark").all_inner_texts()
    assert sorted(marks) == ["highest CD", "lowest CD"]
    ratios = [
        float(text.removeprefix("CD ")) for text in page.locator(".tt-badge").all_inner_texts()
    ]
    shown = page.locator(".dv-mark").all_inner_texts()
    # Badges are rounded, so two may look alike.
    assert ratios[shown.index("highest CD")] == max(ratios)
    assert ratios[shown.index("lowest CD")] == min(ratios)
    cards(page).first.locator(".tt-thumb").nth(5).click()
    places = page.locator(".dv-picture").evaluate_all(
        "all => all.map((e) => e.style.backgroundPosition)"
    )
    assert {place.split("%")[0][:4] for place in places} == {"33.3"}
    seeds.nth(2).click()
    expect(cards(page).nth(2)).to_have_class(re.compile("tt-chosen"))


def test_a_stopped_map_goes_on_where_it_was(page: Page, live: Live, picture: Path):
    give_picture(page, picture)
    set_number(page, "instances", 1)
    page.get_by_role("button", name="Fill a map of s1 and s2").click()
    expect(page.locator("#map-status")).to_contain_text("9 cells of 4 steps")
    with live.model.slowed(1.0):
        page.locator("#map-start").click()
        page.get_by_role("button", name=re.compile(r"^s1 1, s2 1, CD")).wait_for()
        page.locator("#stop").click()
        expect(page.locator("#map-status")).to_contain_text("Stopped")
    expect(page.locator("#map-start")).to_have_text("Go on with the map")
    page.wait_for_timeout(800)
    made = page.locator(".mp-cell:enabled").count()
    assert 1 <= made < 9
    live.model.calls.clear()
    page.locator("#map-start").click()
    expect(page.locator("#map-status")).to_contain_text("The map is full", timeout=60_000)
    expect(page.locator(".mp-cell:enabled")).to_have_count(9)
    # The cell that was being painted may just have been finished when Stop came.
    assert len(live.model.calls) in {4 * (9 - made), 4 * (8 - made)}
    expect(page.locator("#map-start")).to_have_text("Fill the map")


def test_a_comparison_of_what_was_made_paints_nothing_and_wipes_by_hand(
    page: Page, live: Live, picture: Path
):
    give_picture(page, picture)
    page.get_by_role("button", name="Compare two settings").click()
    page.get_by_role("button", name="Compare A and B").click()
    status = page.locator("#compare-status")
    expect(status).to_contain_text("Both are done", timeout=40_000)
    live.model.calls.clear()
    status.locator(".status").evaluate("element => element.remove()")
    page.get_by_role("button", name="Compare A and B").click()
    expect(status).to_contain_text("Both are done", timeout=40_000)
    assert live.model.calls == []
    stage = page.locator(".cp-stage")
    stage.scroll_into_view_if_needed()
    box = stage.bounding_box()
    assert box is not None
    before = stage.get_attribute("aria-valuenow")
    middle = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + box["width"] / 2, middle)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 4, middle, steps=4)
    page.mouse.up()
    divider = page.get_by_role("slider", name="Place of the wipe")
    assert float(divider.input_value()) == pytest.approx(25, abs=1)
    assert stage.get_attribute("aria-valuenow") == before


def test_stop_for_a_run_says_nothing_about_map_and_comparison(
    page: Page, live: Live, picture: Path
):
    give_picture(page, picture)
    page.get_by_role("button", name="Fill a map of s1 and s2").click()
    page.get_by_role("button", name="Advanced settings").click()
    set_number(page, "steps", 200)
    with live.model.slowed(0.4):
        page.get_by_role("button", name="Generate 16 views").click()
        expect(page.locator("#status")).to_contain_text("Step")
        page.locator("#stop").click()
        expect(page.locator("#status")).to_contain_text("Stopped at step")
    page.wait_for_timeout(500)
    expect(page.locator("#map-status")).not_to_contain_text("Stopped")
