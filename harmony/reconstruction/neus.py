"""Refinement by volume rendering of a signed distance (NeuS, Wang et al., 2021).

The distance stands on regular grids and starts at the carved solid; a small network turns
features of further grids and the normal into colour. Everything is plain PyTorch; thousands of
rays for each step want a GPU.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from scipy import ndimage
from torch import Tensor

from harmony.reconstruction.grid import VoxelGrid
from harmony.reconstruction.neus_field import SurfaceField, gradient_of, laplacian_of
from harmony.reconstruction.neus_rays import Rays, points_along, rays_of, sample_times
from harmony.reconstruction.records import Photographs

_BAND = 4.0
"""The distance is kept a smooth distance where it is within so many grid spacings of 0."""
_LAST_RATE = 0.05
"""Learning rates end at this share of their start."""


@dataclass(frozen=True)
class NeusSettings:
    """How long and how finely to optimise.

    Attributes:
        steps: Optimiser steps.
        rays: Rays of one step.
        coarse_samples: Samples spread through the grid along a ray, which find the surface.
        fine_samples: Samples close to it.
        levels: Grids of distance and of colour, each twice as coarse as the last.
        features: Channels of each colour grid.
        hidden: Width of the colour network.
        view_dependent: Whether colours may change with the viewing direction.
        sharpness: Of the surface's opacity in 1 / grid spacing, at first and at last; between
            them it grows geometrically.
        warm_up: Share of the steps in which only colours are learnt, so that the surface does
            not follow colours that are still noise.
        distance_rate: Learning rate of the distance in grid spacings.
        color_rate: Learning rate of colour grids and network.
        mask_weight: Of the mask loss.
        eikonal_weight: Of (|grad| - 1)^2 near the surface.
        smooth_weight: Of the squared Laplacian near the surface, in grid spacings.
        seed: Of the rays and the colour network.
    """

    steps: int = 1500
    rays: int = 8192
    coarse_samples: int = 64
    fine_samples: int = 32
    levels: int = 3
    features: int = 4
    hidden: int = 64
    view_dependent: bool = False
    sharpness: tuple[float, float] = (1.0, 8.0)
    warm_up: float = 0.1
    distance_rate: float = 0.05
    color_rate: float = 0.01
    mask_weight: float = 0.5
    eikonal_weight: float = 0.05
    smooth_weight: float = 0.02
    seed: int = 0


@dataclass(frozen=True)
class Rendered:
    """What rays show.

    Attributes:
        colors: (R, 3) on white.
        opacity: (R,) in [0, 1].
    """

    colors: Float[Tensor, "R 3"]
    opacity: Float[Tensor, " R"]


def render(
    field: SurfaceField,
    volume: Float[Tensor, "1 4 X Y Z"],
    rays: Rays,
    times: Float[Tensor, "R T"],
    sharpness: float,
) -> Rendered:
    """Return what the rays show.

    alpha_i = max((S(f_i) - S(f_i+1)) / S(f_i), 0) with the logistic S(f) = 1 / (1 + exp(-s f))
    (NeuS, Eq. 13); colours are read half-way between two samples.

    Args:
        field: The colours, and where the volume stands.
        volume: Distance in grid spacings and its gradient.
        rays: The rays.
        times: Sorted sample positions along them.
        sharpness: s in 1 / grid spacing.
    """
    points = points_along(rays, times)
    count, samples = times.shape
    read = field.read(volume, points.reshape(-1, 3)).reshape(4, count, samples)
    opaque = torch.sigmoid(read[0] * sharpness)
    alpha = ((opaque[:, :-1] - opaque[:, 1:]) / opaque[:, :-1].clamp_min(1e-5)).clamp(0, 1)
    clear = torch.cumprod(1 - alpha + 1e-7, dim=1)
    weights = alpha * torch.cat([torch.ones_like(clear[:, :1]), clear[:, :-1]], dim=1)
    middle = ((points[:, 1:] + points[:, :-1]) / 2).reshape(-1, 3)
    slopes = (read[1:, :, 1:] + read[1:, :, :-1]).reshape(3, -1).T
    directions = rays.directions[:, None].expand(-1, samples - 1, -1).reshape(-1, 3)
    colors = field.color(middle, F.normalize(slopes, dim=1), directions)
    opacity = weights.sum(dim=1)
    seen = (weights[..., None] * colors.reshape(count, samples - 1, 3)).sum(dim=1)
    return Rendered(seen + (1 - opacity)[:, None], opacity)


def loss_of(
    field: SurfaceField,
    rays: Rays,
    settings: NeusSettings,
    sharpness: float,
    generator: torch.Generator,
) -> Float[Tensor, ""]:
    """Return L1 of colour + mask cross-entropy + eikonal + smoothness, weighted."""
    distance = field.distance()
    gradient = gradient_of(distance)
    times = sample_times(
        field, distance, rays, settings.coarse_samples, settings.fine_samples, generator
    )
    shown = render(field, torch.cat([distance, gradient], dim=1), rays, times, sharpness)
    color = (shown.colors - rays.colors).abs().mean()
    mask = F.binary_cross_entropy(shown.opacity.clamp(1e-4, 1 - 1e-4), rays.masks.clamp(0, 1))
    band = (distance.detach().abs() < _BAND).float()
    eikonal = (gradient.norm(dim=1, keepdim=True) - 1) ** 2
    bend = laplacian_of(distance) ** 2
    shape = settings.eikonal_weight * eikonal + settings.smooth_weight * bend
    return color + settings.mask_weight * mask + (shape * band).sum() / band.sum().clamp_min(1)


def refine(
    photographs: Photographs,
    solid: Float[np.ndarray, "X Y Z"],
    grid: VoxelGrid,
    settings: NeusSettings,
    device: torch.device,
    on_step: Callable[[float], None],
) -> Float[np.ndarray, "X Y Z"]:
    """Return the solid refined so that its rendering resembles the views.

    Args:
        photographs: The views.
        solid: Start, positive inside, in world units near its surface.
        grid: Where it stands.
        settings: How long and how finely.
        device: Where to compute.
        on_step: Called before each step with the share done; may raise to stop.
    """
    field = SurfaceField(
        torch.from_numpy(-signed_everywhere(solid, grid.spacing)).float(),
        grid,
        levels=settings.levels,
        features=settings.features,
        hidden=settings.hidden,
        view_dependent=settings.view_dependent,
        seed=settings.seed,
    ).to(device)
    optimizer, schedule = _optimizer(field, settings)
    rays = rays_of(photographs).to(device)
    generator = torch.Generator(device).manual_seed(settings.seed)
    first, last = settings.sharpness
    for step in range(settings.steps):
        share = step / settings.steps
        on_step(share)
        index = torch.randint(len(rays.masks), (settings.rays,), generator=generator, device=device)
        sharpness = first * (last / first) ** share
        loss = loss_of(field, rays.pick(index), settings, sharpness, generator)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return -(field.distance().detach()[0, 0] * grid.spacing).cpu().numpy()


def _optimizer(
    field: SurfaceField, settings: NeusSettings
) -> tuple[torch.optim.Optimizer, torch.optim.lr_scheduler.LRScheduler]:
    """Return Adam with a cosine decay; the distance waits for the colours first."""
    optimizer = torch.optim.Adam(
        [
            {"params": list(field.corrections), "lr": settings.distance_rate},
            {
                "params": [*field.features, *field.layers.parameters()],
                "lr": settings.color_rate,
            },
        ]
    )

    def decay(step: int) -> float:
        share = min(1.0, step / settings.steps)
        return _LAST_RATE + (1 - _LAST_RATE) * (1 + math.cos(math.pi * share)) / 2

    def waiting(step: int) -> float:
        return decay(step) if step >= settings.warm_up * settings.steps else 0.0

    return optimizer, torch.optim.lr_scheduler.LambdaLR(optimizer, [waiting, decay])


def signed_everywhere(
    field: Float[np.ndarray, "X Y Z"], spacing: float
) -> Float[np.ndarray, "X Y Z"]:
    """Return the field as a distance everywhere: itself near the surface, counted steps beyond."""
    solid = field > 0
    inside = np.asarray(ndimage.distance_transform_edt(solid))
    outside = np.asarray(ndimage.distance_transform_edt(~solid))
    steps = np.where(solid, inside - 0.5, 0.5 - outside) * spacing
    return np.where(np.abs(steps) <= spacing, field.clip(-spacing, spacing), steps)
