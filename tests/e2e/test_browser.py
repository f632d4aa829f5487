"""The page as a person sees it, in headless Chromium."""

from __future__ import annotations

import json
import re
import time
import zipfile
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from harmony.recipe import recipe_from_json
from tests.e2e.conftest import Live
from tests.e2e.look import colours_of_view, contrast, mesh_of, nameless, width_beyond_window
from tests.e2e.road import cards, generate, give_picture, set_number

pytestmark = pytest.mark.browser


def test_the_whole_road(page: Page, picture: Path, tmp_path: Path):
    give_picture(page, picture)
    set_number(page, "instances", 2)
    generate(page)
    expect(cards(page)).to_have_count(2)
    for index in range(2):
        card = cards(page).nth(index)
        expect(card.locator(".tt-thumb")).to_have_count(16)
        assert min(colours_of_view(card, view) for view in range(16)) > 1
        badge = card.locator(".tt-badge").inner_text()
        assert float(re.fullmatch(r"CD (\d+(\.\d+)?)", badge)[1]) > 0  # pyright: ignore
        assert "pixel-means" in card.locator(".tt-note").inner_text()
    cards(page).nth(1).locator(".tt-head").click()
    expect(cards(page).nth(1)).to_have_class(re.compile("tt-chosen"))

    with page.expect_download() as caught:
        page.locator("#views-file").click()
    caught.value.save_as(tmp_path / "views.zip")
    with zipfile.ZipFile(tmp_path / "views.zip") as archive:
        recipe = recipe_from_json(archive.read("recipe.json").decode())
        assert (
            sum(re.search(r"view-\d\d\.png", name) is not None for name in archive.namelist()) == 16
        )
    assert recipe.seeds == (1,)

    page.get_by_role("button", name="Build the 3D mesh").click()
    expect(page.locator("#mesh-status")).to_contain_text("triangles", timeout=120_000)
    page.locator("#mesh-view canvas").wait_for(state="attached")
    for label, ending in (("GLB", "glb"), ("STL", "stl")):
        page.locator("#mesh-format").get_by_text(label).click()
        button = page.locator("#mesh-file")
        expect(button).to_contain_text(label)
        with page.expect_download() as caught:
            button.click()
        caught.value.save_as(tmp_path / f"mesh.{ending}")
        assert len(mesh_of(tmp_path / f"mesh.{ending}").faces) > 500


def test_an_example_fills_the_picture_and_what_is_known_of_it(page: Page):
    page.get_by_role("button", name="egg").click()
    page.locator("#cutout img").wait_for()
    page.get_by_role("button", name="Advanced settings").click()
    expect(page.get_by_label("Object name").first).to_have_value("egg")
    expect(page.locator("#elevation input[type=number]")).to_have_value("20")


def test_the_preview_lives_and_stop_keeps_it(page: Page, live: Live, picture: Path):
    give_picture(page, picture)
    page.get_by_role("button", name="Advanced settings").click()
    set_number(page, "steps", 300)
    with live.model.slowed(0.4):
        page.get_by_role("button", name="Generate 16 views").click()
        expect(page.locator("#status")).to_contain_text(re.compile(r"Step \d+ of 300 .* left"))
        expect(cards(page)).to_have_count(1)
        assert colours_of_view(cards(page).first, 3) > 1
        before = cards(page).first.locator(".tt-picture").get_attribute("style")
        expect(cards(page).first.locator(".tt-picture")).not_to_have_attribute(
            "style", before or ""
        )
        page.locator("#stop").click()
        expect(page.locator("#status")).to_contain_text(re.compile(r"Stopped at step \d+ of 300"))
    expect(cards(page)).to_have_count(1)
    assert colours_of_view(cards(page).first, 3) > 1
    expect(page.locator("#generate")).to_be_enabled()
    set_number(page, "steps", 4)
    generate(page)


def test_a_run_that_fails_loses_nothing(page: Page, picture: Path):
    give_picture(page, picture)
    generate(page)
    page.get_by_role("button", name="Advanced settings").click()
    page.get_by_label("Object name").first.fill("1234")
    page.get_by_role("button", name="Generate 16 views").click()
    expect(page.locator(".toast-body")).to_contain_text("letters")
    expect(page.locator("#status")).to_contain_text("everything you had is still here")
    expect(page.locator("#picture img").first).to_be_visible()
    expect(page.locator("#s1 input[type=number]")).to_have_value("2")
    expect(cards(page)).to_have_count(1)
    expect(page.locator("#views-file")).to_be_visible()
    expect(page.locator("#generate")).to_be_enabled()


def test_without_a_picture_the_page_says_what_to_do(page: Page):
    page.get_by_role("button", name="Generate 16 views").click()
    expect(page.locator(".toast-body")).to_contain_text("Choose a picture first.")


def test_a_damaged_picture_gets_one_sentence(page: Page, tmp_path: Path):
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(500))
    page.locator("#picture input[type=file]").set_input_files(tmp_path / "broken.png")
    expect(page.locator(".toast-body")).to_contain_text("picture")


@pytest.fixture
def still(page: Page, picture: Path) -> Page:
    """Return the page with two finished samples that stand still."""
    give_picture(page, picture)
    set_number(page, "instances", 2)
    generate(page)
    page.get_by_role("button", name="Pause").click()
    page.wait_for_timeout(1000)
    return page


