"""The visual hull as a continuous field, and where the ground cuts it.

Fields are positive inside, roughly the distance to the surface in world units.
"""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float
from scipy import ndimage
from torch import Tensor

from harmony.cameras import Cameras
from harmony.reconstruction.depth import rasterize, unproject
from harmony.reconstruction.grid import VoxelGrid, project_points, sample_image
from harmony.reconstruction.records import Photographs
from harmony.reconstruction.surface import extract_surface

MAX_HEIGHT = 0.505
"""The object's longest side is 1 and its box is centred, so |z| <= 0.5, and a little slack."""
REACH = 0.76
_COARSE = 0.03
_SOFT = 0.02
_VIEW_QUANTILE = 0.15
_TOP_QUANTILE = 0.998


def signed_silhouettes(alpha: Float[np.ndarray, "N H H"]) -> Float[np.ndarray, "N H H"]:
    """Return each mask's signed distance to its outline in pixels, positive inside.

    Anti-aliased pixels at the outline keep their sub-pixel value alpha - 0.5.
    """
    result = np.empty(alpha.shape, dtype=np.float32)
    for index, mask in enumerate(alpha):
        solid = mask >= 0.5  # noqa: PLR2004
        inside = np.asarray(ndimage.distance_transform_edt(solid))
        outside = np.asarray(ndimage.distance_transform_edt(~solid))
        signed = np.where(solid, inside - 0.5, 0.5 - outside)
        soft = (np.abs(signed) <= 1.0) & (mask > _SOFT) & (mask < 1 - _SOFT)
        result[index] = np.where(soft, mask - 0.5, signed)
    return result


def hull_field(
    silhouettes: Float[np.ndarray, "N H H"], cameras: Cameras, grid: VoxelGrid
) -> Float[np.ndarray, "X Y Z"]:
    """Return the strict visual hull: the least of all views' silhouette distances.

    f(x) = min_v s_v(pi_v(x)) z_v(x) / focal, cut to |z| <= 0.505. Points that some view puts well
    outside are not read further; their value is only a bound.

    Args:
        silhouettes: `signed_silhouettes` of the views.
        cameras: Their cameras.
        grid: Where to evaluate.
    """
    points = grid.points()
    field = MAX_HEIGHT - points[:, 2].abs()
    active = torch.arange(len(points))
    margin = 4 * grid.spacing
    focal = float(cameras.intrinsics[0, 0])
    for silhouette, pose in zip(silhouettes, cameras.poses, strict=True):
        active = active[field[active] > -margin]
        uv, depth = project_points(points[active], cameras.intrinsics, pose)
        distance = sample_image(torch.from_numpy(silhouette)[None], uv)[0] * depth / focal
        field[active] = torch.minimum(field[active], distance)
    return field.reshape(grid.shape).numpy()


def hull_grid(
    silhouettes: Float[np.ndarray, "N H H"], cameras: Cameras, spacing: float
) -> VoxelGrid:
    """Return the grid of the given spacing that just holds the hull.

    Raises:
        ValueError: The silhouettes share no volume.
    """
    reach = np.array([REACH, REACH, MAX_HEIGHT])
    coarse = VoxelGrid.around(-reach, reach, _COARSE)
    inside = hull_field(silhouettes, cameras, coarse) > -_COARSE
    if not inside.any():
        raise ValueError(
            "The silhouettes of the views share no volume; "
            "give 16 views of one object, in order, from the ring of cameras."
        )
    corners = np.argwhere(inside)
    origin = np.array(coarse.origin)
    low = origin + (corners.min(axis=0) - 1) * _COARSE
    high = origin + (corners.max(axis=0) + 1) * _COARSE
    return VoxelGrid.around(low, high, spacing)


def _lower_edge(
    depth: Float[np.ndarray, "H H"],
    mask: Float[np.ndarray, "H H"],
    intrinsics: Float[np.ndarray, "3 3"],
    pose: Float[np.ndarray, "3 4"],
) -> float:
    """Return the least height seen inside the mask, blind to errors one column wide."""
    shown = np.where(mask, depth, np.inf)
    columns = np.nonzero(np.isfinite(shown))[1]
    if not len(columns):
        return np.inf
    heights = np.full(depth.shape[1], np.inf)
    np.minimum.at(heights, columns, unproject(shown, intrinsics, pose)[:, 2])
    heights = heights[np.isfinite(heights)]
    return float(ndimage.grey_closing(heights, 3).min())


def supporting_heights(
    photographs: Photographs, field: Float[np.ndarray, "X Y Z"], grid: VoxelGrid
) -> tuple[float, float]:
    """Return the bottom and the top that the silhouettes still demand.

    No camera sees the underside, so the hull hangs down as a cone. Every silhouette pixel needs a
    point of the solid on its ray, and the first hit is the highest since all rays point downwards;
    so the solid may be cut at the lowest first hit. Each view names one; a low quantile of them is
    blind to single wrong views. Likewise the highest last hit is the least top. The object's box
    is centred at the origin, so top = -bottom: a flat top, on which the hull builds a cone too,
    is cut there.

    Args:
        photographs: The views.
        field: Their hull.
        grid: Where `field` stands.

    Returns:
        (bottom, top), world z.
    """
    vertices, faces = extract_surface(field, grid)
    cameras, size = photographs.cameras, photographs.cameras.image_size
    bottoms, tops = [], []
    for mask, pose in zip(photographs.masks, cameras.poses, strict=True):
        first = rasterize(vertices, faces, cameras.intrinsics, pose, size)
        bottoms.append(_lower_edge(first.depth, mask, cameras.intrinsics, pose))
        last = rasterize(vertices, faces, cameras.intrinsics, pose, size, farthest=True)
        hits = unproject(np.where(mask, last.depth, np.inf), cameras.intrinsics, pose)[:, 2]
        tops.append(float(np.quantile(hits, _TOP_QUANTILE)) if len(hits) else -np.inf)
    bottom = float(np.quantile(bottoms, _VIEW_QUANTILE))
    top = float(np.quantile(tops, 1 - _VIEW_QUANTILE))
    height = max(-bottom, top) + grid.spacing / 2
    return -height, height


def cut_heights(
    field: Float[np.ndarray, "X Y Z"], grid: VoxelGrid, bottom: float, top: float
) -> Float[np.ndarray, "X Y Z"]:
    """Return the field with everything below `bottom` and above `top` taken away."""
    z = grid.axis(2).astype(np.float32)
    return np.minimum(field, np.minimum(z - bottom, top - z)[None, None, :])


def as_volume(field: Float[np.ndarray, "X Y Z"]) -> Float[Tensor, "1 1 X Y Z"]:
    """Return the field as a torch volume for trilinear reading."""
    return torch.from_numpy(np.ascontiguousarray(field, dtype=np.float32))[None, None]
