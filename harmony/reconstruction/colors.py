"""Colours of surface points from the views that see them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Bool, Float
from scipy import ndimage
from scipy.spatial import KDTree

from harmony.reconstruction.depth import Raster, project
from harmony.reconstruction.grid import sample_image
from harmony.reconstruction.records import Photographs

_DEPTH_SLACK = 0.015
_FACING_POWER = 4.0
_INPUT_BONUS = 4.0
_GREY = 0.5
_LEAST_WEIGHT = 1e-6
_DONORS = 4000


def point_colors(
    points: Float[np.ndarray, "M 3"],
    normals: Float[np.ndarray, "M 3"],
    rasters: Sequence[Raster],
    photographs: Photographs,
) -> Float[np.ndarray, "M 3"]:
    """Return `seen_colors`, with points that no view sees coloured like the nearest seen ones.

    Args:
        points: Surface points, world.
        normals: Outward unit normals there.
        rasters: What each view sees of the mesh (`rasterize_ring`).
        photographs: The views.

    Returns:
        sRGB in [0, 1].
    """
    colors, seen = seen_colors(points, normals, rasters, photographs)
    if not seen.any():
        return np.full_like(colors, _GREY)
    if not seen.all():
        # Some thousand donors are enough for parts that nobody sees, and keep the search short.
        donors = np.flatnonzero(seen)[:: 1 + int(seen.sum()) // _DONORS]
        distance, index = KDTree(points[donors]).query(points[~seen], k=min(4, len(donors)))
        # One neighbour comes without its axis.
        distance = np.reshape(distance, (int((~seen).sum()), -1))
        index = np.reshape(index, distance.shape)
        share = 1.0 / (distance + 1e-3)
        share /= share.sum(axis=1, keepdims=True)
        colors[~seen] = (colors[donors][index] * share[..., None]).sum(axis=1)
    return colors


def seen_colors(
    points: Float[np.ndarray, "M 3"],
    normals: Float[np.ndarray, "M 3"],
    rasters: Sequence[Raster],
    photographs: Photographs,
) -> tuple[Float[np.ndarray, "M 3"], Bool[np.ndarray, " M"]]:
    """Return each point's colour, a mean over the views that see it, and whether one does.

    A view's weight is max(0, n . v)^4, times 4 for view 0, which is nearest to the input picture;
    it is 0 where the mesh hides the point or the picture's outline is near (its colours mix with
    the background).

    Args:
        points: Surface points, world.
        normals: Outward unit normals there.
        rasters: What each view sees of the mesh (`rasterize_ring`).
        photographs: The views.

    Returns:
        sRGB (M, 3) in [0, 1], 0 where unseen; seen (M,).
    """
    cameras = photographs.cameras
    total = np.zeros((len(points), 3))
    weights = np.zeros(len(points))
    for position, raster in enumerate(rasters):
        pose = cameras.poses[position]
        uv, depth = project(points, cameras.intrinsics, pose)
        centre = -pose[:, :3].T @ pose[:, 3]
        towards = centre - points
        facing = (normals * towards).sum(axis=1) / np.linalg.norm(towards, axis=1)
        surface = _surface_depth(raster.depth, uv)
        seen = depth <= surface + _DEPTH_SLACK
        picture, solidity = _solid_colors(
            photographs.pixels[position], photographs.alpha[position], uv
        )
        weight = np.where(seen, facing.clip(0) ** _FACING_POWER, 0.0) * solidity
        weight *= _INPUT_BONUS if photographs.indices[position] == 0 else 1.0
        total += weight[:, None] * picture
        weights += weight
    seen = weights > _LEAST_WEIGHT
    colors = total / np.where(seen, weights, 1.0)[:, None]
    return np.where(seen[:, None], colors.clip(0, 1), 0.0), seen


def _surface_depth(
    depth: Float[np.ndarray, "H H"], uv: Float[np.ndarray, "M 2"]
) -> Float[np.ndarray, " M"]:
    """Return the nearest pixel's depth; inf beside the surface."""
    size = depth.shape[0]
    index = np.floor(uv).astype(np.int64).clip(0, size - 1)
    return depth[index[:, 1], index[:, 0]]


def _solid_colors(
    pixels: Float[np.ndarray, "3 H H"],
    alpha: Float[np.ndarray, "H H"],
    uv: Float[np.ndarray, "M 2"],
) -> tuple[Float[np.ndarray, "M 3"], Float[np.ndarray, " M"]]:
    """Return colours read from the eroded foreground only, and how much of it was there."""
    solid = alpha >= 0.95  # noqa: PLR2004
    core = ndimage.binary_erosion(solid, iterations=1, border_value=1)
    trust = np.where(core, 1.0, np.where(solid, 0.05, np.where(alpha >= 0.5, 0.002, 0.0)))  # noqa: PLR2004
    bare = (pixels - (1 - alpha)) / np.maximum(alpha, 0.25)
    stack = np.concatenate([bare.clip(0, 1) * trust, trust[None]]).astype(np.float32)
    read = sample_image(
        torch.from_numpy(stack), torch.from_numpy(uv.astype(np.float32)), outside="zeros"
    ).numpy()
    return (read[:3] / np.maximum(read[3], 1e-6)).T, read[3].astype(np.float64)
