"""Foreground masks of pictures that a model painted on white without an alpha channel."""

from __future__ import annotations

from typing import cast

import numpy as np
import torch
from jaxtyping import Bool, Float
from scipy import ndimage
from torch import Tensor

# Darkness (1 - smallest channel) at which a pixel starts to be, and surely is, foreground.
_KEY_LOW, _KEY_HIGH = 0.02, 0.10
# An enclosed white region stays a hole (a handle's, not a highlight) only if it is larger than
# this share of the picture, as white as the background, and its border is this dark at once.
_HOLE_SHARE = 0.005
_HOLE_CONTRAST = 0.15
_SPECK_SHARE = 0.005
_SPECK_PIXELS = 8
_SLACK = 1e-3
_EIGHT = np.ones((3, 3), dtype=bool)


def foreground_mask(pixels: Float[Tensor, "*batch 3 H W"]) -> Float[Tensor, "*batch 1 H W"]:
    """Key out the white background, softly at the edge.

    Holes that the key tears into pale parts are filled, specks are dropped, thin parts are kept
    (nothing is opened or eroded). An enclosed region stays open only if it is large, exactly as
    white as the background and sharply bordered, as inside a cup's handle.

    Args:
        pixels: Pictures in [0, 1] on white.

    Returns:
        Alpha in [0, 1]: 1 inside, 0 outside, between at the border; all 0 for a white picture.

    Raises:
        ValueError: The pictures do not have three channels, or hold values outside [0, 1].
    """
    if pixels.ndim < 3 or pixels.shape[-3] != 3:  # noqa: PLR2004
        raise ValueError(f"Pictures have shape {tuple(pixels.shape)}; it must be (..., 3, H, W).")
    if not bool(((pixels >= -_SLACK) & (pixels <= 1 + _SLACK)).all()):
        raise ValueError("Pictures must hold numbers from 0 to 1 only.")
    height, width = pixels.shape[-2:]
    darkness = 1.0 - pixels.detach().amin(dim=-3).double().cpu().numpy()
    flat = darkness.reshape(-1, height, width)
    alpha = np.zeros_like(flat)
    for index, picture in enumerate(flat):
        alpha[index] = _mask_one(picture)
    result = torch.from_numpy(alpha).to(pixels.dtype).to(pixels.device)
    return result.reshape(*pixels.shape[:-3], 1, height, width)


def _mask_one(darkness: Float[np.ndarray, "H W"]) -> Float[np.ndarray, "H W"]:
    """Return alpha of one picture from its darkness (0 = white)."""
    key = ((darkness - _KEY_LOW) / (_KEY_HIGH - _KEY_LOW)).clip(0.0, 1.0)
    solid = _drop_specks(key >= 0.5)  # noqa: PLR2004
    solid = _fill_holes(solid, darkness)
    core = np.asarray(ndimage.binary_erosion(solid, _EIGHT, border_value=1), dtype=bool)
    rim = np.asarray(ndimage.binary_dilation(solid, _EIGHT)) & ~solid
    alpha = np.where(core, 1.0, 0.0)
    border = solid & ~core
    alpha[border] = np.maximum(key[border], 0.5)
    alpha[rim] = np.minimum(key[rim], 0.499)
    return alpha


def _drop_specks(solid: Bool[np.ndarray, "H W"]) -> Bool[np.ndarray, "H W"]:
    """Remove components that are tiny in pixels and next to the largest one."""
    labels, count = cast(tuple[np.ndarray, int], ndimage.label(solid, _EIGHT))
    if count == 0:
        return solid
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    keep = sizes >= max(_SPECK_PIXELS, _SPECK_SHARE * sizes.max())
    return keep[labels]


def _fill_holes(
    solid: Bool[np.ndarray, "H W"], darkness: Float[np.ndarray, "H W"]
) -> Bool[np.ndarray, "H W"]:
    """Fill enclosed regions unless they are large and as white as the background."""
    labels, count = cast(tuple[np.ndarray, int], ndimage.label(~solid))
    if count == 0:
        return solid
    edge = np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]])
    outside = np.isin(labels, np.unique(edge[edge > 0]))
    level = float(np.median(darkness[outside])) if outside.any() else 0.0
    filled = solid | (~outside)
    for label in np.setdiff1d(np.unique(labels), np.append(np.unique(edge), 0)):
        hole = labels == label
        if hole.sum() <= _HOLE_SHARE * solid.size:
            continue
        wall = ndimage.binary_dilation(hole, _EIGHT, iterations=3) & solid
        white = float(np.median(darkness[hole])) <= level + _KEY_LOW / 4
        if white and float(np.median(darkness[wall])) >= _HOLE_CONTRAST:
            filled &= ~hole
    return filled
