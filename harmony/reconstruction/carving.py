"""Carving the visual hull by stereo, coarse to fine: sweep, check, fuse, repair."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from harmony.cameras import Cameras
from harmony.reconstruction.depth import rasterize, rasterize_ring
from harmony.reconstruction.fusion import agreeing, fuse, repair_silhouettes
from harmony.reconstruction.grid import VoxelGrid
from harmony.reconstruction.parts import whole_solid
from harmony.reconstruction.records import Photographs
from harmony.reconstruction.stereo import SweepSettings, sweep_view
from harmony.reconstruction.surface import extract_surface, smooth_surface

_GREY = (0.299, 0.587, 0.114)
_REPAIR_SIZE = 128
_SMOOTHING = 3


@dataclass(frozen=True)
class CarvingRound:
    """One round of stereo.

    Attributes:
        image_size: Side at which pictures are compared; smaller pictures are not enlarged.
        sweep: How depths are searched around the current surface.
        colored: Compare all three channels instead of grey.
        least_score: Correlation below which a depth is not believed.
        least_votes: Of the four next views so many must have measured the same surface.
        tolerance: Largest difference of depth that counts as the same, in world units.
        truncation: Half width of the fused band in world units.
        inertia: Weight of the solid against the depths (`fusion.fuse`).
    """

    image_size: int
    sweep: SweepSettings
    colored: bool = False
    least_score: float = 0.0
    least_votes: int = 2
    tolerance: float = 0.01
    truncation: float = 0.02
    inertia: float = 0.5


def even_offsets(first: float, last: float, step: float) -> tuple[float, ...]:
    """Return evenly spaced offsets from `first` to `last`, both included."""
    return tuple(float(value) for value in np.arange(first, last + step / 2, step))


COARSE_TO_FINE = (
    CarvingRound(
        image_size=128,
        sweep=SweepSettings(even_offsets(-0.02, 0.43, 0.01)),
        colored=True,
        tolerance=0.02,
        truncation=0.03,
    ),
    CarvingRound(image_size=256, sweep=SweepSettings(even_offsets(-0.04, 0.04, 0.005), window=9)),
    CarvingRound(image_size=256, sweep=SweepSettings(even_offsets(-0.024, 0.024, 0.003), window=7)),
)


def resized(
    photographs: Photographs, size: int, *, colored: bool = False
) -> tuple[Float[Tensor, "N C h h"], Cameras]:
    """Return pictures (grey, or in colour) of at most `size` pixels and the cameras that fit them."""
    original = photographs.cameras
    size = min(size, original.image_size)
    pictures = torch.from_numpy(photographs.pixels)
    if not colored:
        pictures = torch.einsum("nchw,c->nhw", pictures, torch.tensor(_GREY))[:, None]
    pictures = F.interpolate(pictures, size=(size, size), mode="area")
    scale = np.diag([size / original.image_size] * 2 + [1.0])
    cameras = Cameras(
        intrinsics=scale @ original.intrinsics,
        poses=original.poses,
        azimuths_deg=original.azimuths_deg,
        elevations_deg=original.elevations_deg,
        image_size=size,
    )
    return pictures, cameras


def carve(
    photographs: Photographs,
    hull: Float[np.ndarray, "X Y Z"],
    grid: VoxelGrid,
    rounds: tuple[CarvingRound, ...],
    on_view: Callable[[float], None],
) -> tuple[Float[np.ndarray, "X Y Z"], Float[np.ndarray, "X Y Z"]]:
    """Return the hull carved to the surface that the views' textures agree on.

    The second volume says in [0, 1] how much they agree at each point (`fusion.fuse`).

    Args:
        photographs: The views.
        hull: Their hull between ground and top, positive inside.
        grid: Where it stands.
        rounds: Rounds of stereo, each around the surface of the last.
        on_view: Called before each view with the share done; may raise to stop.
    """
    trust = np.zeros_like(hull)
    if not rounds:
        return hull, trust
    field = hull
    for number, settings in enumerate(rounds):
        vertices, faces = extract_surface(whole_solid(field, grid.spacing), grid)
        vertices = smooth_surface(vertices, faces, _SMOOTHING if number else 0)

        def tell(share: float, number: int = number) -> None:
            on_view((number + share) / len(rounds))

        pictures, cameras = resized(photographs, settings.image_size, colored=settings.colored)
        depths, weights = _measure(
            pictures, cameras, (vertices, faces), settings, tell, bounded=number == 0
        )
        carved, trust = fuse(
            hull, grid, depths, weights, cameras, settings.truncation, settings.inertia
        )
        field = covering(carved, hull, grid, photographs)
    return field, trust


def covering(
    field: Float[np.ndarray, "X Y Z"],
    hull: Float[np.ndarray, "X Y Z"],
    grid: VoxelGrid,
    photographs: Photographs,
) -> Float[np.ndarray, "X Y Z"]:
    """Return the field with the least matter put back that covers the views' silhouettes again.

    Args:
        field: What is left of the hull, positive inside.
        hull: Where matter may be put.
        grid: Where both stand.
        photographs: The views.
    """
    cameras = resized(photographs, _REPAIR_SIZE)[1]
    return repair_silhouettes(field, hull, grid, _cores(photographs), cameras)


def _cores(photographs: Photographs) -> np.ndarray:
    """Return small masks of the pixels that are foreground with all their neighbours."""
    alpha = torch.from_numpy(photographs.alpha)[:, None]
    size = min(_REPAIR_SIZE, photographs.cameras.image_size)
    small = F.interpolate(alpha, size=(size, size), mode="area")
    least = -F.max_pool2d(-F.pad(small, (1, 1, 1, 1)), 3, stride=1)
    return (least[:, 0] > 0.99).numpy()  # noqa: PLR2004


def _measure(
    pictures: Float[Tensor, "N C h h"],
    cameras: Cameras,
    surface: tuple[Float[np.ndarray, "V 3"], Int[np.ndarray, "F 3"]],
    settings: CarvingRound,
    tell: Callable[[float], None],
    *,
    bounded: bool,
) -> tuple[Float[Tensor, "N h h"], Float[Tensor, "N h h"]]:
    """Return all views' depths around a surface and the trust in them."""
    depths = []
    bases = rasterize_ring(*surface, cameras)
    for view, base in enumerate(bases):
        tell(view / len(bases))
        farthest = None
        if bounded:
            back = rasterize(
                *surface, cameras.intrinsics, cameras.poses[view], len(base.depth), farthest=True
            )
            farthest = torch.from_numpy(back.depth).float()
        near = torch.from_numpy(base.depth).float()
        measured = sweep_view(pictures, cameras, view, near, farthest, settings.sweep)
        believed = measured.score > settings.least_score
        depths.append(torch.where(believed, measured.depth, torch.inf))
    stacked = torch.stack(depths)
    votes = agreeing(stacked, cameras, settings.tolerance)
    weights = torch.where(votes >= settings.least_votes, votes / 2, 0.0)
    return stacked, weights
