"""Views of simple solids, painted by the project's own rasteriser."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
import trimesh

from harmony.cameras import target_cameras
from harmony.reconstruction.depth import rasterize_ring
from harmony.records import Views

ViewMaker = Callable[..., Views]
Pattern = Callable[[np.ndarray], np.ndarray]


def world_pattern(points: np.ndarray) -> np.ndarray:
    """A smooth pattern in world space with detail at several scales."""
    waves = np.stack(
        [
            np.sin(23 * points[:, 0] + 11 * points[:, 2]) * np.cos(17 * points[:, 1]),
            np.sin(31 * points[:, 1] - 19 * points[:, 2]) * np.cos(13 * points[:, 0]),
            np.sin(29 * points[:, 2] + 7 * points[:, 1]) * np.cos(27 * points[:, 0]),
        ],
        axis=1,
    )
    return 0.4 + 0.3 * waves


@pytest.fixture(scope="session")
def ring_views() -> ViewMaker:
    def make(mesh: trimesh.Trimesh, size: int = 128) -> Views:
        cameras = target_cameras(size)
        rasters = rasterize_ring(mesh.vertices, mesh.faces, cameras)
        pixels = np.ones((16, size, size, 3))
        alpha = np.zeros((16, size, size))
        for k, raster in enumerate(rasters):
            hit = np.isfinite(raster.depth)
            rows, columns = np.nonzero(hit)
            z = raster.depth[hit]
            k_matrix, pose = cameras.intrinsics, cameras.poses[k]
            x = (columns + 0.5 - k_matrix[0, 2]) / k_matrix[0, 0] * z
            y = (rows + 0.5 - k_matrix[1, 2]) / k_matrix[1, 1] * z
            world = (np.stack([x, y, z], axis=1) - pose[:, 3]) @ pose[:, :3]
            pixels[k][hit] = world_pattern(world)
            alpha[k][hit] = 1.0
        return Views(
            torch.from_numpy(pixels).float().permute(0, 3, 1, 2)[None],
            torch.from_numpy(alpha).float()[None, :, None],
        )

    return make


@pytest.fixture(scope="session")
def ellipsoid() -> trimesh.Trimesh:
    mesh = trimesh.creation.icosphere(subdivisions=4, radius=1.0)
    mesh.apply_scale([0.3, 0.5, 0.25])
    return mesh


@pytest.fixture(scope="session")
def ellipsoid_views(ring_views: ViewMaker, ellipsoid: trimesh.Trimesh) -> Views:
    return ring_views(ellipsoid)


@pytest.fixture(scope="session")
def paint() -> Pattern:
    return world_pattern
