"""Regular grids of the world and reading pictures at their points."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True)
class VoxelGrid:
    """Points origin + spacing * (i, j, k).

    Attributes:
        origin: World position of point (0, 0, 0).
        spacing: Distance of neighbouring points in world units.
        shape: Number of points along x, y, z.
    """

    origin: tuple[float, float, float]
    spacing: float
    shape: tuple[int, int, int]

    @staticmethod
    def around(
        low: Float[np.ndarray, " 3"], high: Float[np.ndarray, " 3"], spacing: float
    ) -> VoxelGrid:
        """Return a grid that covers the box from `low` to `high`, both included."""
        shape = np.ceil((high - low) / spacing).astype(int) + 1
        x, y, z = (float(value) for value in low)
        return VoxelGrid((x, y, z), spacing, (int(shape[0]), int(shape[1]), int(shape[2])))

    def axis(self, index: int) -> Float[np.ndarray, " n"]:
        """Return the coordinates along axis 0 (x), 1 (y) or 2 (z)."""
        return self.origin[index] + self.spacing * np.arange(self.shape[index])

    def points(self) -> Float[Tensor, "M 3"]:
        """Return all points, z fastest, float32."""
        axes = [torch.from_numpy(self.axis(index)).float() for index in range(3)]
        return torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1).reshape(-1, 3)


def project_points(
    points: Float[Tensor, "M 3"],
    intrinsics: Float[np.ndarray, "3 3"],
    pose: Float[np.ndarray, "3 4"],
) -> tuple[Float[Tensor, "M 2"], Float[Tensor, " M"]]:
    """Return picture coordinates in pixels (edge based) and depth, float32."""
    matrix = torch.from_numpy(intrinsics @ pose).to(points)
    image = points @ matrix[:, :3].T + matrix[:, 3]
    depth = image[:, 2]
    return image[:, :2] / depth.clamp_min(1e-3)[:, None], depth


def sample_image(
    image: Float[Tensor, "C H W"], uv: Float[Tensor, "M 2"], *, outside: str = "border"
) -> Float[Tensor, "C M"]:
    """Read a picture bilinearly at pixel coordinates (edge based; centres at + 0.5).

    Args:
        image: The picture.
        uv: (column, row) coordinates.
        outside: "border" repeats the edge, "zeros" reads 0.
    """
    height, width = image.shape[-2:]
    scale = torch.tensor([2.0 / width, 2.0 / height], dtype=uv.dtype, device=uv.device)
    grid = (uv * scale - 1.0)[None, None]
    read = F.grid_sample(image[None], grid, padding_mode=outside, align_corners=False)
    return read[0, :, 0]
