"""A small software rasteriser: depth and face index of a mesh as cameras see it.

Vectorised over triangles and their candidate pixels; no window, no graphics driver. A pixel is
sampled at its centre (column + 0.5, row + 0.5); depth is z in OpenCV camera axes, not ray length.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from harmony.cameras import Cameras

_CHUNK = 4_000_000
_NEAR = 1e-3


@dataclass(frozen=True)
class Raster:
    """What one camera sees of a mesh.

    Attributes:
        depth: (H, W) z along the optical axis; inf where nothing is hit.
        face: (H, W) index of the face in front; -1 where nothing is hit.
    """

    depth: Float[np.ndarray, "H W"]
    face: Int[np.ndarray, "H W"]


def project(
    points: Float[np.ndarray, "M 3"],
    intrinsics: Float[np.ndarray, "3 3"],
    pose: Float[np.ndarray, "3 4"],
) -> tuple[Float[np.ndarray, "M 2"], Float[np.ndarray, " M"]]:
    """Return picture coordinates in pixels (edge based) and depth of world points."""
    camera = points @ pose[:, :3].T + pose[:, 3]
    image = camera @ intrinsics.T
    return image[:, :2] / np.maximum(image[:, 2:], _NEAR), camera[:, 2]


def covered_samples(
    corners: Float[np.ndarray, "F 3 2"], height: int, width: int
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Yield (face, pixel, barycentric) of every pixel centre that a triangle covers.

    Args:
        corners: Triangles in pixels, edge based; either orientation.
        height: Rows of the picture.
        width: Columns of the picture.

    Yields:
        Chunks: face (K,) index, pixel (K,) row * width + column, barycentric (3, K).
    """
    a, b, c = corners[:, 0], corners[:, 1], corners[:, 2]
    # Written out: reductions over an axis of length 3 are slow.
    least, most = np.minimum(np.minimum(a, b), c), np.maximum(np.maximum(a, b), c)
    low = np.ceil(least - 0.5).clip(0, None).astype(np.int64)
    high = np.floor(most - 0.5).astype(np.int64)
    high = np.minimum(high, np.array([width - 1, height - 1]))
    size = (high - low + 1).clip(0, None)
    counts = size[:, 0] * size[:, 1]
    ends = np.cumsum(counts)
    total = int(ends[-1]) if len(ends) else 0
    bounds = np.searchsorted(ends, np.arange(_CHUNK, total + _CHUNK, _CHUNK), side="left") + 1
    first = 0
    for last in np.minimum(bounds, len(counts)):
        faces = np.arange(first, last)
        first = int(last)
        part = counts[faces]
        face = np.repeat(faces, part)
        if not len(face):
            continue
        index = np.arange(len(face)) - np.repeat(np.cumsum(part) - part, part)
        column = low[face, 0] + index % size[face, 0]
        row = low[face, 1] + index // size[face, 0]
        weights = _barycentric(corners, face, column + 0.5, row + 0.5)
        inside = (weights[0] >= 0) & (weights[1] >= 0) & (weights[2] >= 0)
        yield face[inside], (row * width + column)[inside], weights[:, inside]


def _barycentric(
    corners: Float[np.ndarray, "F 3 2"], face: np.ndarray, x: np.ndarray, y: np.ndarray
) -> Float[np.ndarray, "3 K"]:
    """Return barycentric weights of (x, y); negative for triangles without area."""
    a, b, c = corners[:, 0], corners[:, 1], corners[:, 2]
    area = (b[:, 0] - a[:, 0]) * (c[:, 1] - a[:, 1]) - (b[:, 1] - a[:, 1]) * (c[:, 0] - a[:, 0])
    flat = area == 0
    scale = np.where(flat, 0.0, 1.0 / np.where(flat, 1.0, area))

    def weight(p: np.ndarray, q: np.ndarray) -> np.ndarray:
        edge = q - p
        return (edge[face, 0] * (y - p[face, 1]) - edge[face, 1] * (x - p[face, 0])) * scale[face]

    first, second = weight(b, c), weight(c, a)
    first[flat[face]] = -1.0
    return np.stack([first, second, 1.0 - first - second])


