"""The road from views to a mesh; each quality is one table entry."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int

from harmony.reconstruction.carving import COARSE_TO_FINE, CarvingRound, carve, covering
from harmony.reconstruction.checks import checked_photographs
from harmony.reconstruction.colors import point_colors
from harmony.reconstruction.depth import Raster, rasterize_ring
from harmony.reconstruction.grid import VoxelGrid
from harmony.reconstruction.hull import (
    cut_heights,
    hull_field,
    hull_grid,
    signed_silhouettes,
    supporting_heights,
)
from harmony.reconstruction.neus import NeusSettings, refine
from harmony.reconstruction.parts import whole_solid
from harmony.reconstruction.records import (
    Photographs,
    Progress,
    Reconstruction,
    ReconstructionReport,
)
from harmony.reconstruction.registration import RegistrationSettings, registered
from harmony.reconstruction.rejection import without_contradictions
from harmony.reconstruction.surface import (
    decimate,
    extract_surface,
    is_watertight,
    regularised,
    smooth_surface,
    vertex_normals,
)
from harmony.records import Mesh, Views

_INCOHERENT = 0.15
"""Residual of the outlines, in pixels of 256, from which the regularisation is full."""

OnProgress = Callable[[Progress], None]


@dataclass(frozen=True)
class Quality:
    """How much work goes into a mesh.

    Attributes:
        spacing: Distance of the field's grid points in world units.
        faces: About how many triangles the mesh has.
        smoothing: Rounds of Taubin smoothing.
        regularisation: Deviation in world units of the smoothing where depths do not agree, for
            views whose outlines contradict each other; views of a real object get none.
        registration: How views are aligned with each other first; None takes them as they are.
        rounds: Rounds of stereo that carve the hull; none leaves the hull as it is.
        neus: Refinement by volume rendering after the carving, for a GPU.
    """

    spacing: float
    faces: int
    smoothing: int
    regularisation: float = 0.0
    registration: RegistrationSettings | None = None
    rounds: tuple[CarvingRound, ...] = ()
    neus: NeusSettings | None = None


QUALITIES: Mapping[str, Quality] = {
    "draft": Quality(spacing=0.0125, faces=20_000, smoothing=3),
    "standard": Quality(
        spacing=0.01,
        faces=40_000,
        smoothing=3,
        regularisation=0.02,
        registration=RegistrationSettings(),
        rounds=COARSE_TO_FINE,
    ),
    "fine": Quality(
        spacing=0.008,
        faces=80_000,
        smoothing=2,
        regularisation=0.02,
        registration=RegistrationSettings(),
        rounds=COARSE_TO_FINE,
        neus=NeusSettings(),
    ),
}


def reconstruct(
    views: Views,
    *,
    quality: str = "standard",
    device: torch.device | str = "cpu",
    on_progress: OnProgress | None = None,
) -> Reconstruction:
    """Turn the views of one sample into a coloured, closed mesh.

    Args:
        views: One sample (S = 1) of 16 views of `harmony.cameras.target_cameras(H)`, H from 128
            to 512.
        quality: A key of `QUALITIES`.
        device: Where "fine" optimises; the other qualities always run on the CPU.
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
    given = checked_photographs(views)
    tell(Progress("comparing the outlines", 0.02))
    photographs, rejected, residual = agreeing_views(given, settings.registration, tell)
    vertices, faces = solid_surface(photographs, residual, settings, torch.device(device), tell)
    tell(Progress("colouring", 0.85))
    rasters = rasterize_ring(vertices, faces, given.cameras)
    kept = [rasters[index] for index in photographs.indices]
    colors = point_colors(vertices, vertex_normals(vertices, faces), kept, photographs)
    tell(Progress("measuring", 0.95))
    ious = silhouette_ious(rasters, given)
    report = ReconstructionReport(
        silhouette_iou=float(np.mean(ious)),
        view_ious=ious,
        watertight=is_watertight(faces),
        faces=len(faces),
        seconds=time.perf_counter() - start,
        rejected_views=rejected,
    )
    mesh = Mesh(vertices.astype(np.float32), faces.astype(np.int32), colors.astype(np.float32))
    tell(Progress("done", 1.0))
    return Reconstruction(mesh, report, photographs, tuple(rasters))


