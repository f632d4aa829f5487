"""The input coach in the browser: crop, camera height, warnings, and the brush."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from PIL import Image, ImageDraw
from playwright.sync_api import Page, expect

from tests.e2e.conftest import Live
from tests.e2e.road import generate, give_picture, set_number

pytestmark = pytest.mark.browser


def crop(page: Page) -> tuple[float, float, float]:
    """Return left, top and side of the crop in pixels of the shown picture."""
    said = page.locator("[data-crop]").get_attribute("data-crop") or ""
    left, top, side = map(float, said.split())
    return left, top, side


def ink(page: Page, where: str) -> int:
    """Return the number of opaque pixels on the cut-out's canvas inside a box of shares."""
    return page.locator(".co-canvas").evaluate(
        """(canvas, [l, t, r, b]) => {
          const [w, h] = [canvas.width, canvas.height];
          const box = [l * w, t * h, (r - l) * w, (b - t) * h].map(Math.round);
          const data = canvas.getContext("2d").getImageData(...box).data;
          let found = 0;
          for (let i = 3; i < data.length; i += 4) found += data[i] > 200;
          return found;
        }""",
        [float(share) for share in where.split()],
    )


def drag(page: Page, start: tuple[float, float], end: tuple[float, float]) -> None:
    canvas = page.locator(".co-canvas")
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    assert box is not None
    for number, (x, y) in enumerate((start, end)):
        page.mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"], steps=4)
        if number == 0:
            page.mouse.down()
    page.mouse.up()


def test_the_crop_follows_the_slider_without_a_request(page: Page, picture: Path):
    give_picture(page, picture)
    page.get_by_role("button", name="Advanced settings").click()
    # The egg is 120 x 140 of 200 pixels, centred at (100, 100).
    left, top, side = crop(page)
    assert side == pytest.approx(141 / 0.8, abs=4)
    assert (left + side / 2, top + side / 2) == pytest.approx((100, 100), abs=3)
    requests: list[str] = []
    page.wait_for_timeout(500)
    page.on("request", lambda request: requests.append(request.url))
    set_number(page, "foreground", 0.5)
    page.wait_for_function(
        "before => Number(document.querySelector('[data-crop]').dataset.crop.split(' ')[2]) > before",
        arg=1.4 * side,
    )
    assert crop(page)[2] == pytest.approx(side * 0.8 / 0.5, rel=0.01)
    assert [url for url in requests if "/queue/" in url] == []


def test_the_camera_is_drawn_and_warns_outside_of_the_training(page: Page):
    page.get_by_role("button", name="Advanced settings").click()
    sketch = page.locator("#elevation-sketch")
    expect(sketch).to_contain_text("Camera at 30°: looks down on the object.")
    set_number(page, "elevation", -5)
    expect(sketch).to_contain_text("Camera at -5°: looks up at the object.")
    expect(sketch).not_to_contain_text("Outside")
    set_number(page, "elevation", 70)
    expect(sketch).to_contain_text("Outside -10° to 40°")
    expect(sketch.get_by_role("img")).to_have_accessible_name(
        "Camera at 70°: looks down on the object. "
        "Outside -10° to 40°, which the models were trained on."
    )


def test_the_drawing_knows_what_happened_while_it_was_closed(page: Page):
    page.get_by_role("button", name="egg").click()
    page.locator("#cutout img").wait_for()
    page.get_by_role("button", name="Advanced settings").click()
    expect(page.locator("#elevation-sketch")).to_contain_text("Camera at 20°")


def test_warnings_are_plain(page: Page, tmp_path: Path):
    image = Image.new("RGBA", (200, 200))
    painter = ImageDraw.Draw(image)
    painter.ellipse((-20, 60, 60, 140), fill="#b45309")
    painter.ellipse((120, 60, 190, 140), fill="#b45309")
    image.save(tmp_path / "two.png")
    give_picture(page, tmp_path / "two.png")
    expect(page.locator("#warnings")).to_contain_text("touches the border")
    expect(page.locator("#warnings")).to_contain_text("several objects")


def test_the_brush_mends_the_mask_and_the_recipe_knows_it(page: Page, live: Live, picture: Path):
    give_picture(page, picture)
    page.get_by_role("button", name="Mend the mask").click()
    assert ink(page, ".35 .35 .65 .65") > 0
    page.get_by_role("button", name="Remove", exact=True).click()
    for height in (0.4, 0.5, 0.6):
        drag(page, (0.3, height), (0.7, height))
    assert ink(page, ".4 .45 .6 .55") == 0
    page.get_by_role("button", name="Undo").click()
    assert ink(page, ".4 .57 .6 .62") > 0
    page.get_by_role("button", name="Keep", exact=True).click()
    drag(page, (0.05, 0.1), (0.3, 0.1))
    page.get_by_role("button", name="Use this mask").click()
    expect(page.locator(".toast-body")).to_contain_text("mended picture")
    expect(page.get_by_role("button", name="Mend the mask")).to_be_visible()
    (mended,) = live.folder.glob("visit-*/*/egg-mended.png")
    with Image.open(mended) as opened:
        assert opened.mode == "RGBA"
        alpha = opened.getchannel("A")
    assert alpha.getpixel((100, 95)) == 0
    assert alpha.getpixel((100, 150)) == 255
    assert alpha.getpixel((35, 20)) == 255
    generate(page)
    with page.expect_download() as caught:
        page.locator("#recipe-file").click()
    recipe = json.loads(Path(caught.value.path()).read_text())
    assert recipe["image_sha256"] == hashlib.sha256(mended.read_bytes()).hexdigest()
    assert recipe["cutout"] == "alpha"


def test_the_brush_works_by_keys(page: Page, picture: Path):
    give_picture(page, picture)
    page.get_by_role("button", name="Mend the mask").click()
    page.get_by_role("button", name="Remove", exact=True).click()
    before = ink(page, "0 0 1 1")
    canvas = page.get_by_role("application")
    canvas.focus()
    canvas.press("ArrowLeft")
    canvas.press(" ")
    assert ink(page, "0 0 1 1") < before - 100
    canvas.press("Escape")
    expect(page.get_by_role("button", name="Mend the mask")).to_be_visible()
    assert ink(page, ".1 .1 .9 .9") == pytest.approx(before, rel=0.1)


def test_where_nothing_is_found_the_object_can_be_painted(page: Page, tmp_path: Path):
    Image.new("RGBA", (120, 120), (180, 83, 9, 0)).save(tmp_path / "lost.png")
    page.locator("#picture input[type=file]").set_input_files(tmp_path / "lost.png")
    expect(page.locator("#warnings")).to_contain_text("transparent")
    expect(page.locator("#cutout")).to_contain_text("No object yet")
    page.get_by_role("button", name="Mend the mask").click()
    drag(page, (0.3, 0.5), (0.7, 0.5))
    page.get_by_role("button", name="Use this mask").click()
    expect(page.locator("#warnings")).to_be_hidden()
    generate(page)
