"""Cutting a surface into charts that lie flat: connected faces that look the same way.

Every face is given to one of the six axis directions, ragged borders are evened out by its
neighbours' votes, and each connected patch is projected along its direction. All faces of a patch
look towards the projection, so none is turned over.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from scipy import sparse
from scipy.sparse.csgraph import connected_components

_DIRECTIONS = np.concatenate([np.eye(3), -np.eye(3)])
_AXES = np.array([[1, 2], [2, 0], [0, 1], [2, 1], [0, 2], [1, 0]])
"""Which world axes become u and v, so that faces stay counter-clockwise."""
_ROUNDS = 3
_NEIGHBOUR_VOTE = 0.5
_LEAST_COSINE = 0.2
"""A face is never projected more slantwise than this: its texels would be stretched fivefold."""
_GAP = 2.0


@dataclass(frozen=True)
class Charts:
    """A mesh cut open along the borders of its charts.

    Attributes:
        vertex: (W,) the mesh vertex of each vertex of the cut.
        faces: (F, 3) in the same order as the mesh's.
        uv: (W, 2) in world units; charts lie side by side along u.
    """

    vertex: Int[np.ndarray, " W"]
    faces: Int[np.ndarray, "F 3"]
    uv: Float[np.ndarray, "W 2"]


def flat_charts(vertices: Float[np.ndarray, "V 3"], faces: Int[np.ndarray, "F 3"]) -> Charts:
    """Cut a mesh of at most unit size into flat charts."""
    pairs = _adjacent_faces(faces)
    direction = _directions(vertices, faces, pairs)
    together = pairs[direction[pairs[:, 0]] == direction[pairs[:, 1]]]
    joined = sparse.csr_array(
        (np.ones(len(together)), (together[:, 0], together[:, 1])), shape=(len(faces),) * 2
    )
    count, chart = connected_components(joined, directed=False)
    keys, corner = np.unique(chart[:, None] * len(vertices) + faces, return_inverse=True)
    owner, vertex = np.divmod(keys, len(vertices))
    of_chart = np.zeros(count, dtype=np.int64)
    of_chart[chart] = direction
    uv = np.take_along_axis(vertices[vertex], _AXES[of_chart[owner]], axis=1)
    uv[:, 0] += _GAP * owner
    return Charts(vertex, corner.reshape(-1, 3), uv)


def _adjacent_faces(faces: Int[np.ndarray, "F 3"]) -> Int[np.ndarray, "E 2"]:
    """Return the pairs of faces that share an edge of exactly two faces."""
    edges = np.sort(np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]), axis=1)
    face = np.tile(np.arange(len(faces)), 3)
    keys = edges[:, 0].astype(np.int64) * (int(faces.max()) + 1) + edges[:, 1]
    order = np.argsort(keys, kind="stable")
    first, counts = np.unique(keys[order], return_index=True, return_counts=True)[1:]
    start = first[counts == 2]  # noqa: PLR2004
    return np.stack([face[order[start]], face[order[start + 1]]], axis=1)


def _directions(
    vertices: Float[np.ndarray, "V 3"],
    faces: Int[np.ndarray, "F 3"],
    pairs: Int[np.ndarray, "E 2"],
) -> Int[np.ndarray, " F"]:
    """Return the row of `_DIRECTIONS` that each face is projected along."""
    a, b, c = (vertices[faces[:, corner]] for corner in range(3))
    normals = np.cross(b - a, c - a)
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
    cosine = normals @ _DIRECTIONS.T
    both = np.concatenate([pairs, pairs[:, ::-1]])
    neighbours = sparse.csr_array(
        (np.ones(len(both)), (both[:, 0], both[:, 1])), shape=(len(faces),) * 2
    )
    best = cosine.argmax(axis=1)
    allowed = cosine >= np.minimum(_LEAST_COSINE, cosine.max(axis=1, keepdims=True))
    for _ in range(_ROUNDS):
        votes = neighbours @ np.eye(len(_DIRECTIONS))[best]
        best = np.where(allowed, cosine + _NEIGHBOUR_VOTE * votes, -np.inf).argmax(axis=1)
    return best
