"""Which parts of a solid stay: the large ones, held together by struts, without cavities.

Views that were generated lose thin things, such as the posts under a roof, more readily than
large ones. Without a strut the roof would float, or be lost with everything else that is apart.
"""

from __future__ import annotations

import math
from typing import cast

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy import ndimage

TINY = 1e-5
SMALLEST_PART = 0.05
"""A part stays from this share of the largest part's volume on."""
STRUT_RADIUS = 2.5
"""In grid steps."""


def whole_solid(field: Float[np.ndarray, "X Y Z"], spacing: float) -> Float[np.ndarray, "X Y Z"]:
    """Return the field with one solid: its large parts joined, small ones and cavities gone.

    Args:
        field: Positive inside.
        spacing: One grid step, in the field's unit of distance.

    Raises:
        ValueError: Nothing is inside.
    """
    solid = field > 0
    labels, count = cast(tuple[np.ndarray, int], ndimage.label(solid))
    if count == 0:
        raise ValueError(
            "Nothing is left inside all silhouettes; the views contradict each other too much."
        )
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    order = np.argsort(-sizes, kind="stable")
    large = [part for part in order if sizes[part] >= SMALLEST_PART * sizes[order[0]]]
    stays = np.isin(labels, large)
    result = np.where(solid & ~stays, -TINY, field)
    joined = labels == large[0]
    for _ in large[1:]:
        start, end = _nearest_pair(joined, stays & ~joined)
        result = with_strut(result, start, end, spacing)
        joined |= labels == labels[tuple(end)]
    keep = result > 0
    filled = np.asarray(ndimage.binary_fill_holes(keep))
    return np.where(filled & ~keep, TINY, result)


def _nearest_pair(
    one: Bool[np.ndarray, "X Y Z"], other: Bool[np.ndarray, "X Y Z"]
) -> tuple[Int[np.ndarray, " 3"], Int[np.ndarray, " 3"]]:
    """Return a voxel of `one` and a voxel of `other` that are nearest to each other."""
    distance, nearest = cast(
        tuple[np.ndarray, np.ndarray],
        ndimage.distance_transform_edt(~one, return_indices=True),
    )
    end = np.array(np.unravel_index(np.where(other, distance, np.inf).argmin(), one.shape))
    return nearest[(slice(None), *end)], end


def with_strut(
    field: Float[np.ndarray, "X Y Z"],
    start: Int[np.ndarray, " 3"],
    end: Int[np.ndarray, " 3"],
    spacing: float,
) -> Float[np.ndarray, "X Y Z"]:
    """Return the field with a round strut between two voxels, as a distance around its surface."""
    reach = math.ceil(STRUT_RADIUS)
    low = np.maximum(np.minimum(start, end) - reach, 0)
    high = np.minimum(np.maximum(start, end) + reach + 1, field.shape)
    points = np.moveaxis(np.indices(tuple(high - low)), 0, -1) + low - start
    along = (end - start).astype(np.float64)
    share = (points @ along / max(along @ along, 1.0)).clip(0, 1)
    distance = np.linalg.norm(points - share[..., None] * along, axis=-1)
    box = tuple(slice(first, last) for first, last in zip(low, high, strict=True))
    result = field.copy()
    result[box] = np.maximum(result[box], spacing * (STRUT_RADIUS - distance))
    return result
