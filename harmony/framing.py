"""Framing: RGBA cut-out -> the square reference on white that every model reads."""

from __future__ import annotations

import math

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image
from scipy import ndimage
from torch import Tensor

from harmony.cameras import TRAINED_ELEVATIONS_DEG
from harmony.records import ReferenceImage

DEFAULT_FOREGROUND = 0.8
"""Share of the frame for the object's longer side; the released code's 200 of 256 is 0.78."""

MIN_FOREGROUND = 0.1
SLACK = 2.0
"""Pixels by which the mask's box of a picture that counts as framed may be off."""

STEEPEST_DEG = 90.0
PROBE = (256, 256)
"""Size at which a mask is examined for its warnings."""
HALF = 128
SECOND_OBJECT = 0.1
"""A second part this large compared with the first counts as another object."""


def validate_elevation(elevation_deg: float) -> float:
    """Return the elevation.

    Raises:
        ValueError: It is not a number from -90 to 90.
    """
    if not math.isfinite(elevation_deg) or abs(elevation_deg) > STEEPEST_DEG:
        raise ValueError(
            f"The elevation is {elevation_deg}; it must be a number of degrees from -90 to 90."
        )
    return float(elevation_deg)


def validate_foreground(foreground: float | None) -> float | None:
    """Return the foreground share.

    Raises:
        ValueError: It is neither None nor a number from 0.1 to 1.
    """
    if foreground is None:
        return None
    if not math.isfinite(foreground) or not MIN_FOREGROUND <= foreground <= 1.0:
        raise ValueError(
            f"The foreground share is {foreground}; it must be a number from {MIN_FOREGROUND} to 1."
        )
    return float(foreground)


def mask_box(alpha: np.ndarray) -> tuple[int, int, int, int]:
    """Return (left, top, right, bottom) of alpha > 0; right and bottom are one past the last.

    The released code stops at the last row and column and so loses them; this does not.

    Raises:
        ValueError: Nothing is opaque.
    """
    rows, columns = np.flatnonzero(alpha.any(axis=1)), np.flatnonzero(alpha.any(axis=0))
    if len(rows) == 0:
        raise ValueError(
            "The cut-out is empty: no object is left. Choose another cut-out model or picture."
        )
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def _is_framed(box: tuple[int, int, int, int], size: tuple[int, int], side: int, H: int) -> bool:
    """Whether the object already stands in the middle of the frame at its size.

    A row of faint pixels may vanish when a picture is made smaller, so two pixels are allowed.
    """
    left, top, right, bottom = box
    longer = max(right - left, bottom - top)
    off_centre = max(abs(left + right - H), abs(top + bottom - H)) / 2
    return size == (H, H) and abs(longer - side) <= SLACK and off_centre <= SLACK


def frame_cutout(rgba: Image.Image, *, foreground: float | None, image_size: int) -> Image.Image:
    """Centre the object in a square RGBA picture of `image_size` pixels.

    The mask's bounding box is scaled, bicubic on premultiplied colour, until its longer side is
    `foreground * image_size`, and pasted into the middle. With `foreground` None the picture is
    padded to a square and resized as it is. Framing a framed picture again changes nothing.

    Raises:
        ValueError: The cut-out is empty, or `foreground` is neither None nor in [0.1, 1].
    """
    validate_foreground(foreground)
    rgba = rgba.convert("RGBA")
    box = mask_box(np.asarray(rgba.getchannel("A")))
    if foreground is None:
        square = max(rgba.size)
        return _centred(rgba, square).resize((image_size, image_size), Image.Resampling.BICUBIC)
    side = max(1, round(foreground * image_size))
    if _is_framed(box, rgba.size, side, image_size):
        return rgba
    width, height = box[2] - box[0], box[3] - box[1]
    scale = side / max(width, height)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    # Pillow resizes RGBA on premultiplied colour, so what hides under alpha 0 does not bleed in.
    return _centred(rgba.crop(box).resize(size, Image.Resampling.BICUBIC), image_size)


def _centred(rgba: Image.Image, side: int) -> Image.Image:
    frame = Image.new("RGBA", (side, side), (255, 255, 255, 0))
    frame.paste(rgba, ((side - rgba.width) // 2, (side - rgba.height) // 2))
    return frame


def frame_reference(
    rgba: Image.Image, *, foreground: float | None, elevation_deg: float, image_size: int
) -> ReferenceImage:
    """Frame a cut-out (see `frame_cutout`) and put it on white.

    Args:
        rgba: The cut-out, straight (not premultiplied) alpha.
        foreground: Share of the frame for the object's longer side, in [0.1, 1]; None keeps the
            picture's own framing.
        elevation_deg: Elevation of the camera that took the picture, -90 to 90.
        image_size: Side H of the reference.

    Raises:
        ValueError: The cut-out is empty, or an argument is out of its range.
    """
    elevation_deg = validate_elevation(elevation_deg)
    framed = frame_cutout(rgba, foreground=foreground, image_size=image_size)
    values: Float[Tensor, "4 H H"] = (
        torch.from_numpy(np.array(framed)).permute(2, 0, 1).to(torch.float32) / 255
    )
    colour, alpha = values[:3], values[3:]
    return ReferenceImage((colour * alpha + 1 - alpha) * 2 - 1, alpha, elevation_deg)


def cutout_warnings(rgba: Image.Image, elevation_deg: float) -> tuple[str, ...]:
    """Return plain sentences on what may go wrong with this cut-out and elevation."""
    mask = np.asarray(rgba.convert("RGBA").getchannel("A").resize(PROBE, Image.Resampling.BOX))
    mask = mask >= HALF
    found = []
    if mask[[0, -1]].any() or mask[:, [0, -1]].any():
        found.append("The object touches the border of the picture; a part of it may be missing.")
    labels = np.zeros(mask.shape, dtype=np.int32)
    ndimage.label(mask, output=labels)
    areas = np.sort(np.bincount(labels.ravel())[1:])[::-1]
    if len(areas) > 1 and areas[1] >= SECOND_OBJECT * areas[0]:
        found.append("There seem to be several objects; the views work best with a single one.")
    low, high = TRAINED_ELEVATIONS_DEG
    if not low <= elevation_deg <= high:
        found.append(
            f"The elevation {elevation_deg:g} is outside {low:g} to {high:g} degrees, "
            "which the models were trained on."
        )
    return tuple(found)
