"""Camera rays of the views, and where along them a surface is sampled."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from scipy import ndimage
from torch import Tensor

from harmony.reconstruction.neus_field import SurfaceField
from harmony.reconstruction.records import Photographs

_PARALLEL = 1e-6


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

    def pick(self, index: Tensor) -> Rays:
        """Return the rays of these numbers."""
        parts = (self.origins, self.directions, self.colors, self.masks)
        return Rays(*(part[index] for part in parts))

    def to(self, device: torch.device) -> Rays:
        """Return the rays on a device."""
        parts = (self.origins, self.directions, self.colors, self.masks)
        return Rays(*(part.to(device) for part in parts))


def rays_of(photographs: Photographs, margin: int = 6) -> Rays:
    """Return the rays through all pixels on the foreground or within `margin` pixels of it."""
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


def points_along(rays: Rays, times: Float[Tensor, "R T"]) -> Float[Tensor, "R T 3"]:
    """Return the points at these distances from the camera centres."""
    return rays.origins[:, None] + rays.directions[:, None] * times[..., None]


@torch.no_grad()
def sample_times(
    field: SurfaceField,
    distance: Float[Tensor, "1 1 X Y Z"],
    rays: Rays,
    coarse: int,
    fine: int,
    generator: torch.Generator,
) -> Float[Tensor, "R T"]:
    """Return sorted sample positions, T = coarse + fine: through the grid, and at the surface.

    The fine ones stand around the first crossing into the solid, or where the ray comes closest.

    Args:
        field: Where the distance stands.
        distance: In grid spacings.
        rays: The rays.
        coarse: Samples spread evenly through the grid.
        fine: Samples around the surface.
        generator: Shifts every ray's samples by a random part of their step.
    """
    near, far = _grid_span(field, rays)
    shift = torch.rand((2, len(near), 1), generator=generator, device=near.device)
    step = (far - near)[:, None] / coarse
    even = near[:, None] + step * (torch.arange(coarse, device=near.device) + shift[0])
    read = field.read(distance, points_along(rays, even).reshape(-1, 3))[0].reshape(even.shape)
    inside = read < 0
    entry = inside.float().argmax(dim=1)
    index = torch.where(inside.any(dim=1), entry, read.argmin(dim=1))
    centre = even.gather(1, index[:, None])
    reach = step + 2 * field.spacing
    spread = 2 * (torch.arange(fine, device=near.device) + shift[1]) / fine - 1
    return torch.cat([even, centre + reach * spread], dim=1).sort(dim=1).values


def _grid_span(field: SurfaceField, rays: Rays) -> tuple[Float[Tensor, " R"], Float[Tensor, " R"]]:
    """Return where each ray enters and leaves the grid's box."""
    low = field.get_buffer("low")
    high = low + field.get_buffer("extent")
    inverse = 1.0 / torch.where(rays.directions.abs() < _PARALLEL, _PARALLEL, rays.directions)
    first, second = (low - rays.origins) * inverse, (high - rays.origins) * inverse
    near = torch.minimum(first, second).amax(dim=1)
    return near, torch.maximum(torch.maximum(first, second).amin(dim=1), near + 1e-3)
