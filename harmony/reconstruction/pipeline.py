"""The road from views to a mesh; each quality is one table entry."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from harmony.reconstruction.carving import COARSE_TO_FINE, CarvingRound, carve
from harmony.reconstruction.checks import checked_photographs
from harmony.reconstruction.colors import point_colors
from harmony.reconstruction.depth import rasterize_ring
from harmony.reconstruction.grid import VoxelGrid
from harmony.reconstruction.hull import (
    cut_heights,
    hull_field,
    hull_grid,
    signed_silhouettes,
    supporting_heights,
)
from harmony.reconstruction.records import (
    Photographs,
    Progress,
    Reconstruction,
    ReconstructionReport,
)
from harmony.reconstruction.rejection import without_contradictions
from harmony.reconstruction.surface import (
    decimate,
    extract_surface,
    is_watertight,
    largest_solid,
    smooth_surface,
    vertex_normals,
)
from harmony.records import Mesh, Views

OnProgress = Callable[[Progress], None]


@dataclass(frozen=True)
class Quality:
    """How much work goes into a mesh.

    Attributes:
        spacing: Distance of the field's grid points in world units.
        faces: About how many triangles the mesh has.
        smoothing: Rounds of Taubin smoothing.
        rounds: Rounds of stereo that carve the hull; none leaves the hull as it is.
    """

    spacing: float
    faces: int
    smoothing: int
    rounds: tuple[CarvingRound, ...] = ()


QUALITIES: Mapping[str, Quality] = {
    "draft": Quality(spacing=0.0125, faces=20_000, smoothing=3),
    "standard": Quality(spacing=0.01, faces=60_000, smoothing=3, rounds=COARSE_TO_FINE),
}


def reconstruct(
    views: Views, *, quality: str = "standard", on_progress: OnProgress | None = None
) -> Reconstruction:
    """Turn the views of one sample into a coloured, closed mesh.

    Args:
        views: One sample (S = 1) of 16 views of `harmony.cameras.target_cameras(H)`, H from 128
            to 512.
        quality: A key of `QUALITIES`.
        on_progress: Called often and at the end, in this thread. To stop, raise any exception
            from it: the exception passes through and nothing is left behind.

    Returns:
        The mesh in the canonical world (z up) and how well it explains the views.

    Raises:
        ValueError: The views cannot become a mesh (the sentence says why), or the quality is
            unknown.
    """
    if quality not in QUALITIES:
        raise ValueError(f"Quality is {quality!r}; it must be one of {sorted(QUALITIES)}.")
    settings = QUALITIES[quality]
    start = time.perf_counter()
    tell = on_progress or (lambda progress: None)
    tell(Progress("reading the views", 0.0))
    photographs = checked_photographs(views)
    tell(Progress("comparing the outlines", 0.02))
    photographs, rejected = without_contradictions(photographs)
    vertices, faces = solid_surface(photographs, settings, tell)
    tell(Progress("colouring", 0.85))
    normals = vertex_normals(vertices, faces)
    colors = point_colors(vertices, normals, (vertices, faces), photographs)
    tell(Progress("measuring", 0.95))
    report = ReconstructionReport(
        silhouette_iou=silhouette_iou(vertices, faces, photographs),
        watertight=is_watertight(faces),
        faces=len(faces),
        seconds=time.perf_counter() - start,
        rejected_views=rejected,
    )
    mesh = Mesh(vertices.astype(np.float32), faces.astype(np.int32), colors.astype(np.float32))
    tell(Progress("done", 1.0))
    return Reconstruction(mesh, report)


def solid_surface(
    photographs: Photographs, settings: Quality, tell: OnProgress
) -> tuple[Float[np.ndarray, "V 3"], Int[np.ndarray, "F 3"]]:
    """Return the surface of the object, carved as the quality says."""
    tell(Progress("carving the visual hull", 0.08))
    field, grid = ground_cut_hull(photographs, settings.spacing)
    if settings.rounds:
        field = carve(
            photographs,
            field,
            grid,
            settings.rounds,
            lambda share: tell(Progress("matching the views", 0.15 + 0.6 * share)),
        )
    tell(Progress("extracting the surface", 0.75))
    return finished_surface(field, grid, settings)


def ground_cut_hull(
    photographs: Photographs, spacing: float
) -> tuple[Float[np.ndarray, "X Y Z"], VoxelGrid]:
    """Return the visual hull between the ground and the top, and its grid."""
    silhouettes = signed_silhouettes(photographs.alpha)
    grid = hull_grid(silhouettes, photographs.cameras, spacing)
    field = largest_solid(hull_field(silhouettes, photographs.cameras, grid))
    bottom, top = supporting_heights(photographs, field, grid)
    return cut_heights(field, grid, bottom, top), grid


def finished_surface(
    field: Float[np.ndarray, "X Y Z"], grid: VoxelGrid, settings: Quality
) -> tuple[Float[np.ndarray, "V 3"], Int[np.ndarray, "F 3"]]:
    """Return the smoothed, decimated zero surface of the field's largest part."""
    vertices, faces = extract_surface(largest_solid(field), grid)
    vertices = smooth_surface(vertices, faces, settings.smoothing)
    return decimate(vertices, faces, settings.faces)


def silhouette_iou(
    vertices: Float[np.ndarray, "V 3"], faces: Int[np.ndarray, "F 3"], photographs: Photographs
) -> float:
    """Return the mean IoU of the mesh's silhouettes with the masks."""
    shares = []
    rasters = rasterize_ring(vertices, faces, photographs.cameras)
    for raster, mask in zip(rasters, photographs.masks, strict=True):
        covered = np.isfinite(raster.depth)
        shares.append((covered & mask).sum() / max(int((covered | mask).sum()), 1))
    return float(np.mean(shares))