def agreeing_views(
    given: Photographs, registration: RegistrationSettings | None, tell: OnProgress
) -> tuple[Photographs, tuple[int, ...], float]:
    """Return the views aligned with each other, the numbers of those left out, and the residual.

    Contradictions are looked for first: aligned with the others, a wrong view bends them to itself
    and is not found any more.
    """
    kept, rejected = without_contradictions(given)
    if registration is None:
        return kept, rejected, 0.0

    def aligning(share: float) -> None:
        tell(Progress("aligning the views", 0.05 + 0.1 * share))

    aligned = registered(kept, registration, aligning)
    return aligned.photographs, rejected, aligned.residual


def solid_surface(
    photographs: Photographs,
    residual: float,
    settings: Quality,
    device: torch.device,
    tell: OnProgress,
) -> tuple[Float[np.ndarray, "V 3"], Int[np.ndarray, "F 3"]]:
    """Return the surface of the object, carved as the quality says.

    Args:
        photographs: The views.
        residual: By how much they still disagree (`Registration`).
        settings: The quality.
        device: Where "fine" optimises.
        tell: Called with the progress.
    """
    tell(Progress("carving the visual hull", 0.15))
    hull, grid = ground_cut_hull(photographs, settings.spacing)
    share_of_stereo = 0.2 if settings.neus else 0.55

    def matching(share: float) -> None:
        tell(Progress("matching the views", 0.2 + share_of_stereo * share))

    def refining(share: float) -> None:
        tell(Progress("refining", 0.4 + 0.35 * share))

    field, trust = carve(photographs, hull, grid, settings.rounds, matching)
    if settings.neus:
        refined = refine(photographs, field, grid, settings.neus, device, refining)
        # Where no view looks, under the object, the optimiser knows less than the hull.
        field = np.minimum(hull, refined)
    tell(Progress("extracting the surface", 0.75))
    deviation = settings.regularisation * min(1.0, residual / _INCOHERENT)
    field = regularised(field / grid.spacing, trust, deviation / grid.spacing) * grid.spacing
    if settings.registration and residual > settings.registration.coherent:
        # So wide a filter swallows what is thin, such as a leg or the edge of a base.
        field = covering(field, hull, grid, photographs)
    return finished_surface(field, grid, settings)


def ground_cut_hull(
    photographs: Photographs, spacing: float
) -> tuple[Float[np.ndarray, "X Y Z"], VoxelGrid]:
    """Return the visual hull between the ground and the top, and its grid."""
    silhouettes = signed_silhouettes(photographs.alpha)
    grid = hull_grid(silhouettes, photographs.cameras, spacing)
    field = whole_solid(hull_field(silhouettes, photographs.cameras, grid), grid.spacing)
    bottom, top = supporting_heights(photographs, field, grid)
    return cut_heights(field, grid, bottom, top), grid


def finished_surface(
    field: Float[np.ndarray, "X Y Z"], grid: VoxelGrid, settings: Quality
) -> tuple[Float[np.ndarray, "V 3"], Int[np.ndarray, "F 3"]]:
    """Return the smoothed, decimated zero surface of the field, in one piece."""
    vertices, faces = extract_surface(whole_solid(field, grid.spacing), grid)
    vertices = smooth_surface(vertices, faces, settings.smoothing)
    return decimate(vertices, faces, settings.faces)


def silhouette_ious(rasters: Sequence[Raster], photographs: Photographs) -> tuple[float, ...]:
    """Return the IoU of what each camera sees of the mesh with its view's mask."""
    shares = []
    for raster, mask in zip(rasters, photographs.masks, strict=True):
        covered = np.isfinite(raster.depth)
        shares.append(float((covered & mask).sum() / max(int((covered | mask).sum()), 1)))
    return tuple(shares)
