"""The page opens on a shipped result: no model, no question to the server."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from harmony.ui.examples import load_examples
from harmony.ui.precompute import main
from tests.e2e.look import colours_of_view
from tests.e2e.road import JOIN, Held
from tests.page_fakes import fake_engine

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def shown(
    serve: Callable[..., str], picture: Path, tmp_path_factory: pytest.TempPathFactory
) -> str:
    """Serve a page with two examples whose results were made before."""
    folder = tmp_path_factory.mktemp("examples")
    entries = []
    for name, elevation in (("egg", 20), ("ball", 40)):
        shutil.copy(picture, folder / f"{name}.png")
        entries.append({"file": f"{name}.png", "name": name, "elevation_deg": elevation})
    (folder / "examples.json").write_text(json.dumps(entries))
    arguments = ["--examples", str(folder), "--steps", "2", "--s1", "0", "2", "--s2", "0", "1"]
    assert main(arguments, build_engine=lambda model, device: fake_engine()) == 0
    return serve(fake_engine(), examples=load_examples(folder))


def test_the_first_result_turns_although_the_server_answers_no_event(browser: Browser, shown: str):
    page = browser.new_page()
    page.route(re.compile(r"/gradio_api/(queue|call|run)/"), lambda route: route.abort())
    page.goto(shown)
    cards = page.locator(".tt-card")
    expect(cards).to_have_count(1)
    assert min(colours_of_view(cards.first, view) for view in range(16)) > 1
    assert re.fullmatch(r"CD \d+(\.\d+)?", cards.first.locator(".tt-badge").inner_text())
    expect(page.locator("#status")).to_contain_text("Example “egg”")
    stage = page.get_by_role("slider", name=re.compile("Turntable")).first
    before = stage.get_attribute("aria-valuenow") or ""
    expect(stage).not_to_have_attribute("aria-valuenow", before)
    page.close()


def test_choosing_an_example_shows_its_result_at_once(browser: Browser, shown: str):
    page = browser.new_page()
    page.goto(shown)
    page.get_by_role("button", name="ball").click()
    expect(page.locator("#status")).to_contain_text("Example “ball”")
    expect(page.locator("#status")).to_contain_text("in 2 steps")
    expect(page.locator(".tt-title")).to_have_text("s1 = 2, s2 = 1")
    expect(page.locator("#chip")).to_contain_text("loads on the first run")
    page.locator("#picture img").first.wait_for()
    page.locator(".tt-head").first.click()
    expect(page.locator(".toast-body")).to_contain_text("Only a finished sample of your own")
    page.close()


def until_quiet(page: Page) -> None:
    """Wait until what opening the page asks the server for has been asked."""
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    seen = -1
    while seen < len(asked):
        seen = len(asked)
        page.wait_for_timeout(1000)


@pytest.fixture
def opened(browser: Browser, shown: str) -> Iterator[Page]:
    """Open the page and wait until the map of its first example is there."""
    errors: list[str] = []
    page = browser.new_page()
    page.on("console", lambda m: errors.append(m.text) if m.type == "error" else None)
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(shown)
    expect(page.locator(".mp-cell:enabled")).to_have_count(4)
    page.locator("#picture img").first.wait_for()
    until_quiet(page)
    yield page
    page.close()
    assert errors == []


def strip(page: Page) -> str:
    return page.locator(".tt-picture").first.evaluate("e => e.style.backgroundImage")


def move(page: Page, dial: str, value: str) -> None:
    """Move a dial as a drag does, without letting it go."""
    page.locator(f"#{dial} input[type=range]").evaluate(
        "(range, value) => { range.value = value; range.dispatchEvent(new Event('input', { bubbles: true })); }",
        value,
    )


def test_the_page_opens_with_the_picture_of_what_it_shows(opened: Page):
    opened.get_by_role("button", name="Advanced settings").click()
    expect(opened.get_by_label("Object name").first).to_have_value("egg")
    expect(opened.locator("#elevation input[type=number]")).to_have_value("20")


def test_dragging_a_dial_shows_the_nearest_cell_without_a_request(opened: Page):
    requests: list[str] = []
    first, title = strip(opened), opened.locator(".tt-title").first
    opened.on("request", lambda request: requests.append(request.url))
    move(opened, "s1", "0.3")
    expect(title).to_have_text("Nearest precomputed: s1 = 0, s2 = 1")
    other = strip(opened)
    assert other != first
    expect(opened.locator(".mp-cell[aria-current=true]")).to_have_attribute(
        "aria-label", re.compile("^s1 0, s2 1, CD")
    )
    move(opened, "s1", "2")
    expect(title).to_have_text("s1 = 2, s2 = 1")
    assert strip(opened) == first
    assert [url for url in requests if not re.search("heartbeat|^data:", url)] == []


def test_a_cell_of_an_example_sets_the_dials_and_shows_at_once(opened: Page):
    opened.get_by_role("button", name=re.compile("^s1 0, s2 0, CD")).click()
    expect(opened.locator(".tt-title").first).to_have_text("s1 = 0, s2 = 0")
    for dial in ("s1", "s2"):
        expect(opened.locator(f"#{dial} input[type=number]")).to_have_value("0")


def test_arrow_keys_walk_over_the_map(opened: Page):
    opened.get_by_role("button", name=re.compile("^s1 0, s2 0, CD")).focus()
    for key, name in (("ArrowRight", "s1 0, s2 1"), ("ArrowDown", "s1 2, s2 1")):
        opened.keyboard.press(key)
        focused = opened.evaluate("document.activeElement.getAttribute('aria-label')")
        assert focused.startswith(name)
    opened.keyboard.press("ArrowRight")
    assert opened.evaluate("document.activeElement.getAttribute('aria-label')").startswith(
        "s1 2, s2 1"
    )


def test_the_map_is_coloured_by_what_one_chooses(opened: Page):
    labels = opened.locator(".mp-label")
    expect(labels.first).to_contain_text("CD")
    opened.get_by_label("Colour by").select_option("Agreement of neighbouring views")
    expect(labels.first).to_have_text(re.compile(r"^[01]\.\d{3}$"))
    widths = opened.locator(".mp-cell").evaluate_all(
        "cells => cells.map((cell) => cell.style.getPropertyValue('--mp-share'))"
    )
    assert {"0%", "100%"} <= set(widths)


def test_another_picture_takes_the_map_away(opened: Page, picture: Path):
    opened.locator("#picture input[type=file]").set_input_files(picture)
    expect(opened.locator(".mp-cell")).to_have_count(0)


def test_a_picture_brought_before_the_page_has_answered_stays(
    browser: Browser, shown: str, picture: Path, tmp_path: Path
):
    """Neither the picture nor the name and the camera of the example take its place."""
    mine = shutil.copy(picture, tmp_path / "mine.png")
    page = browser.new_page()
    held = Held(page)
    with page.expect_request(JOIN):
        page.goto(shown)
    page.locator("#picture input[type=file]").set_input_files(mine)
    expect(page.locator("#picture img").first).to_have_attribute("src", re.compile("mine"))
    held.let_go()
    page.locator("#cutout img").wait_for()
    until_quiet(page)
    expect(page.locator("#picture img").first).to_have_attribute("src", re.compile("mine"))
    page.get_by_role("button", name="Advanced settings").click()
    expect(page.get_by_label("Object name").first).to_have_value("object")
    expect(page.locator("#elevation input[type=number]")).to_have_value("30")
    page.close()
