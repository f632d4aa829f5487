"""Refinement by volume rendering of a signed distance grid (NeuS, Wang et al., 2021).

The distance stands on a regular grid and starts at the carved solid; a small network turns
features of a second grid, the normal and the viewing direction into colour. Everything is plain
PyTorch; thousands of rays for each step want a GPU.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from scipy import ndimage
from torch import Tensor, nn

from harmony.reconstruction.grid import VoxelGrid
from harmony.reconstruction.records import Photographs


@dataclass(frozen=True)
class NeusSettings:
    """How long and how finely to optimise.

    Attributes:
        steps: Optimiser steps.
        rays: Rays of one step.
        coarse_samples: Even samples along a ray that find the surface.
        fine_samples: Samples close to it.
        features: Channels of the colour grid.
        hidden: Width of the colour network.
        distance_rate: Learning rate of the distance grid in grid spacings.
        color_rate: Learning rate of colour grid and network.
        mask_weight: Of the mask loss.
        eikonal_weight: Of (|grad| - 1)^2.
        smooth_weight: Of the squared Laplacian, in grid spacings.
        seed: Of the rays and the colour network.
    """

    steps: int = 1500
    rays: int = 4096
    coarse_samples: int = 64
    fine_samples: int = 32
    features: int = 12
    hidden: int = 64
    distance_rate: float = 0.05
    color_rate: float = 5e-3
    mask_weight: float = 0.5
    eikonal_weight: float = 0.05
    smooth_weight: float = 0.02
    seed: int = 0


class DistanceField(nn.Module):
    """A trilinear signed distance (positive outside) and a colour for its points."""

    def __init__(self, distance: Float[Tensor, "X Y Z"], grid: VoxelGrid, settings: NeusSettings):
        super().__init__()
        self.spacing = grid.spacing
        low = torch.tensor(grid.origin, dtype=torch.float32)
        extent = (torch.tensor(grid.shape, dtype=torch.float32) - 1) * grid.spacing
        self.register_buffer("low", low)
        self.register_buffer("extent", extent)
        # In grid spacings, so that one learning rate suits every resolution.
        self.distance = nn.Parameter((distance / grid.spacing)[None, None].clone())
        generator = torch.Generator().manual_seed(settings.seed)
        shape = [max(2, count // 2) for count in grid.shape]
        self.features = nn.Parameter(
            torch.randn((1, settings.features, *shape), generator=generator) * 0.1
        )
        self.layers = nn.Sequential(
            nn.Linear(settings.features + 6, settings.hidden),
            nn.ReLU(),
            nn.Linear(settings.hidden, 3),
        )
        for layer in self.layers:
            if isinstance(layer, nn.Linear):
                bound = layer.in_features**-0.5
                noise = torch.rand(layer.weight.shape, generator=generator)
                layer.weight.data = (2 * noise - 1) * bound
                nn.init.zeros_(layer.bias)
        self.log_sharpness = nn.Parameter(torch.tensor(0.0))

    def _unit(self, points: Float[Tensor, "M 3"]) -> Float[Tensor, "1 1 1 M 3"]:
        low, extent = self.get_buffer("low"), self.get_buffer("extent")
        return (2 * (points - low) / extent - 1).flip(-1)[None, None, None]

    def signed_distance(self, points: Float[Tensor, "M 3"]) -> Float[Tensor, " M"]:
        """Return the distance in world units; beyond the grid that of its border."""
        unit = self._unit(points)
        read = F.grid_sample(self.distance, unit, padding_mode="border", align_corners=True)
        return read[0, 0, 0, 0] * self.spacing

    def gradient(self, points: Float[Tensor, "M 3"]) -> Float[Tensor, "M 3"]:
        """Return central differences of the distance over one spacing."""
        parts = []
        for axis in range(3):
            step = torch.zeros(3, device=points.device)
            step[axis] = self.spacing / 2
            ahead, behind = self.signed_distance(points + step), self.signed_distance(points - step)
            parts.append((ahead - behind) / self.spacing)
        return torch.stack(parts, dim=1)

    def color(
        self,
        points: Float[Tensor, "M 3"],
        normals: Float[Tensor, "M 3"],
        rays: Float[Tensor, "M 3"],
    ) -> Float[Tensor, "M 3"]:
        """Return colours in [0, 1]."""
        read = F.grid_sample(
            self.features, self._unit(points), padding_mode="border", align_corners=True
        )
        return torch.sigmoid(self.layers(torch.cat([read[0, :, 0, 0].T, normals, rays], dim=1)))


@dataclass(frozen=True)
class Rays:
    """Camera rays with what the pictures show there.

    Attributes:
        origins: (R, 3) camera centres.
        directions: (R, 3) unit vectors.
        colors: (R, 3) on white.
        masks: (R,) alpha.
    """

    origins: Float[Tensor, "R 3"]
    directions: Float[Tensor, "R 3"]
    colors: Float[Tensor, "R 3"]
    masks: Float[Tensor, " R"]

    def pick(self, index: Tensor, device: torch.device) -> Rays:
        """Return the rays of these numbers on a device."""
        parts = (self.origins, self.directions, self.colors, self.masks)
        return Rays(*(part[index].to(device) for part in parts))


def rays_of(photographs: Photographs, margin: int = 6) -> Rays:
    """Return the rays through all pixels on or near the foreground."""
    size = photographs.cameras.image_size
    rows, columns = np.mgrid[:size, :size] + 0.5
    pixels = np.stack([columns, rows, np.ones_like(rows)], axis=-1)
    local = pixels @ np.linalg.inv(photographs.cameras.intrinsics).T
    parts: list[list[np.ndarray]] = [[], [], [], []]
    for view, pose in enumerate(photographs.cameras.poses):
        near = np.asarray(
            ndimage.binary_dilation(photographs.masks[view], iterations=margin), dtype=bool
        )
        directions = local[near] @ pose[:, :3]
        directions /= np.linalg.norm(directions, axis=1, keepdims=True)
        parts[0].append(np.broadcast_to(-pose[:, :3].T @ pose[:, 3], directions.shape))
        parts[1].append(directions)
        parts[2].append(photographs.pixels[view][:, near].T)
        parts[3].append(photographs.alpha[view][near])
    origins, directions, colors, masks = (
        torch.from_numpy(np.concatenate(part)).float() for part in parts
    )
    return Rays(origins, directions, colors, masks)


def render(
    field: DistanceField, rays: Rays, settings: NeusSettings
) -> tuple[Float[Tensor, "R 3"], Float[Tensor, " R"], Float[Tensor, "M 3"]]:
    """Return colour on white, opacity, and the distance's gradient at all samples.

    alpha_i = max((S(f_i) - S(f_i+1)) / S(f_i), 0) with the logistic S of sharpness s (NeuS,
    Eq. 13); colours are read half-way between two samples.
    """
    times = _sample_times(field, rays, settings)
    points = rays.origins[:, None] + rays.directions[:, None] * times[..., None]
    count, samples = times.shape
    distance = field.signed_distance(points.reshape(-1, 3)).reshape(count, samples)
    sharpness = field.log_sharpness.exp().clamp(0.3, 20.0) / field.spacing
    opaque = torch.sigmoid(distance * sharpness)
    alpha = ((opaque[:, :-1] - opaque[:, 1:]) / opaque[:, :-1].clamp_min(1e-5)).clamp(0, 1)
    clear = torch.cumprod(1 - alpha + 1e-7, dim=1)
    weights = alpha * torch.cat([torch.ones_like(clear[:, :1]), clear[:, :-1]], dim=1)
    middle = ((points[:, 1:] + points[:, :-1]) / 2).reshape(-1, 3)
    gradient = field.gradient(middle)
    normals = F.normalize(gradient, dim=1)
    directions = rays.directions[:, None].expand(-1, samples - 1, -1).reshape(-1, 3)
    colors = field.color(middle, normals, directions).reshape(count, samples - 1, 3)
    opacity = weights.sum(dim=1)
    color = (weights[..., None] * colors).sum(dim=1) + (1 - opacity)[:, None]
    return color, opacity, gradient


@torch.no_grad()
def _sample_times(field: DistanceField, rays: Rays, settings: NeusSettings) -> Float[Tensor, "R T"]:
    """Return sorted sample positions: even ones through the grid and more at the surface."""
    low = field.get_buffer("low")
    high = low + field.get_buffer("extent")
    inverse = 1.0 / torch.where(rays.directions.abs() < 1e-6, 1e-6, rays.directions)  # noqa: PLR2004
    first, second = (low - rays.origins) * inverse, (high - rays.origins) * inverse
    near = torch.minimum(first, second).amax(dim=1)
    far = torch.maximum(torch.maximum(first, second).amin(dim=1), near + 1e-3)
    share = torch.linspace(0, 1, settings.coarse_samples, device=near.device)
    even = near[:, None] + (far - near)[:, None] * share
    points = rays.origins[:, None] + rays.directions[:, None] * even[..., None]
    distance = field.signed_distance(points.reshape(-1, 3)).reshape(even.shape)
    # Around the first crossing, or where the ray comes closest.
    inside = (distance < 0).float()
    entry = inside.argmax(dim=1)
    index = torch.where(inside.any(dim=1), entry, distance.argmin(dim=1))
    centre = even.gather(1, index[:, None])
    reach = (far - near)[:, None] / settings.coarse_samples + 2 * field.spacing
    spread = torch.linspace(-1, 1, settings.fine_samples, device=near.device)
    return torch.cat([even, centre + reach * spread], dim=1).sort(dim=1).values


def _loss(field: DistanceField, rays: Rays, settings: NeusSettings) -> Tensor:
    """Return L1 of colour + mask cross-entropy + eikonal + smoothness."""
    color, opacity, gradient = render(field, rays, settings)
    color_loss = (color - rays.colors).abs().mean()
    mask_loss = F.binary_cross_entropy(opacity.clamp(1e-4, 1 - 1e-4), rays.masks.clamp(0, 1))
    eikonal = ((gradient.norm(dim=1) - 1) ** 2).mean()
    grid = field.distance
    laplacian = 6 * grid[..., 1:-1, 1:-1, 1:-1]
    for axis in (2, 3, 4):
        for start in (0, 2):
            part = [slice(None)] * 2 + [slice(1, -1)] * 3
            part[axis] = slice(start, grid.shape[axis] - 2 + start)
            laplacian = laplacian - grid[tuple(part)]
    smooth = (laplacian**2).mean()
    return (
        color_loss
        + settings.mask_weight * mask_loss
        + settings.eikonal_weight * eikonal
        + settings.smooth_weight * smooth
    )


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
    distance = torch.from_numpy(-signed_everywhere(solid, grid.spacing)).float()
    field = DistanceField(distance, grid, settings).to(device)
    shades = [field.features, *field.layers.parameters(), field.log_sharpness]
    optimizer = torch.optim.Adam(
        [
            {"params": [field.distance], "lr": settings.distance_rate},
            {"params": shades, "lr": settings.color_rate},
        ]
    )
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(
        optimizer, settings.steps, eta_min=settings.color_rate / 20
    )
    rays = rays_of(photographs)
    generator = torch.Generator().manual_seed(settings.seed)
    for step in range(settings.steps):
        on_step(step / settings.steps)
        index = torch.randint(len(rays.masks), (settings.rays,), generator=generator)
        loss = _loss(field, rays.pick(index, device), settings)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return -(field.distance.detach()[0, 0] * grid.spacing).cpu().numpy()


def signed_everywhere(
    field: Float[np.ndarray, "X Y Z"], spacing: float
) -> Float[np.ndarray, "X Y Z"]:
    """Return the field as a distance everywhere: itself near the surface, counted steps beyond."""
    solid = field > 0
    inside = np.asarray(ndimage.distance_transform_edt(solid))
    outside = np.asarray(ndimage.distance_transform_edt(~solid))
    steps = np.where(solid, inside - 0.5, 0.5 - outside) * spacing
    return np.where(np.abs(steps) <= spacing, field.clip(-spacing, spacing), steps)