def turntables(page: Page) -> Locator:
    return page.get_by_role("slider", name=re.compile("Turntable"))


def test_the_turntable_turns_by_keys_and_thumbs_and_says_where_it_is(still: Page):
    stage = turntables(still).first
    cards(still).first.locator(".tt-thumb").nth(4).click()
    expect(stage).to_have_attribute("aria-valuenow", "90")
    expect(stage).to_have_attribute("aria-valuetext", "View 5 / 16, 90.0°")
    stage.focus()
    for key, azimuth in (
        ("ArrowRight", "112.5"),
        ("Home", "0"),
        ("ArrowLeft", "337.5"),
        ("ArrowUp", "0"),
        ("End", "337.5"),
        ("PageUp", "67.5"),
    ):
        still.keyboard.press(key)
        expect(stage).to_have_attribute("aria-valuenow", azimuth)


def test_the_turntable_turns_by_drag_and_wheel_without_a_request(still: Page):
    requests: list[str] = []
    still.on("request", lambda request: requests.append(request.url))
    stage = turntables(still).first
    cards(still).first.locator(".tt-thumb").nth(3).click()
    stage.scroll_into_view_if_needed()
    box = stage.bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    still.mouse.move(x, y)
    still.mouse.down()
    still.mouse.move(x - 60, y, steps=4)
    still.mouse.up()
    expect(stage).to_have_attribute("aria-valuenow", "112.5")
    stage.focus()
    still.mouse.wheel(0, 130)
    expect(stage).to_have_attribute("aria-valuenow", "157.5")
    assert [url for url in requests if "heartbeat" not in url] == []


def test_turntables_turn_together_until_they_are_let_go(still: Page):
    stage, other = turntables(still).first, turntables(still).nth(1)
    cards(still).first.locator(".tt-thumb").nth(7).click()
    expect(other).to_have_attribute("aria-valuenow", "157.5")
    still.get_by_role("button", name="Turn together").click()
    cards(still).first.locator(".tt-thumb").nth(0).click()
    expect(stage).to_have_attribute("aria-valuenow", "0")
    expect(other).to_have_attribute("aria-valuenow", "157.5")
    shown = cards(still).first.locator(".tt-picture").evaluate("e => e.style.backgroundPosition")
    assert shown.startswith("0%")


def test_play_turns_it_and_pause_stops_it(page: Page, picture: Path):
    give_picture(page, picture)
    generate(page)
    stage = page.get_by_role("slider", name=re.compile("Turntable")).first
    page.get_by_role("button", name="Pause").wait_for()
    before = stage.get_attribute("aria-valuenow") or ""
    expect(stage).not_to_have_attribute("aria-valuenow", before)
    page.get_by_role("button", name="Pause").click()
    now = stage.get_attribute("aria-valuenow")
    page.wait_for_timeout(700)
    assert stage.get_attribute("aria-valuenow") == now


def test_the_score_is_measured_again_for_another_name(page: Page, picture: Path):
    give_picture(page, picture)
    generate(page)
    before = cards(page).first.locator(".tt-badge").inner_text()
    page.get_by_role("button", name="Measure the CD score for another name").click()
    page.locator("#rename input, #rename textarea").fill("a very large egg")
    page.get_by_role("button", name="Score again").click()
    expect(cards(page).first.locator(".tt-badge")).not_to_have_text(before)


def test_earlier_runs_come_back(page: Page, picture: Path):
    give_picture(page, picture)
    generate(page)
    set_number(page, "s1", 0.5)
    generate(page)
    with page.expect_download() as caught:
        page.locator("#recipe-file").click()
    assert json.loads(Path(caught.value.path()).read_text())["guidance"]["s1"] == 0.5
    page.locator("#runs input").click()
    page.get_by_role("option", name=re.compile("s1 2")).click()
    page.wait_for_timeout(500)
    with page.expect_download() as caught:
        page.locator("#recipe-file").click()
    assert json.loads(Path(caught.value.path()).read_text())["guidance"]["s1"] == 2


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280, 2560])
def test_it_fits_can_be_read_and_every_control_has_a_name(
    browser: Browser, live: Live, picture: Path, width: int, scheme: str
):
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)  # pyright: ignore[reportArgumentType]
    page = context.new_page()
    page.goto(f"{live.url}?__theme={scheme}")
    page.get_by_role("button", name="Generate 16 views").wait_for()
    assert width_beyond_window(page) <= 0
    give_picture(page, picture)
    page.get_by_role("button", name="Advanced settings").click()
    generate(page)
    page.wait_for_timeout(300)
    assert width_beyond_window(page) <= 0
    measured = contrast(page)
    assert measured["seen"] > 30
    assert measured["poor"] == []
    assert nameless(page) == []
    context.close()


def test_leaving_the_page_removes_what_was_made(browser: Browser, live: Live, picture: Path):
    before = set(live.folder.glob("visit-*"))
    context = browser.new_context()
    page = context.new_page()
    page.goto(live.url)
    give_picture(page, picture)
    generate(page)
    (made,) = set(live.folder.glob("visit-*")) - before
    context.close()
    for _ in range(40):
        if not made.exists():
            break
        time.sleep(0.5)
    assert not made.exists()