def rasterize(
    vertices: Float[np.ndarray, "V 3"],
    faces: Int[np.ndarray, "F 3"],
    intrinsics: Float[np.ndarray, "3 3"],
    pose: Float[np.ndarray, "3 4"],
    image_size: int,
    *,
    farthest: bool = False,
) -> Raster:
    """Render depth and face index; both sides of a face are visible.

    Args:
        vertices: World coordinates.
        faces: Corner indices.
        intrinsics: K of an `image_size` picture.
        pose: World to camera.
        image_size: H = W.
        farthest: Keep the last surface along each ray instead of the first.

    Returns:
        The raster; faces with a corner behind the camera are left out.
    """
    pixels, depth = project(np.asarray(vertices, dtype=np.float64), intrinsics, pose)
    behind = depth <= _NEAR
    in_front = ~(behind[faces[:, 0]] | behind[faces[:, 1]] | behind[faces[:, 2]])
    kept = np.flatnonzero(in_front)
    corners = pixels[faces[kept]]
    inverse = 1.0 / depth[faces[kept]]
    sign = -1.0 if farthest else 1.0
    nearest = np.full(image_size * image_size, np.inf)
    owner = np.full(image_size * image_size, -1, dtype=np.int64)
    for face, pixel, weights in covered_samples(corners, image_size, image_size):
        # Inverse depth is linear in the picture plane.
        z = sign / np.einsum("ck,kc->k", weights, inverse[face])
        np.minimum.at(nearest, pixel, z)
        front = z == nearest[pixel]
        owner[pixel[front]] = kept[face[front]]
    depth_map = np.where(owner >= 0, sign * nearest, np.inf)
    shape = (image_size, image_size)
    return Raster(depth_map.reshape(shape), owner.reshape(shape))


def rasterize_ring(
    vertices: Float[np.ndarray, "V 3"], faces: Int[np.ndarray, "F 3"], cameras: Cameras
) -> list[Raster]:
    """Render one raster for each camera."""
    return [
        rasterize(vertices, faces, cameras.intrinsics, pose, cameras.image_size)
        for pose in cameras.poses
    ]


@dataclass(frozen=True)
class Hits:
    """The covered pixels of a raster.

    Attributes:
        pixel: (K,) row * width + column.
        face: (K,) the face in front.
        weights: (3, K) barycentric weights of its corners on the surface, summing to 1.
    """

    pixel: Int[np.ndarray, " K"]
    face: Int[np.ndarray, " K"]
    weights: Float[np.ndarray, "3 K"]


def surface_hits(
    raster: Raster,
    vertices: Float[np.ndarray, "V 3"],
    faces: Int[np.ndarray, "F 3"],
    intrinsics: Float[np.ndarray, "3 3"],
    pose: Float[np.ndarray, "3 4"],
) -> Hits:
    """Return where on its faces each covered pixel's centre falls."""
    pixel = np.flatnonzero(raster.face.reshape(-1) >= 0)
    face = raster.face.reshape(-1)[pixel]
    corners, depth = project(np.asarray(vertices, dtype=np.float64), intrinsics, pose)
    row, column = np.divmod(pixel, raster.face.shape[1])
    around = faces[face]
    weights = _barycentric(corners[around], np.arange(len(face)), column + 0.5, row + 0.5)
    # Weights of the picture plane become those of the surface.
    weights = weights / depth[around].T
    return Hits(pixel, face, weights / weights.sum(axis=0))


def unproject(
    depth: Float[np.ndarray, "H W"],
    intrinsics: Float[np.ndarray, "3 3"],
    pose: Float[np.ndarray, "3 4"],
    *,
    offset: float = 0.5,
) -> Float[np.ndarray, "K 3"]:
    """Return the world points of all finite depths.

    Args:
        depth: z along the optical axis, inf where there is none.
        intrinsics: K of the picture.
        pose: World to camera.
        offset: Added to column and row; 0.5 is the pixel centre, at which depth was sampled.
    """
    rows, columns = np.nonzero(np.isfinite(depth))
    z = depth[rows, columns]
    x = (columns + offset - intrinsics[0, 2]) / intrinsics[0, 0] * z
    y = (rows + offset - intrinsics[1, 2]) / intrinsics[1, 1] * z
    return (np.stack([x, y, z], axis=1) - pose[:, 3]) @ pose[:, :3]
