from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageDraw

from harmony.background import has_mask
from harmony.images import read_image
from harmony.mending import mend


def picture() -> Image.Image:
    ramp = np.zeros((40, 60, 3), dtype=np.uint8)
    ramp[..., 0], ramp[..., 2] = np.arange(60), 200
    return Image.fromarray(ramp)


def cutout() -> Image.Image:
    """The middle third is object."""
    mask = Image.new("L", (60, 40))
    ImageDraw.Draw(mask).rectangle((20, 0, 39, 39), fill=255)
    result = picture().convert("RGBA")
    result.putalpha(mask)
    return result


def strokes(**boxes: tuple[int, int, int, int]) -> Image.Image:
    """At half the picture's size."""
    colours = {"keep": (255, 0, 0), "remove": (0, 255, 0)}
    painted = Image.new("RGB", (30, 20))
    for kind, box in boxes.items():
        ImageDraw.Draw(painted).rectangle(box, fill=colours[kind])
    return painted


def test_keep_adds_remove_takes_and_the_rest_stays():
    mended = mend(picture(), cutout(), strokes(keep=(0, 0, 6, 19), remove=(13, 0, 29, 19)))
    alpha = np.asarray(mended.getchannel("A"))
    assert (alpha[:, :12] == 255).all()
    assert (alpha[:, 16:18] == 0).all()
    assert (alpha[:, 21:24] == 255).all()
    assert (alpha[:, 28:] == 0).all()
    assert np.array_equal(np.asarray(mended.convert("RGB")), np.asarray(picture()))


def test_no_strokes_change_nothing():
    mended = mend(picture(), cutout(), strokes())
    assert mended.tobytes() == cutout().tobytes()


def test_an_object_that_no_network_found_can_be_painted():
    mended = mend(picture(), None, strokes(keep=(5, 5, 20, 15)))
    assert has_mask(mended)
    assert np.asarray(mended.getchannel("A"))[20, 25] == 255


def test_a_mended_picture_is_read_back_with_its_mask(tmp_path):
    mended = mend(picture(), cutout(), strokes(remove=(10, 0, 14, 19)))
    mended.save(tmp_path / "mended.png")
    assert read_image(tmp_path / "mended.png").image.tobytes() == mended.tobytes()


@pytest.mark.parametrize("boxes", [{"remove": (0, 0, 29, 19)}, {"keep": (0, 0, 29, 19)}])
def test_all_or_nothing_is_refused(boxes):
    with pytest.raises(ValueError, match="both object and background"):
        mend(picture(), cutout(), strokes(**boxes))
