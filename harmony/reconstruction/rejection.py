"""Finding the views that contradict the others before they carve the object away.

A strict hull believes every silhouette, so one wrong view cuts away what all others show. A
vote would fatten or erode everything; instead the few wrong views are found and left out.
"""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Bool, Float
from scipy import ndimage

from harmony.cameras import Cameras
from harmony.reconstruction.grid import VoxelGrid, project_points, sample_image
from harmony.reconstruction.hull import MAX_HEIGHT, REACH, signed_silhouettes
from harmony.reconstruction.records import Photographs

MAX_REJECTED = 5
_SPACING = 0.025
_PICTURE = 64
_RECOVERED = 0.01


def without_contradictions(photographs: Photographs) -> tuple[Photographs, tuple[int, ...]]:
    """Return the views that agree with each other, and the numbers of those left out."""
    silhouettes = signed_silhouettes(photographs.alpha)
    rejected = contradicting_views(silhouettes, photographs.cameras)
    kept = [view for view in range(len(photographs.indices)) if view not in rejected]
    return photographs.subset(kept), tuple(photographs.indices[view] for view in rejected)


def contradicting_views(
    silhouettes: Float[np.ndarray, "N H H"], cameras: Cameras
) -> tuple[int, ...]:
    """Return positions of views that contradict the others, in order.

    A view is contradicting if, with it left out, the hull covers at least 1 % more of the other
    views' silhouettes; the worst goes first, then the rest are judged anew, 5 at most.

    Args:
        silhouettes: Signed silhouettes in pixels.
        cameras: Their cameras.
    """
    outside, pixels = _votes(silhouettes, cameras)
    masks = _small_masks(silhouettes)
    kept = list(range(len(silhouettes)))
    rejected: list[int] = []
    while len(rejected) < MAX_REJECTED:
        gains = [_recovered(outside, pixels, masks, kept, view) for view in kept]
        worst = int(np.argmax(gains))
        if gains[worst] < _RECOVERED:
            break
        rejected.append(kept.pop(worst))
    return tuple(sorted(rejected))


def _votes(
    silhouettes: Float[np.ndarray, "N H H"], cameras: Cameras
) -> tuple[Bool[np.ndarray, "N M"], np.ndarray]:
    """Return which views put which points outside, and the small-picture pixel of each point."""
    reach = np.array([REACH, REACH, MAX_HEIGHT])
    points = VoxelGrid.around(-reach, reach, _SPACING).points()
    focal = float(cameras.intrinsics[0, 0])
    shrink = _PICTURE / cameras.image_size
    outside = np.empty((len(silhouettes), len(points)), dtype=bool)
    pixels = np.empty((len(silhouettes), len(points)), dtype=np.int64)
    for view, (silhouette, pose) in enumerate(zip(silhouettes, cameras.poses, strict=True)):
        uv, depth = project_points(points, cameras.intrinsics, pose)
        distance = sample_image(torch.from_numpy(silhouette)[None], uv)[0] * depth / focal
        # Half a cell of slack, since a cell counts wherever the solid touches it.
        outside[view] = (distance < -_SPACING / 2).numpy()
        index = (uv * shrink).floor().long().clamp(0, _PICTURE - 1)
        pixels[view] = (index[:, 1] * _PICTURE + index[:, 0]).numpy()
    return outside, pixels


def _small_masks(silhouettes: Float[np.ndarray, "N H H"]) -> Bool[np.ndarray, "N P"]:
    """Return the silhouettes at 64 x 64, flat."""
    size = silhouettes.shape[-1]
    centres = ((np.arange(_PICTURE) + 0.5) * size / _PICTURE).astype(int)
    return (silhouettes[:, centres][:, :, centres] > 0).reshape(len(silhouettes), -1)


def _recovered(
    outside: Bool[np.ndarray, "N M"],
    pixels: np.ndarray,
    masks: Bool[np.ndarray, "N P"],
    kept: list[int],
    view: int,
) -> float:
    """Return the share of the other views' silhouettes that only `view` takes away."""
    others = [other for other in kept if other != view]
    allowed = ~outside[others].any(axis=0)
    hull = allowed & ~outside[view]
    added = allowed & outside[view]
    if not added.any():
        return 0.0
    gained = area = 0
    for other in others:
        before = _covered(pixels[other][hull])
        after = _covered(pixels[other][added])
        gained += int((after & ~before & masks[other]).sum())
        area += int(masks[other].sum())
    return gained / max(area, 1)


def _covered(pixels: np.ndarray) -> Bool[np.ndarray, " P"]:
    """Return the pixels of a small picture on or beside which a point falls."""
    hit = np.zeros(_PICTURE * _PICTURE, dtype=bool)
    hit[pixels] = True
    grown = ndimage.binary_dilation(hit.reshape(_PICTURE, _PICTURE))
    return np.asarray(grown).reshape(-1)
