"""Joining the views' depths: consistency check, truncated signed distance, silhouette repair."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from scipy import ndimage
from torch import Tensor

from harmony.cameras import Cameras
from harmony.reconstruction.grid import VoxelGrid, project_points
from harmony.reconstruction.hull import as_volume
from harmony.reconstruction.stereo import relative_rays

_STEPS = (-2, -1, 1, 2)
_RAY_SAMPLES = 96
_RAY_REACH = 0.9
_VOTE_BLUR = 0.6
_DOUBTED, _TRUSTED = 2.0, 8.0
"""Sum of weights at which a point starts to be, and surely is, placed by depths that agree."""


def _lookup(image: Float[Tensor, "H W"], uv: Float[Tensor, "M 2"]) -> Float[Tensor, " M"]:
    """Read the nearest pixel; inf outside."""
    height, width = image.shape
    column, row = uv[:, 0].floor().long(), uv[:, 1].floor().long()
    inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
    value = image[row.clamp(0, height - 1), column.clamp(0, width - 1)]
    return torch.where(inside, value, torch.full_like(value, torch.inf))


def agreeing(
    depths: Float[Tensor, "N H W"], cameras: Cameras, tolerance: float
) -> Float[Tensor, "N H W"]:
    """Return how many of the four next views measured the same surface at each pixel.

    Args:
        depths: z along the optical axis; inf where there is none.
        cameras: Their cameras.
        tolerance: Largest difference of depth in world units.
    """
    count = len(depths)
    votes = torch.zeros_like(depths)
    for view in range(count):
        solid = torch.isfinite(depths[view])
        depth = depths[view][solid]
        for step in _STEPS:
            other = (view + step) % count
            rays, shift = relative_rays(cameras, view, other, (0, 0), depths.shape[1:])
            point = rays[:, solid] * depth + shift[:, None]
            seen = _lookup(depths[other], (point[:2] / point[2].clamp_min(1e-3)).T)
            votes[view][solid] += ((seen - point[2]).abs() < tolerance).float()
    return votes


def fuse(
    field: Float[np.ndarray, "X Y Z"],
    grid: VoxelGrid,
    depths: Float[Tensor, "N H W"],
    weights: Float[Tensor, "N H W"],
    cameras: Cameras,
    truncation: float,
    inertia: float,
) -> tuple[Float[np.ndarray, "X Y Z"], Float[np.ndarray, "X Y Z"]]:
    """Return the solid carved by depth (Curless and Levoy, 1996), inside the given one.

    Each view says depth - z, cut to the truncation, of the points up to one truncation behind its
    surface; the weighted mean decides. `inertia` is the weight with which every point votes to
    stay, so that a single stray depth bores no tunnel. The second volume says in [0, 1] how much
    the depths of several views agree on each point.

    Args:
        field: The solid to carve, positive inside, in world units.
        grid: Where it stands.
        depths: z along the optical axis; inf where there is none.
        weights: Trust in each depth; 0 ignores it.
        cameras: Their cameras.
        truncation: Half width of the band around a surface in world units.
        inertia: Weight of the solid itself.
    """
    flat = torch.from_numpy(field.reshape(-1).copy())
    active = torch.nonzero(flat > -2 * grid.spacing)[:, 0]
    points = grid.points()[active]
    total = torch.full((len(active),), inertia * truncation)
    weight = torch.full((len(active),), float(inertia))
    for depth, trust, pose in zip(depths, weights, cameras.poses, strict=True):
        uv, z = project_points(points, cameras.intrinsics, pose)
        share = _lookup(trust, uv)
        behind = z - _lookup(depth, uv)
        counts = torch.isfinite(behind) & (share > 0) & (behind < truncation)
        share = torch.where(counts, share, torch.zeros_like(share))
        total += share * torch.where(counts, behind.clamp_min(-truncation), torch.zeros_like(z))
        weight += share
    flat[active] = torch.minimum(flat[active], _blurred_ratio(total, weight, active, grid))
    trust = torch.zeros_like(flat)
    trust[active] = ((weight - inertia - _DOUBTED) / (_TRUSTED - _DOUBTED)).clamp(0, 1)
    return flat.reshape(field.shape).numpy(), trust.reshape(field.shape).numpy()


def _blurred_ratio(
    total: Float[Tensor, " K"], weight: Float[Tensor, " K"], active: Tensor, grid: VoxelGrid
) -> Float[Tensor, " K"]:
    """Return weighted means in which neighbouring points share their votes.

    Where few views look, as deep in a hollow, single votes would leave a sponge.
    """
    shared = []
    for votes in (total, weight):
        volume = torch.zeros(int(np.prod(grid.shape)))
        volume[active] = votes
        blurred = ndimage.gaussian_filter(volume.reshape(grid.shape).numpy(), _VOTE_BLUR)
        shared.append(torch.from_numpy(blurred).reshape(-1)[active])
    return shared[0] / shared[1].clamp_min(1e-6)


def repair_silhouettes(
    field: Float[np.ndarray, "X Y Z"],
    hull: Float[np.ndarray, "X Y Z"],
    grid: VoxelGrid,
    masks: Bool[np.ndarray, "N H H"],
    cameras: Cameras,
    rounds: int = 3,
) -> Float[np.ndarray, "X Y Z"]:
    """Return the field with matter put back where a silhouette pixel lost all of it.

    On each such ray the point that came closest to staying, within the hull, becomes solid.

    Args:
        field: Carved solid, positive inside.
        hull: What it was carved from.
        grid: Where both stand.
        masks: Silhouettes to be covered, without their outermost pixels.
        cameras: Their cameras.
        rounds: Passes over all views.
    """
    result = field.copy()
    for _ in range(rounds):
        lost = [
            _lost_points(as_volume(result), grid, mask, cameras.intrinsics, pose)
            for mask, pose in zip(masks, cameras.poses, strict=True)
        ]
        points = np.concatenate(lost)
        if not len(points):
            break
        base = np.floor((points - np.array(grid.origin)) / grid.spacing).astype(np.int64)
        for corner in np.ndindex(2, 2, 2):
            index = tuple((base + corner).clip(0, np.array(grid.shape) - 1).T)
            result[index] = np.maximum(result[index], np.minimum(hull[index], grid.spacing / 2))
    return result


def _lost_points(
    volume: Float[Tensor, "1 1 X Y Z"],
    grid: VoxelGrid,
    mask: Bool[np.ndarray, "H H"],
    intrinsics: Float[np.ndarray, "3 3"],
    pose: Float[np.ndarray, "3 4"],
) -> Float[np.ndarray, "K 3"]:
    """Return the best point of every mask pixel's ray that meets nothing solid."""
    rows, columns = np.nonzero(mask)
    rays = np.stack([columns + 0.5, rows + 0.5, np.ones(len(rows))]).T @ np.linalg.inv(intrinsics).T
    centre = -pose[:, :3].T @ pose[:, 3]
    directions = rays @ pose[:, :3]
    distance = float(pose[2, 3])
    depths = np.linspace(distance - _RAY_REACH, distance + _RAY_REACH, _RAY_SAMPLES)
    points = centre + directions[:, None] * depths[:, None]
    values = read_volume(volume, grid, torch.from_numpy(points).float().reshape(-1, 3))
    values = values.reshape(len(rows), _RAY_SAMPLES)
    best = values.argmax(dim=1).numpy()
    missing = values.max(dim=1).values.numpy() <= 0
    return points[np.arange(len(rows)), best][missing]


def read_volume(
    volume: Float[Tensor, "1 1 X Y Z"], grid: VoxelGrid, points: Float[Tensor, "M 3"]
) -> Float[Tensor, " M"]:
    """Read a field trilinearly at world points; -1 outside the grid."""
    shape = torch.tensor(grid.shape, dtype=torch.float32)
    index = (points - torch.tensor(grid.origin)) / grid.spacing
    inside = ((index >= 0) & (index <= shape - 1)).all(dim=1)
    # grid_sample names the last axis first.
    unit = (2 * index / (shape - 1) - 1).flip(1)[None, None, None]
    values = F.grid_sample(volume, unit, align_corners=True)[0, 0, 0, 0]
    return torch.where(inside, values, torch.full_like(values, -1.0))
