from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from harmony.framing import cutout_warnings, frame_cutout, frame_reference, mask_box

RED = (220, 30, 40, 255)


def disc(size=(300, 200), box=(40, 30, 179, 149), colour=RED) -> Image.Image:
    image = Image.new("RGBA", size)
    ImageDraw.Draw(image).ellipse(box, fill=colour)
    return image


def alpha_of(image: Image.Image) -> np.ndarray:
    return np.asarray(image.getchannel("A"))


def test_the_box_keeps_the_last_row_and_column():
    alpha = np.zeros((10, 12), dtype=np.uint8)
    alpha[2:5, 3:9] = 1
    assert mask_box(alpha) == (3, 2, 9, 5)


def test_the_object_fills_its_share_and_stands_in_the_middle():
    framed = frame_cutout(disc(), foreground=0.8, image_size=256)
    left, top, right, bottom = mask_box(alpha_of(framed))
    assert framed.size == (256, 256)
    assert right - left == round(0.8 * 256)
    assert abs((left + right) / 2 - 128) <= 1
    assert abs((top + bottom) / 2 - 128) <= 1
    assert bottom - top == round(round(0.8 * 256) * 120 / 140)


def test_the_released_framing_apart_from_the_lost_row_and_column():
    framed = frame_cutout(disc(), foreground=200 / 256, image_size=256)
    source = disc().crop((40, 30, 180, 150))
    expected = Image.new("RGBA", (256, 256))
    resized = source.resize((200, round(200 * 120 / 140)), Image.Resampling.BICUBIC)
    expected.paste(resized, ((256 - 200) // 2, (256 - resized.height) // 2))
    assert np.array_equal(alpha_of(framed), alpha_of(expected))


@given(
    width=st.integers(1, 90),
    height=st.integers(1, 90),
    foreground=st.floats(0.1, 1.0),
    image_size=st.sampled_from([32, 64, 128]),
    round_object=st.booleans(),
)
@settings(max_examples=60, deadline=None)
def test_framing_twice_changes_nothing(width, height, foreground, image_size, round_object):
    image = Image.new("RGBA", (120, 110))
    draw = ImageDraw.Draw(image)
    (draw.ellipse if round_object else draw.rectangle)((7, 9, 6 + width, 8 + height), fill=RED)
    assume(image.getbbox() is not None)  # Pillow draws no ellipse of a single pixel
    once = frame_cutout(image, foreground=foreground, image_size=image_size)
    twice = frame_cutout(once, foreground=foreground, image_size=image_size)
    assert np.array_equal(np.asarray(once), np.asarray(twice))


def test_framing_a_reference_again_changes_nothing_within_a_level():
    once = frame_reference(disc(), foreground=0.8, elevation_deg=30, image_size=64)
    colour = (once.pixels + 1) / 2
    straight = ((colour - (1 - once.alpha)) / once.alpha.clamp(min=1e-6)).clamp(0, 1)
    rgba = (torch.cat([straight, once.alpha]) * 255).round().to(torch.uint8)
    image = Image.fromarray(rgba.permute(1, 2, 0).numpy())
    twice = frame_reference(image, foreground=0.8, elevation_deg=30, image_size=64)
    assert (once.alpha - twice.alpha).abs().max() <= 1 / 255
    assert (once.pixels - twice.pixels).abs().max() <= 2 / 255


def test_the_reference_is_on_white_and_in_range():
    reference = frame_reference(disc(), foreground=0.8, elevation_deg=-10, image_size=64)
    assert reference.pixels.shape == (3, 64, 64)
    assert reference.alpha.shape == (1, 64, 64)
    assert reference.elevation_deg == -10.0
    assert torch.equal(reference.pixels[:, 0, 0], torch.ones(3))
    expected = torch.tensor(RED[:3]) / 255 * 2 - 1
    torch.testing.assert_close(reference.pixels[:, 32, 32], expected, atol=0.02, rtol=0)


def test_hidden_colour_does_not_bleed_into_the_edge():
    image = Image.new("RGBA", (300, 200), (0, 255, 0, 0))
    ImageDraw.Draw(image).ellipse((40, 30, 179, 149), fill=RED)
    reference = frame_reference(image, foreground=0.7, elevation_deg=0, image_size=64)
    clean = frame_reference(disc(), foreground=0.7, elevation_deg=0, image_size=64)
    assert (reference.pixels - clean.pixels).abs().max() <= 2 / 255


def test_no_crop_pads_to_a_square_and_keeps_the_place():
    image = disc((200, 100), (0, 0, 49, 49))
    framed = alpha_of(frame_cutout(image, foreground=None, image_size=100))
    left, top, right, bottom = mask_box(np.where(framed > 127, framed, 0).astype(np.uint8))
    assert (left, right) == (0, 25)
    assert (top, bottom) == (25, 50)
    again = frame_cutout(
        frame_cutout(image, foreground=None, image_size=100), foreground=None, image_size=100
    )
    assert np.array_equal(alpha_of(again), framed)


@pytest.mark.parametrize("foreground", [0.0, 0.05, 1.01, -1, math.nan, math.inf])
def test_a_foreground_out_of_range_is_refused(foreground):
    with pytest.raises(ValueError, match="foreground share"):
        frame_reference(disc(), foreground=foreground, elevation_deg=30, image_size=64)


@pytest.mark.parametrize("elevation", [-90.5, 91, math.nan, math.inf])
def test_an_elevation_out_of_range_is_refused(elevation):
    with pytest.raises(ValueError, match="elevation"):
        frame_reference(disc(), foreground=0.8, elevation_deg=elevation, image_size=64)


@pytest.mark.parametrize("foreground", [0.8, None])
def test_an_empty_cutout_is_refused(foreground):
    with pytest.raises(ValueError, match="empty"):
        frame_reference(
            Image.new("RGBA", (20, 20)), foreground=foreground, elevation_deg=0, image_size=32
        )


def test_a_good_cutout_raises_no_warning():
    assert cutout_warnings(disc(), 30) == ()


def test_warnings_name_what_may_go_wrong():
    assert "border" in cutout_warnings(disc(box=(0, 30, 140, 150)), 30)[0]
    two = disc()
    ImageDraw.Draw(two).ellipse((220, 60, 280, 120), fill=RED)
    assert "several objects" in cutout_warnings(two, 30)[0]
    assert "outside -10 to 40" in cutout_warnings(disc(), 60)[0]
    speck = disc()
    ImageDraw.Draw(speck).ellipse((250, 60, 258, 68), fill=RED)
    assert cutout_warnings(speck, -10) == ()
