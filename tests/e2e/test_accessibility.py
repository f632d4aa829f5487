"""Who cannot see, or uses keys only: axe-core and the way of the Tab key."""

from __future__ import annotations

from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

from tests.e2e.conftest import Live
from tests.e2e.look import width_beyond_window
from tests.e2e.road import generate, give_picture

pytestmark = pytest.mark.browser
SERIOUS = ("serious", "critical")
PARTS = ("Advanced settings", "Each view closely", "Recipe and link", "Pinned runs")
TABS = 400
# Gradio's own: the head of its passing notes is a button with a button in it.
NOT_OURS = {"exclude": [".toast-header"]}


def violations(page: Page) -> list[str]:
    found = Axe().run(page, context=NOT_OURS).response["violations"]
    return [
        f"{entry['id']}: {node['html'][:160]} {node['failureSummary'][:160]}"
        for entry in found
        if entry["impact"] in SERIOUS
        for node in entry["nodes"]
    ]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious_before_and_after_a_run(
    browser: Browser, live: Live, picture: Path, scheme: str
):
    context = browser.new_context(
        viewport={"width": 1280, "height": 900},
        color_scheme=scheme,  # pyright: ignore[reportArgumentType]
        reduced_motion="reduce",
    )
    page = context.new_page()
    page.goto(f"{live.url}?__theme={scheme}")
    page.get_by_role("button", name="Generate 16 views").wait_for()
    page.wait_for_timeout(500)
    assert violations(page) == []
    give_picture(page, picture)
    generate(page)
    page.get_by_role("button", name="Pin this run").click()
    for part in PARTS:
        page.get_by_role("button", name=part).first.click()
    page.wait_for_timeout(1000)
    assert violations(page) == []
    assert width_beyond_window(page) <= 0
    context.close()


def test_the_tab_key_reaches_everything_that_matters(page: Page, picture: Path):
    give_picture(page, picture)
    generate(page)
    page.get_by_role("button", name="Pause").click()
    page.evaluate("document.activeElement.blur(); window.scrollTo(0, 0)")
    wanted = {"generate", "s1", "s2", "turntables", "views-file", "pin", "cutout", "reconstruct"}
    reached: set[str] = set()
    for _ in range(TABS):
        page.keyboard.press("Tab")
        at = page.evaluate(
            """() => {
              const ids = [];
              for (let node = document.activeElement; node; node = node.parentElement) ids.push(node.id);
              return ids;
            }"""
        )
        reached |= wanted & set(at)
        if reached == wanted:
            break
    assert reached == wanted
