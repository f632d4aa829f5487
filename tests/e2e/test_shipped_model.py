"""The whole road with the weights that ship, at few steps."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from gradio_client import Client, handle_file
from PIL import Image
from playwright.sync_api import Browser, expect

from harmony.ui.loading import standard_engine
from tests.e2e.look import colours_of_view, mesh_of
from tests.e2e.road import cards, give_picture, set_number

PHOTOGRAPH = Path(__file__).resolve().parents[2] / "examples" / "coffee.jpg"
PATIENCE_MS = 240_000  # a loaded machine with one core; nothing here asserts on time


@pytest.fixture(scope="module")
def url(serve: Callable[..., str]) -> str:
    """Serve the page in front of the shipped model, cut-out and encoder."""
    return serve(standard_engine("small", "cpu"))


@pytest.fixture(scope="module")
def shipped(url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """Open a client on that page."""
    client = Client(url, download_files=tmp_path_factory.mktemp("downloads"), verbose=False)
    yield client
    client.close()


def test_a_picture_becomes_views_scores_and_a_mesh(shipped: Client, picture: Path):
    _, pictures, zips, scores, recipe = shipped.predict(
        picture=handle_file(str(picture)),
        num_steps=4,
        instances=1,
        object_name="egg",
        api_name="/generate",
    )
    assert len(pictures) == 16
    for shown in pictures:
        with Image.open(shown["image"]) as view:
            assert len(view.convert("L").getcolors(256) or []) > 1
    assert math.isfinite(scores[0]["score"]["diversity"])
    assert scores[0]["score"]["encoder"] == "small"
    assert recipe["model"] == "small"
    _, glb, *_ = shipped.predict(
        views_zip=handle_file(zips[0]), quality="draft", api_name="/reconstruct"
    )
    assert len(mesh_of(glb).faces) > 500


@pytest.mark.browser
def test_a_photograph_walks_the_whole_road_in_the_browser(
    browser: Browser, url: str, tmp_path: Path
):
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    page.set_default_timeout(PATIENCE_MS)
    page.goto(url)
    page.get_by_role("button", name="Generate 16 views").wait_for()
    give_picture(page, PHOTOGRAPH)
    set_number(page, "instances", 2)
    page.get_by_role("button", name="Generate 16 views").click()
    expect(page.locator("#status")).to_contain_text("Done", timeout=PATIENCE_MS)
    expect(cards(page)).to_have_count(2)
    for index in range(2):
        card = cards(page).nth(index)
        expect(card.locator(".tt-thumb")).to_have_count(16)
        assert min(colours_of_view(card, view) for view in range(16)) > 1
        badge = card.locator(".tt-badge").inner_text()
        found = re.fullmatch(r"CD (\d+(\.\d+)?)", badge)
        assert found is not None, badge
        assert math.isfinite(float(found[1]))
        assert "small" in card.locator(".tt-note").inner_text()
    page.get_by_role("button", name="Build the 3D mesh").click()
    expect(page.locator("#mesh-status")).to_contain_text("triangles", timeout=PATIENCE_MS)
    with page.expect_download() as caught:
        page.locator("#mesh-file").click()
    caught.value.save_as(tmp_path / "mesh.glb")
    assert len(mesh_of(tmp_path / "mesh.glb").faces) > 500
    context.close()
