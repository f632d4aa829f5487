"""Large pictures: each in a process of its own, whose peak memory is measured."""

from __future__ import annotations

import io
import struct

import pytest
from PIL import Image

from harmony.image_limits import has_several_scans
from harmony.images import WORKING_SIDE, read_image
from tests.fuzz.watched import watched

MAX_GROWN_MB = 800.0


def encoded(size: tuple[int, int], mode: str, kind: str, **options) -> bytes:
    buffer = io.BytesIO()
    Image.new(mode, size).save(buffer, kind, **options)
    return buffer.getvalue()


def size_read(data: bytes) -> str:
    try:
        return "x".join(map(str, read_image(data).image.size))
    except ValueError as error:
        return str(error)


LARGE = {
    "JPEG": ((12_000, 9_000), "RGB", "JPEG", {}, "2048x1536", 200.0),
    "progressive JPEG": ((12_000, 9_000), "RGB", "JPEG", {"progressive": True}, "2048x1536", 800.0),
    "panorama": ((44_000, 4_000), "RGB", "JPEG", {}, "2048x186", 200.0),
    "PNG": ((12_000, 9_000), "RGB", "PNG", {"compress_level": 1}, "2048x1536", 800.0),
    "PNG with a mask": ((12_000, 9_000), "RGBA", "PNG", {"compress_level": 1}, "2048x1536", 800.0),
    "WebP": ((8_000, 6_000), "RGB", "WEBP", {"method": 0}, "2048x1536", 800.0),
}


@pytest.mark.parametrize("name", list(LARGE))
def test_large_pictures_are_read_within_the_bound(name):
    size, mode, kind, options, expected, bound_mb = LARGE[name]
    data = encoded(size, mode, kind, **options)
    (outcome,) = watched(size_read, [(name, data)], seconds=120.0)
    assert (outcome.kind, outcome.text) == ("answer", expected)
    assert outcome.grown_mb < bound_mb


def jpeg_header(size: tuple[int, int], frame: int, in_scan: int) -> bytes:
    """The beginning of a JPEG of three colours that promises `size`; no pixel follows."""

    def segment(marker: int, body: bytes) -> bytes:
        return bytes((0xFF, marker)) + struct.pack(">H", len(body) + 2) + body

    components = b"".join(bytes((k, 0x11, 0)) for k in (1, 2, 3))
    scan = bytes((in_scan,)) + b"".join(bytes((k + 1, 0)) for k in range(in_scan)) + b"\0\x3f\0"
    return (
        b"\xff\xd8"
        + segment(0xDB, b"\0" + bytes([1] * 64))
        + segment(frame, struct.pack(">BHHB", 8, size[1], size[0], 3) + components)
        + segment(0xC4, b"\0" + bytes([1] + [0] * 15) + b"\0")
        + segment(0xC4, b"\x10" + bytes([1] + [0] * 15) + b"\0")
        + segment(0xDA, scan)
    )


def test_how_a_jpeg_is_stored_is_seen():
    assert not has_several_scans(encoded((64, 64), "RGB", "JPEG"))
    assert not has_several_scans(encoded((64, 64), "L", "JPEG"))
    assert not has_several_scans(encoded((64, 64), "CMYK", "JPEG"))
    assert has_several_scans(encoded((64, 64), "RGB", "JPEG", progressive=True))
    assert not has_several_scans(jpeg_header((9, 9), 0xC0, 3))
    assert has_several_scans(jpeg_header((9, 9), 0xC0, 1))
    assert has_several_scans(jpeg_header((9, 9), 0xC2, 3))
    assert has_several_scans(b"\xff\xd8")
    assert has_several_scans(b"")


@pytest.mark.parametrize("stored", [(0xC0, 1), (0xC2, 1), (0xC0, 3)])
@pytest.mark.parametrize("size", [(13_300, 13_300), (10_400, 10_400)])
def test_a_few_bytes_that_promise_a_huge_jpeg_cost_little(size, stored):
    """One colour after the other, a decoder would hold six bytes for each pixel it was promised."""
    data = jpeg_header(size, *stored)
    assert len(data) < 300
    (outcome,) = watched(size_read, [("promise", data)], seconds=120.0)
    assert outcome.kind == "answer"
    assert "110 million" in outcome.text or "damaged" in outcome.text or "2048" in outcome.text
    assert outcome.grown_mb < MAX_GROWN_MB


def test_an_animation_of_countless_frames_is_not_counted():
    frame = encoded((1, 1), "P", "GIF")
    start = frame.index(b"\x2c")
    body = frame[start:-1]
    data = frame[:start] + body * 400_000 + b"\x3b"
    (outcome,) = watched(size_read, [("frames", data)], seconds=10.0)
    assert (outcome.kind, outcome.text) == ("answer", "1x1")


def test_a_large_mask_is_shrunk_like_any_other_picture():
    """In bands, because Pillow premultiplies a copy of what it shrinks."""
    picture = Image.linear_gradient("L").resize((9_000, 1_000), Image.Resampling.BILINEAR)
    rgba = Image.merge("RGBA", (picture, picture, picture, picture))
    buffer = io.BytesIO()
    rgba.save(buffer, "PNG", compress_level=1)
    shrunk = read_image(buffer.getvalue()).image
    assert shrunk.size == (WORKING_SIDE, 228)
    expected = rgba.resize(shrunk.size, Image.Resampling.BICUBIC)
    pairs = zip(shrunk.getchannel("A").tobytes(), expected.getchannel("A").tobytes(), strict=True)
    assert max(abs(a - b) for a, b in pairs) <= 2
