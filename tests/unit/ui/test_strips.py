import pytest
from PIL import Image

from harmony.ui.strips import data_url, file_url, make_strip, save_strip, split_strip

COLOURS = ("red", "lime", "blue")


def pictures(side: int = 20) -> list[Image.Image]:
    return [Image.new("RGB", (side, side), colour) for colour in COLOURS]


def test_a_strip_splits_into_what_it_was_made_of():
    back = split_strip(make_strip(pictures()), 3)
    assert [picture.tobytes() for picture in back] == [p.tobytes() for p in pictures()]


def test_large_views_shrink_to_the_bound_and_keep_their_colours():
    strip = make_strip(pictures(side=100), max_side=40)
    assert strip.size == (120, 40)
    assert [p.getpixel((20, 20)) for p in split_strip(strip, 3)] == [
        (255, 0, 0),
        (0, 255, 0),
        (0, 0, 255),
    ]


def test_a_strip_of_sixteen_large_views_is_still_a_webp(tmp_path):
    strip = make_strip([Image.new("RGB", (1200, 1200), "red")] * 16, max_side=4096)
    save_strip(strip, tmp_path / "strip.webp")
    with Image.open(tmp_path / "strip.webp") as read:
        assert read.width <= 16383
        assert read.width % 16 == 0


@pytest.mark.parametrize(
    "bad", [[], [Image.new("RGB", (2, 2)), Image.new("RGB", (3, 3))]], ids=["none", "sizes"]
)
def test_what_is_no_strip_is_refused(bad):
    with pytest.raises(ValueError, match=r"strip|size"):
        make_strip(bad)


def test_a_strip_that_does_not_divide_is_refused():
    with pytest.raises(ValueError, match="does not split"):
        split_strip(Image.new("RGB", (31, 2)), 16)


def test_urls_carry_the_picture(tmp_path):
    strip = make_strip(pictures())
    save_strip(strip, tmp_path / "s.webp")
    for url in (data_url(strip), file_url(tmp_path / "s.webp")):
        assert url.startswith("data:image/webp;base64,UklGR")
