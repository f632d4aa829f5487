"""Where the volumes' cells fall in the views, and where the views' rays fall in the volume.

The cameras are fixed, so both sampling grids are computed once.

Half-pixel quirk: pictures are edge based (pixel i covers [i, i + 1)), but SyncDreamer's
networks treat a projected coordinate as the index of a cell's centre and sample with
`align_corners=True` (official `SpatialTime3DNet` / `SpatialVolumeNet`; ARCHITECTURE 3.2, 3.3).
The released weights were trained that way, so it is reproduced here and nowhere else.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from harmony.cameras import DISTANCE, ELEVATION_DEG, intrinsics, look_at_origin
from harmony.models.syncdreamer.config import SyncDreamerConfig

VOLUME_HALF_SIDE = 0.5
"""The spatial volume spans [-0.5, 0.5] in every world axis."""
FRUSTUM_HALF_DEPTH = 0.86603
"""Frustums reach this far before and behind the origin (sqrt(3)/2, as the official code rounds it)."""
MIN_DEPTH = 1e-4


def _poses(view_count: int) -> Float[np.ndarray, "N 3 4"]:
    azimuths = np.arange(view_count) * (360.0 / view_count)
    return np.stack([look_at_origin(azimuth, ELEVATION_DEG) for azimuth in azimuths])


def _feature_intrinsics(config: SyncDreamerConfig) -> Float[np.ndarray, "3 3"]:
    scale = config.latent_size / config.image_size
    return np.diag([scale, scale, 1.0]) @ intrinsics(config.image_size)


def unprojection_grid(config: SyncDreamerConfig) -> Float[Tensor, "N V 2"]:
    """Return each volume vertex's place in each view's feature map, for `grid_sample`.

    Vertices are flattened in (z, y, x) order; coordinates are (x, y) in `align_corners=True`
    units, where -1 and 1 are the centres of the first and last cell.
    """
    side = np.linspace(-VOLUME_HALF_SIDE, VOLUME_HALF_SIDE, config.volume.spatial_size)
    z, y, x = np.meshgrid(side, side, side, indexing="ij")
    points = np.stack([x, y, z]).reshape(3, -1)
    poses = _poses(config.view_count)
    projected = _feature_intrinsics(config) @ (poses[:, :, :3] @ points + poses[:, :, 3:])
    pixels = projected[:, :2] / np.maximum(projected[:, 2:], MIN_DEPTH)
    normalised = pixels / ((config.latent_size - 1) / 2) - 1
    return torch.from_numpy(normalised.transpose(0, 2, 1)).float()


def frustum_depths(config: SyncDreamerConfig) -> Float[np.ndarray, " D"]:
    """Return the depths along the optical axis at which frustums are sampled, both ends included."""
    near, far = DISTANCE - FRUSTUM_HALF_DEPTH, DISTANCE + FRUSTUM_HALF_DEPTH
    return np.linspace(near, far, config.volume.frustum_depth)


def frustum_grid(config: SyncDreamerConfig) -> Float[Tensor, "N D h w 3"]:
    """Return each frustum cell's place in the spatial volume, for `grid_sample`.

    Coordinates are (x, y, z) with -1 and 1 at the volume's first and last vertex.
    """
    index = np.arange(config.latent_size, dtype=np.float64)
    rows, columns = np.meshgrid(index, index, indexing="ij")
    rays = np.stack([columns, rows, np.ones_like(rows)]).reshape(3, -1)
    rays = np.linalg.inv(_feature_intrinsics(config)) @ rays
    in_camera = frustum_depths(config)[:, None, None] * rays
    poses = _poses(config.view_count)[:, None]
    points = poses[..., :3].swapaxes(-1, -2) @ (in_camera - poses[..., 3:])
    shape = (len(poses), config.volume.frustum_depth, *rows.shape, 3)
    normalised = points.swapaxes(-1, -2).reshape(shape) / VOLUME_HALF_SIDE
    return torch.from_numpy(np.ascontiguousarray(normalised)).float()


def elevation_to_rad(elevation_deg: float) -> Float[Tensor, " 1"]:
    """Return an input elevation as the networks want it, radians, float32."""
    return torch.tensor([math.radians(elevation_deg)], dtype=torch.float32)
