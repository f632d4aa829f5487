"""How large a picture may be, by what decoding it costs: at most about 800 MB for any of them."""

from __future__ import annotations

import struct
from collections.abc import Mapping

from PIL import Image

MILLION = 1_000_000
MAX_PIXELS: Mapping[str, int] = {
    "JPEG": 178 * MILLION,
    "MPO": 178 * MILLION,
    "PNG": 110 * MILLION,
    "WEBP": 48 * MILLION,
    "JPEG2000": 16 * MILLION,
}
"""JPEGs are decoded at a fraction of their size. libwebp holds a picture four times over, OpenJPEG
holds every sample in 32 bits and is slow; Pillow holds a PNG once, four bytes a pixel."""
MAX_PIXELS_ELSE = 64 * MILLION
MAX_SCANNED_PIXELS = 110 * MILLION
"""A JPEG of several scans keeps all its coefficients in memory at whatever size it is decoded."""

_START_OF_SCAN = 0xDA
_NO_LENGTH = (0x01, *range(0xD0, 0xD9))
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_SEQUENTIAL = (0xC0, 0xC1, 0xC9)


def max_pixels(opened: Image.Image, data: bytes = b"") -> int:
    """Return how many pixels a picture of this kind may have.

    Args:
        opened: Its header has been read, its pixels have not.
        data: The file's bytes, which tell how a JPEG is stored.
    """
    if opened.format in ("JPEG", "MPO") and has_several_scans(data):
        return MAX_SCANNED_PIXELS
    return MAX_PIXELS.get(opened.format or "", MAX_PIXELS_ELSE)


def has_several_scans(data: bytes) -> bool:
    """Whether a JPEG is progressive, or stores its colours one after the other.

    ITU-T T.81, B.2: a frame header names the components, the first scan header names those that
    come first; the decoder holds back everything until it has seen them all.
    """
    components, at = 0, 2
    while at + 4 <= len(data) and data[at] == 0xFF:  # noqa: PLR2004
        marker = data[at + 1]
        if marker == 0xFF or marker in _NO_LENGTH:  # noqa: PLR2004, fill bytes stand alone
            at += 1 if marker == 0xFF else 2  # noqa: PLR2004
            continue
        body = at + 4
        if marker in _FRAMES:
            if marker not in _SEQUENTIAL:
                return True
            components = data[body + 5] if body + 5 < len(data) else 0
        if marker == _START_OF_SCAN:
            return body < len(data) and data[body] < components
        at += 2 + struct.unpack(">H", data[at + 2 : body])[0]
    # No scan was found where one must be: whatever the decoder makes of it may be costly.
    return True
