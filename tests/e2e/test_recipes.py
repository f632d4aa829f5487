"""From the page to the command line and back: recipes, links, and what the zip holds."""

from __future__ import annotations

import re
import shlex
import zipfile
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from harmony.batch.command import main
from harmony.ui.texts.recipes import CONTENTS
from tests.e2e.road import generate, set_number
from tests.page_fakes import PageDenoiser, PixelScorer

pytestmark = pytest.mark.browser


def downloaded_zip(page: Page) -> dict[str, bytes]:
    with page.expect_download() as caught:
        page.locator("#views-file").click()
    with zipfile.ZipFile(caught.value.path()) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_the_command_line_makes_the_same_png_and_the_address_bar_the_same_page(
    page: Page, picture: Path, tmp_path: Path
):
    page.get_by_role("button", name="egg").click()
    page.locator("#cutout img").wait_for()
    set_number(page, "s1", 0.7)
    generate(page)
    expect(page).to_have_url(re.compile(r"s1=0\.7.*example=egg"))
    page.get_by_role("button", name="Recipe and link").click()
    field = page.get_by_label("Command line that makes the same pictures")
    expect(field).to_have_value(re.compile("--s1 0.7"))
    command = shlex.split(field.input_value())
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Copy the command").click()
    page.wait_for_function(
        "text => navigator.clipboard.readText().then((t) => t === text)", arg=field.input_value()
    )
    assert command[:4] == ["python", "-m", "harmony.generate", f"examples/{picture.name}"]
    taken = downloaded_zip(page)

    arguments = [str(picture), "--output", str(tmp_path / "out"), *command[6:]]
    loaders = {"load": lambda *_: PageDenoiser(), "load_scorer": lambda *_: PixelScorer()}
    assert main(arguments, **loaders) == 0  # pyright: ignore[reportArgumentType]
    made = (tmp_path / "out/seed-0000/strip.png").read_bytes()
    assert taken["seed-0000/strip.png"] == made
    assert taken["recipe.json"] == (tmp_path / "out/recipe.json").read_bytes()


def test_the_zip_holds_what_the_page_lists(page: Page):
    page.get_by_role("button", name="egg").click()
    page.locator("#cutout img").wait_for()
    generate(page)
    page.get_by_text("What is in the zip").click()
    for name in CONTENTS:
        expect(page.locator("#zip-contents dt", has_text=name)).to_be_visible()
    held = {Path(name).name for name in downloaded_zip(page)}
    views = {f"view-{number:02d}.png" for number in range(16)}
    assert held == views | set(CONTENTS) - {"view-{00..15}.png"}
