"""How close a mesh is to the true one: Chamfer distance of what the cameras see, volume IoU.

The protocol of SyncDreamer (arXiv 2309.03453) and HarmonyView (arXiv 2312.15980): neither mesh
is normalised or aligned, so both must already stand in the canonical world.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.spatial import KDTree

from harmony.cameras import target_cameras
from harmony.reconstruction.depth import covered_samples, rasterize_ring, unproject

EVALUATION_SIZE = 256
VOXEL_SIZE = 0.01
GRID_SIZE = 64
# Sample columns are moved off the round numbers at which mesh vertices like to lie.
_JITTER = np.array([3.1e-6, 5.7e-6])


def visible_points(
    vertices: Float[np.ndarray, "V 3"], faces: Int[np.ndarray, "F 3"]
) -> Float[np.ndarray, "K 3"]:
    """Return the merged, voxel-downsampled points that the 16 cameras see.

    As in the protocol, pixels are back-projected at their integer index (half a pixel off the
    centre), alike for every mesh.

    Args:
        vertices: World coordinates.
        faces: Corner indices.

    Returns:
        One mean point for each occupied voxel of side 0.01.

    Raises:
        ValueError: No camera sees the mesh.
    """
    cameras = target_cameras(EVALUATION_SIZE)
    rasters = rasterize_ring(vertices, faces, cameras)
    clouds = [
        unproject(raster.depth, cameras.intrinsics, pose, offset=0.0)
        for raster, pose in zip(rasters, cameras.poses, strict=True)
    ]
    points = np.concatenate(clouds)
    if not len(points):
        raise ValueError("No camera sees the mesh; check that it stands around the origin.")
    return _voxel_mean(points, VOXEL_SIZE)


def _voxel_mean(points: Float[np.ndarray, "M 3"], size: float) -> Float[np.ndarray, "K 3"]:
    """Return the mean of the points in each voxel of a grid that starts half a voxel below."""
    cells = np.floor((points - (points.min(axis=0) - size / 2)) / size).astype(np.int64)
    extent = cells.max(axis=0) + 1
    keys = np.ravel_multi_index(tuple(cells.T), tuple(extent))
    _, owner, counts = np.unique(keys, return_inverse=True, return_counts=True)
    sums = [np.bincount(owner, weights=points[:, axis]) for axis in range(3)]
    return np.stack(sums, axis=1) / counts[:, None]


def chamfer_distance(
    vertices: Float[np.ndarray, "V 3"],
    faces: Int[np.ndarray, "F 3"],
    true_vertices: Float[np.ndarray, "W 3"],
    true_faces: Int[np.ndarray, "G 3"],
) -> float:
    """Return the Chamfer distance of the visible surfaces in world units; lower is better.

    (mean_p min_q |p - q| + mean_q min_p |p - q|) / 2 over the points of `visible_points`, with
    plain (not squared) Euclidean distances.

    Raises:
        ValueError: No camera sees one of the meshes.
    """
    points = visible_points(vertices, faces)
    truth = visible_points(true_vertices, true_faces)
    to_truth = KDTree(truth).query(points)[0].mean()
    to_points = KDTree(points).query(truth)[0].mean()
    return float((to_truth + to_points) / 2)


def inside_grid(
    vertices: Float[np.ndarray, "V 3"], faces: Int[np.ndarray, "F 3"], size: int = GRID_SIZE
) -> Bool[np.ndarray, "X Y Z"]:
    """Return which points -1 + 2 i / size of a regular grid lie inside a closed mesh.

    A point is inside where a ray towards +z crosses the surface an odd number of times.

    Args:
        vertices: World coordinates in [-1, 1].
        faces: Corner indices of a closed surface.
        size: Points along each axis.
    """
    # In units of the grid, point (i, j) is the centre of "pixel" (i, j) of a picture along z.
    scaled = (np.asarray(vertices, dtype=np.float64) + 1.0) * (size / 2)
    corners = scaled[:, :2][faces] + 0.5 + _JITTER
    heights = scaled[:, 2][faces]
    crossings = np.zeros((size * size, size + 1), dtype=np.int64)
    for face, pixel, weights in covered_samples(corners, size, size):
        z = np.einsum("ck,kc->k", weights, heights[face])
        # The surface lies above the grid points 0 .. ceil(z) - 1 of its column.
        np.add.at(crossings, (pixel, np.ceil(z).astype(np.int64).clip(0, size)), 1)
    above = crossings[:, ::-1].cumsum(axis=1)[:, ::-1][:, 1:]
    return (above % 2 == 1).reshape(size, size, size).transpose(1, 0, 2)


def volume_iou(
    vertices: Float[np.ndarray, "V 3"],
    faces: Int[np.ndarray, "F 3"],
    true_vertices: Float[np.ndarray, "W 3"],
    true_faces: Int[np.ndarray, "G 3"],
) -> float:
    """Return intersection over union of the two solids on a 64^3 grid over [-1, 1]^3.

    Raises:
        ValueError: Both meshes enclose no grid point.
    """
    solid = inside_grid(vertices, faces)
    truth = inside_grid(true_vertices, true_faces)
    union = int((solid | truth).sum())
    if union == 0:
        raise ValueError("Neither mesh encloses a grid point; check their scale.")
    return float((solid & truth).sum() / union)
