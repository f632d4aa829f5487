"""The solid that a surface encloses, for meshes whose parts overlap or whose walls face both ways."""

from __future__ import annotations

from typing import cast

import numpy as np
import trimesh
from jaxtyping import Bool, Float, Int
from scipy import ndimage
from scipy.spatial import KDTree

from harmony.reconstruction.grid import VoxelGrid
from harmony.reconstruction.surface import extract_surface

_SPACING = 0.008
_SAMPLES_PER_CELL = 6.0
_BAND = 0.87
"""Half a cell's diagonal: cells whose centre is nearer than this to the surface touch it."""


def enclosed_solid(
    vertices: Float[np.ndarray, "V 3"], faces: Int[np.ndarray, "F 3"], spacing: float = _SPACING
) -> tuple[Float[np.ndarray, "W 3"], Int[np.ndarray, "G 3"]]:
    """Return the closed outer surface of everything that cannot be reached from outside.

    Cells that the surface touches are walls, a flood from outside finds the rest; every wall cell
    then takes the side of its nearest cell that is no wall, with its distance to the surface as
    the field's value. Walls thinner than two cells enclose nothing and vanish.

    Args:
        vertices: World coordinates.
        faces: Corner indices, of either orientation, of any number of overlapping parts.
        spacing: Side of a cell in world units.

    Raises:
        ValueError: Nothing is enclosed: the surface has holes wider than a cell, or is flat.
    """
    shape = trimesh.Trimesh(vertices, faces, process=False)
    count = int(_SAMPLES_PER_CELL * float(shape.area) / spacing**2)
    samples = np.asarray(trimesh.sample.sample_surface(shape, count, seed=0)[0])
    margin = 3 * spacing
    grid = VoxelGrid.around(samples.min(axis=0) - margin, samples.max(axis=0) + margin, spacing)
    distance = _distance_near(samples, grid)
    wall = distance < _BAND * spacing
    labels = cast(tuple[np.ndarray, int], ndimage.label(~wall))[0]
    inside = _spread_over_walls(~wall & (labels != labels[0, 0, 0]), wall)
    if not inside.any():
        raise ValueError("The surface encloses nothing at this spacing.")
    return extract_surface(np.where(inside, distance, -distance), grid)


def _distance_near(
    samples: Float[np.ndarray, "M 3"], grid: VoxelGrid
) -> Float[np.ndarray, "X Y Z"]:
    """Return each cell's distance to the samples, cut to three cells."""
    limit = 3 * grid.spacing
    cells = np.round((samples - np.array(grid.origin)) / grid.spacing).astype(np.int64)
    touched = np.zeros(grid.shape, dtype=bool)
    touched[tuple(cells.T)] = True
    near = np.asarray(ndimage.binary_dilation(touched, iterations=3), dtype=bool)
    points = np.argwhere(near) * grid.spacing + np.array(grid.origin)
    result = np.full(grid.shape, limit)
    found = KDTree(samples).query(points, distance_upper_bound=limit)[0]
    result[near] = np.minimum(np.asarray(found), limit)
    return result


def _spread_over_walls(
    inside: Bool[np.ndarray, "X Y Z"], wall: Bool[np.ndarray, "X Y Z"]
) -> Bool[np.ndarray, "X Y Z"]:
    """Return `inside` with every wall cell on the side of its nearest other cell."""
    nearest = np.asarray(
        ndimage.distance_transform_edt(wall, return_distances=False, return_indices=True)
    )
    return inside[tuple(nearest)]
