"""The page opens on a shipped result: no model, no question to the server."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from harmony.ui.examples import load_examples
from harmony.ui.precompute import main
from tests.e2e.look import colours_of_view
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
    arguments = ["--examples", str(folder), "--steps", "2", "--instances", "2"]
    assert main(arguments, build_engine=lambda model, device: fake_engine()) == 0
    return serve(fake_engine(), examples=load_examples(folder))


def test_the_first_result_turns_although_the_server_answers_no_event(browser: Browser, shown: str):
    page = browser.new_page()
    page.route(re.compile(r"/gradio_api/(queue|call|run)/"), lambda route: route.abort())
    page.goto(shown)
    cards = page.locator(".tt-card")
    expect(cards).to_have_count(2)
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
    expect(page.locator("#status")).to_contain_text("s1 2, s2 1, 2 steps")
    expect(page.locator(".tt-card")).to_have_count(2)
    expect(page.locator("#chip")).to_contain_text("loads on the first run")
    page.locator("#picture img").first.wait_for()
    page.locator(".tt-head").first.click()
    expect(page.locator(".toast-body")).to_contain_text("Only a finished sample of your own")
    page.close()
