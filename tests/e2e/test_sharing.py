"""Links and recipes in the browser."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.e2e.conftest import Live
from tests.e2e.road import cards, generate, give_picture, set_number

pytestmark = pytest.mark.browser


def number_in(page: Page, block: str) -> float:
    return float(page.locator(f"#{block} input[type=number]").input_value())


def test_a_link_opens_the_page_with_the_same_settings_and_example(page: Page, live: Live):
    page.get_by_role("button", name="egg").click()
    page.locator("#cutout img").wait_for()
    set_number(page, "s1", 0.7)
    set_number(page, "instances", 2)
    generate(page)
    page.get_by_role("button", name="Recipe and link").click()
    field = page.get_by_label("Link to these settings")
    expect(field).to_have_value(re.compile(r"s1=0\.7"))
    link = field.input_value()
    assert link.startswith(f"{live.url}?")
    assert "example=egg" in link
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Copy the link").click()
    page.wait_for_function(
        "link => navigator.clipboard.readText().then((t) => t === link)", arg=link
    )
    expect(page.locator("#recipe")).to_contain_text("image_sha256")

    page = page.context.new_page()
    page.goto(link)
    expect(page.locator("#s1 input[type=number]")).to_have_value("0.7")
    assert number_in(page, "instances") == 2
    page.locator("#picture img").first.wait_for()
    generate(page)
    expect(cards(page)).to_have_count(2)


def test_a_bad_link_says_so_and_leaves_the_dials(browser: Browser, live: Live):
    page = browser.new_page()
    page.goto(f"{live.url}?s1=nan")
    expect(page.locator(".toast-body")).to_contain_text("s1 must be a number")
    assert number_in(page, "s1") == 2
    page.close()


@pytest.mark.parametrize("kind", ["recipe.json", "seed-0005/strip.png"])
def test_a_dropped_recipe_restores_the_dials(page: Page, picture: Path, tmp_path: Path, kind: str):
    give_picture(page, picture)
    page.get_by_role("button", name="Advanced settings").click()
    set_number(page, "s2", 0.4)
    set_number(page, "steps", 3)
    page.locator("#seed input").fill("5")
    page.locator("#seed input").blur()
    generate(page)
    with page.expect_download() as caught:
        page.locator("#views-file").click()
    with zipfile.ZipFile(caught.value.path()) as archive:
        dropped = tmp_path / Path(kind).name
        dropped.write_bytes(archive.read(kind))
    set_number(page, "s2", 2)
    set_number(page, "steps", 9)
    page.locator("#restore input[type=file]").set_input_files(dropped)
    expect(page.locator("#s2 input[type=number]")).to_have_value("0.4")
    expect(page.locator("#steps input[type=number]")).to_have_value("3")
    expect(page.locator("#seed input")).to_have_value("5")


def test_a_file_that_is_no_recipe_gets_one_sentence(page: Page, tmp_path: Path):
    (tmp_path / "notes.json").write_text('{"s1": 3}')
    page.get_by_role("button", name="Advanced settings").click()
    page.locator("#restore input[type=file]").set_input_files(tmp_path / "notes.json")
    expect(page.locator(".toast-body")).to_contain_text("recipe")
