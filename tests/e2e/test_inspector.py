"""The view inspector in the browser."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from harmony.records import CDScore, Views
from harmony.scoring import ViewEmbeddings
from harmony.ui.engine import Engine
from tests.e2e.look import colours_in
from tests.e2e.road import cards, generate, give_picture
from tests.page_fakes import PageDenoiser, PixelScorer, fake_engine

pytestmark = pytest.mark.browser
ODD = 9


class OddScorer(PixelScorer):
    """Finds that one view does not show the object."""

    def score(self, views: Views | ViewEmbeddings, object_name: str) -> list[CDScore]:
        similarities = tuple(0.01 if n == ODD else 0.2 + 0.001 * n for n in range(16))
        return [
            replace(s, text_similarities=similarities) for s in super().score(views, object_name)
        ]


def figure(page: Page, name: str) -> str:
    return page.locator(".in-figures > div", has_text=name).locator("dd").inner_text()


def open_inspector(page: Page, picture: Path) -> None:
    give_picture(page, picture)
    generate(page)
    page.get_by_role("button", name="Pause").click()
    page.get_by_role("button", name="Each view closely").click()
    page.locator(".in-thumb").first.wait_for()


def test_a_view_is_shown_large_with_its_own_terms(page: Page, picture: Path):
    open_inspector(page, picture)
    page.get_by_role("button", name="View 5, 90.0°").last.click()
    assert figure(page, "Azimuth") == "90.0°"
    assert figure(page, "Elevation") == "30.0°"
    large = page.locator(".in-picture")
    assert colours_in(large, 4) > 1
    fifth = (figure(page, "Its term of D"), figure(page, "Cosine with the name"))
    page.locator(".in-thumb").nth(0).click()
    assert float(figure(page, "Its term of D")) == 0
    assert (figure(page, "Its term of D"), figure(page, "Cosine with the name")) != fifth
    assert float(figure(page, "Its share of S_var").removesuffix(" %")) >= 0
    expect(page.locator(".in-verdict")).to_contain_text("3.5 modified z-scores")


def test_it_turns_with_the_turntable_and_by_the_plot_without_a_request(page: Page, picture: Path):
    open_inspector(page, picture)
    page.wait_for_timeout(800)
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    cards(page).first.locator(".tt-thumb").nth(6).click()
    assert figure(page, "Azimuth") == "135.0°"
    stage = page.get_by_role("slider", name="One view, large")
    stage.focus()
    page.keyboard.press("ArrowRight")
    expect(stage).to_have_attribute("aria-valuenow", "157.5")
    expect(page.get_by_role("slider", name=re.compile("Turntable"))).to_have_attribute(
        "aria-valuenow", "157.5"
    )
    plot = page.get_by_role("img", name="The terms of all views over the azimuth")
    plot.scroll_into_view_if_needed()
    box = plot.bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + box["width"] - 9, box["y"] + 40)
    assert figure(page, "View") == "16 / 16"
    assert [url for url in requests if "heartbeat" not in url] == []


def test_the_view_that_stands_out_is_flagged_and_the_rule_is_said(
    browser: Browser, serve: Callable[..., str], picture: Path
):
    engine = Engine(
        model_name="fake",
        load_model=PageDenoiser,
        load_scorer=OddScorer,  # pyright: ignore[reportArgumentType]
    )
    page = browser.new_page()
    page.goto(serve(engine))
    open_inspector(page, picture)
    expect(page.locator(".in-verdict")).to_contain_text("View 10 (202.5°) stands out.")
    expect(page.locator(".in-thumb.in-odd")).to_have_count(1)
    expect(page.locator(".in-flag")).to_be_hidden()
    page.get_by_role("button", name="View 10, 202.5°, Stands out").click()
    expect(page.locator(".in-flag")).to_be_visible()
    page.close()


def test_without_a_scorer_it_says_so(browser: Browser, serve: Callable[..., str], picture: Path):
    engine = fake_engine()
    engine.scorer = None
    page = browser.new_page()
    page.goto(serve(engine))
    open_inspector(page, picture)
    expect(page.locator(".in-verdict")).to_have_text("No score was measured for this sample.")
    expect(page.locator(".in-plot")).to_be_hidden()
    page.close()
