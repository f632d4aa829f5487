"""Mending a cut-out by hand: painted strokes become part of the picture's own mask."""

from __future__ import annotations

import numpy as np
from PIL import Image

from harmony.background import has_mask

STROKES = ("keep", "remove")
"""The first two channels of a picture of strokes, 255 where one was painted."""


def mend(picture: Image.Image, cutout: Image.Image | None, strokes: Image.Image) -> Image.Image:
    """Return the picture with a mask that follows the strokes.

    With alpha a of the cut-out (0 without one), and k and r the painted shares of keep and
    remove, the new alpha is a (1 - r) (1 - k) + k.

    Args:
        picture: RGB or RGBA, as `harmony.images.read_image` returns it.
        cutout: The same with the mask so far (RGBA), or None where nothing was found.
        strokes: RGB; red says keep, green says remove. It is stretched over the picture.

    Returns:
        RGBA with the colours of the picture; saved as PNG it is a picture with its own mask.

    Raises:
        ValueError: Nothing, or everything, would be object.
    """
    painted = np.asarray(strokes.convert("RGB").resize(picture.size, Image.Resampling.BILINEAR))
    keep, remove = (painted[..., channel].astype(np.float32) / 255 for channel in (0, 1))
    alpha = np.zeros(keep.shape, dtype=np.float32)
    if cutout is not None:
        alpha = np.asarray(cutout.getchannel("A"), dtype=np.float32)
    values = np.rint(alpha * (1 - remove) * (1 - keep) + 255 * keep).astype(np.uint8)
    mended = picture.convert("RGB")
    mended.putalpha(Image.fromarray(values))
    if not values.any() or not has_mask(mended):
        raise ValueError("The mask needs both object and background; paint a part of each.")
    return mended
