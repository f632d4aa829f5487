"""The mesh beside its views in the browser."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.conftest import Live
from tests.e2e.look import colours_of_view, contrast, nameless
from tests.e2e.road import cards, generate, give_picture

pytestmark = pytest.mark.browser


def build(page: Page) -> None:
    page.locator("#quality").get_by_text(re.compile("draft", re.IGNORECASE)).click()
    page.get_by_role("button", name="Build the 3D mesh").click()


def test_the_mesh_turns_with_its_views(page: Page, live: Live, picture: Path):
    give_picture(page, picture)
    generate(page)
    build(page)
    page.locator("#mesh-format").get_by_text("STL").click()
    status = page.locator("#mesh-status")
    expect(status).to_contain_text("triangles", timeout=120_000)
    expect(status).to_contain_text("watertight")
    expect(status).to_contain_text(re.compile(r"agree with the 16 views to \d+\.\d %"))
    expect(page.locator("#mesh-file")).to_contain_text("STL")
    expect(page.locator("#mesh-format").get_by_label("STL")).to_be_checked()
    turning = page.locator("#mesh-turntable .tt-card")
    expect(turning).to_have_count(4)
    assert min(colours_of_view(turning.nth(1), view) for view in range(16)) > 1
    first = cards(page).first.get_by_role("slider")
    first.press("Home")
    first.press("ArrowRight")
    for card in turning.all():
        expect(card.get_by_role("slider")).to_have_attribute("aria-valuenow", "22.5")
    assert contrast(page)["poor"] == []
    assert nameless(page) == []

    build(page)
    expect(status).to_contain_text("Built before from the same views")
    expect(page.locator("#mesh-view canvas")).to_be_attached()
