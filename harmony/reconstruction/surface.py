"""From a field to a clean, closed triangle surface."""

from __future__ import annotations

import fast_simplification
import mcubes
import numpy as np
from jaxtyping import Float, Int
from scipy import ndimage, sparse

from harmony.reconstruction.grid import VoxelGrid
from harmony.reconstruction.parts import TINY

_BAND = 3.0
"""A field is smoothed where it is within so many grid steps of its zero."""


def regularised(
    field: Float[np.ndarray, "X Y Z"], trust: Float[np.ndarray, "X Y Z"], deviation: float
) -> Float[np.ndarray, "X Y Z"]:
    """Return the field smoothed where nothing demands detail.

    Args:
        field: Positive inside, distances in units of the grid's spacing.
        trust: How sure each value is, in [0, 1]; 1 keeps it.
        deviation: Of the Gaussian, in grid steps; 0 smooths nothing.
    """
    if deviation <= 0:
        return field
    band = field.clip(-_BAND, _BAND)
    return trust * band + (1 - trust) * ndimage.gaussian_filter(band, deviation)


def extract_surface(
    field: Float[np.ndarray, "X Y Z"], grid: VoxelGrid
) -> tuple[Float[np.ndarray, "V 3"], Int[np.ndarray, "F 3"]]:
    """Return the zero surface by marching cubes, closed, faces counter-clockwise from outside.

    Args:
        field: Positive inside.
        grid: Where it stands.

    Raises:
        ValueError: Nothing is inside.
    """
    if not (field > 0).any():
        raise ValueError(
            "Nothing is left inside all silhouettes; the views contradict each other too much."
        )
    padded = np.pad(field.astype(np.float64), 1, constant_values=-grid.spacing)
    padded = np.where(np.abs(padded) < TINY, -TINY, padded)
    vertices, faces = mcubes.marching_cubes(-padded, 0.0)
    world = np.array(grid.origin) + (vertices - 1) * grid.spacing
    faces = faces.astype(np.int64)
    if signed_volume(world, faces) < 0:
        faces = faces[:, ::-1]
    return world, np.ascontiguousarray(faces)


def signed_volume(vertices: Float[np.ndarray, "V 3"], faces: Int[np.ndarray, "F 3"]) -> float:
    """Return the enclosed volume; negative where faces are clockwise seen from outside."""
    a, b, c = (vertices[faces[:, corner]] for corner in range(3))
    return float(np.einsum("ij,ij->i", a, np.cross(b, c)).sum() / 6)


def is_watertight(faces: Int[np.ndarray, "F 3"]) -> bool:
    """Return whether every directed edge meets its opposite exactly once."""
    if not len(faces):
        return False
    edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]).astype(np.int64)
    base = int(faces.max()) + 1
    forward = np.sort(edges[:, 0] * base + edges[:, 1])
    backward = np.sort(edges[:, 1] * base + edges[:, 0])
    return bool((np.diff(forward) > 0).all() and np.array_equal(forward, backward))


def smooth_surface(
    vertices: Float[np.ndarray, "V 3"], faces: Int[np.ndarray, "F 3"], rounds: int
) -> Float[np.ndarray, "V 3"]:
    """Return vertices after Taubin smoothing (lambda 0.5, mu -0.53), which keeps the volume."""
    neighbours = adjacency(faces, len(vertices))
    degree = np.maximum(np.asarray(neighbours.sum(axis=1)).ravel(), 1.0)
    average = sparse.diags_array(1.0 / degree) @ neighbours
    result = np.asarray(vertices, dtype=np.float64)
    for _ in range(rounds):
        for step in (0.5, -0.53):
            result = result + step * (average @ result - result)
    return result


def adjacency(faces: Int[np.ndarray, "F 3"], count: int) -> sparse.csr_array:
    """Return the (V, V) 0/1 matrix of vertices that share an edge."""
    a = np.concatenate([faces[:, 0], faces[:, 1], faces[:, 2]])
    b = np.concatenate([faces[:, 1], faces[:, 2], faces[:, 0]])
    ones = np.ones(2 * len(a))
    matrix = sparse.csr_array(
        (ones, (np.concatenate([a, b]), np.concatenate([b, a]))), shape=(count, count)
    )
    matrix.data[:] = 1.0
    return matrix


def decimate(
    vertices: Float[np.ndarray, "V 3"], faces: Int[np.ndarray, "F 3"], target: int
) -> tuple[Float[np.ndarray, "V 3"], Int[np.ndarray, "F 3"]]:
    """Return a surface of about `target` faces (quadric edge collapse).

    Where the collapse would open a closed surface, a milder one is tried, at last none.
    """
    closed = is_watertight(faces)
    for goal, greed in ((target, 7.0), (target, 3.0), (2 * target, 7.0), (4 * target, 7.0)):
        if len(faces) <= goal:
            break
        points, triangles = fast_simplification.simplify(
            np.asarray(vertices, dtype=np.float64), faces, target_count=goal, agg=greed
        )[:2]
        triangles = np.asarray(triangles, dtype=np.int64)
        if not closed or is_watertight(triangles):
            return np.asarray(points, dtype=np.float64), triangles
    return vertices, faces


def vertex_normals(
    vertices: Float[np.ndarray, "V 3"], faces: Int[np.ndarray, "F 3"]
) -> Float[np.ndarray, "V 3"]:
    """Return outward unit normals, faces weighted by area."""
    a, b, c = (vertices[faces[:, corner]] for corner in range(3))
    normals = np.cross(b - a, c - a)
    total = np.zeros_like(vertices, dtype=np.float64)
    for corner in range(3):
        for axis in range(3):
            total[:, axis] += np.bincount(
                faces[:, corner], weights=normals[:, axis], minlength=len(vertices)
            )
    length = np.linalg.norm(total, axis=1, keepdims=True)
    return total / np.maximum(length, 1e-12)
