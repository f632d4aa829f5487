"""Reading `Views` with care: every input that cannot become a mesh gets its own sentence."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from harmony.cameras import VIEW_COUNT, target_cameras
from harmony.reconstruction.records import Photographs
from harmony.records import Views

MIN_SIZE, MAX_SIZE = 128, 512
_MIN_COVER = 5e-4
_MAX_COVER = 0.98
_SLACK = 1e-3


def checked_photographs(views: Views) -> Photographs:
    """Return the views of the one sample with their cameras.

    Raises:
        ValueError: There is not exactly one sample, not 16 views, a size is wrong or differs,
            numbers are not in [0, 1], or masks are empty, full or too small.
    """
    pixels = views.pixels.detach().float().cpu().numpy()
    alpha = views.alpha.detach().float().cpu().numpy()
    _check_shapes(pixels.shape, alpha.shape)
    for name, values in (("Pictures", pixels), ("Masks", alpha)):
        if not np.isfinite(values).all() or values.min() < -_SLACK or values.max() > 1 + _SLACK:
            raise ValueError(f"{name} of the views must hold numbers from 0 to 1 only.")
    masks = alpha[0, :, 0].clip(0, 1)
    _check_masks(masks)
    cameras = target_cameras(pixels.shape[-1])
    return Photographs(pixels[0].clip(0, 1), masks, cameras, tuple(range(VIEW_COUNT)))


def _check_shapes(pixels: tuple[int, ...], alpha: tuple[int, ...]) -> None:
    if len(pixels) != 5 or pixels[2] != 3:  # noqa: PLR2004
        raise ValueError(f"Pictures of the views have shape {pixels}; it must be (1, 16, 3, H, H).")
    if len(alpha) != 5 or alpha[2] != 1:  # noqa: PLR2004
        raise ValueError(f"Masks of the views have shape {alpha}; it must be (1, 16, 1, H, H).")
    if pixels[0] != 1:
        raise ValueError(f"There are {pixels[0]} samples; choose one, a mesh is made of one.")
    if pixels[1] != VIEW_COUNT or alpha[1] != VIEW_COUNT:
        raise ValueError(
            f"There are {min(pixels[1], alpha[1])} views; a mesh needs all {VIEW_COUNT}."
        )
    if pixels[0] != alpha[0] or pixels[-2:] != alpha[-2:]:
        raise ValueError("Pictures and masks of the views differ in size; they must agree.")
    height, width = pixels[-2:]
    if height != width or not MIN_SIZE <= height <= MAX_SIZE:
        raise ValueError(
            f"Views are {width} x {height} pixels; they must be square, "
            f"{MIN_SIZE} to {MAX_SIZE} pixels wide."
        )


def _check_masks(masks: Float[np.ndarray, "N H H"]) -> None:
    cover = (masks >= 0.5).mean(axis=(1, 2))  # noqa: PLR2004
    if (cover == 0).all():
        raise ValueError("No view shows an object: all masks are empty.")
    if (cover > _MAX_COVER).all():
        raise ValueError(
            "All masks cover the whole picture, so no outline is left; "
            "give views on a white or transparent background."
        )
    for index, share in enumerate(cover):
        if share == 0:
            raise ValueError(f"View {index} shows no object: its mask is empty.")
        if share > _MAX_COVER:
            raise ValueError(f"The mask of view {index} covers the whole picture; cut it out anew.")
        if share < _MIN_COVER:
            pixels = round(float(share) * masks[0].size)
            raise ValueError(
                f"The object covers only {pixels} pixel(s) of view {index}; "
                f"a mesh needs at least {int(np.ceil(_MIN_COVER * masks[0].size))}."
            )
