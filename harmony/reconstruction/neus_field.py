"""A signed distance and a colour on regular grids, coarse to fine, for volume rendering."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from harmony.reconstruction.grid import VoxelGrid


class SurfaceField(nn.Module):
    """A trilinear signed distance (positive outside) and a colour for its points.

    The distance is the start plus corrections on grids of 1, 2, 4, ... spacings: a coarse
    correction moves a whole stretch of the surface at once, where single values of the finest
    grid would roughen it. The colour comes from features on like grids and the normal.
    Distances are in grid spacings, so that one learning rate suits every resolution.

    Args:
        distance: The start in world units.
        grid: Where it stands.
        levels: Number of grids.
        features: Channels of each colour grid.
        hidden: Width of the colour network.
        view_dependent: Whether the colour network is told the viewing direction.
        seed: Of the colour grids and network.
    """

    def __init__(
        self,
        distance: Float[Tensor, "X Y Z"],
        grid: VoxelGrid,
        *,
        levels: int,
        features: int,
        hidden: int,
        view_dependent: bool,
        seed: int,
    ):
        super().__init__()
        self.spacing = grid.spacing
        self.view_dependent = view_dependent
        extent = (torch.tensor(grid.shape, dtype=torch.float32) - 1) * grid.spacing
        self.register_buffer("low", torch.tensor(grid.origin, dtype=torch.float32))
        self.register_buffer("extent", extent)
        self.register_buffer("start", (distance / grid.spacing)[None, None].clone())
        generator = torch.Generator().manual_seed(seed)
        shapes = [tuple(-(-n // 2**level) + 1 for n in grid.shape) for level in range(levels)]
        shapes[0] = grid.shape
        self.corrections = nn.ParameterList([torch.zeros((1, 1, *shape)) for shape in shapes])
        self.features = nn.ParameterList(
            [torch.randn((1, features, *shape), generator=generator) * 0.1 for shape in shapes]
        )
        inputs = features * levels + (6 if view_dependent else 3)
        self.layers = nn.Sequential(nn.Linear(inputs, hidden), nn.ReLU(), nn.Linear(hidden, 3))
        for layer in self.layers:
            if isinstance(layer, nn.Linear):
                noise = torch.rand(layer.weight.shape, generator=generator)
                layer.weight.data = (2 * noise - 1) * layer.in_features**-0.5
                nn.init.zeros_(layer.bias)

    def distance(self) -> Float[Tensor, "1 1 X Y Z"]:
        """Return the distance at the grid's points."""
        total = self.get_buffer("start") + self.corrections[0]
        for coarse in list(self.corrections)[1:]:
            total = total + F.interpolate(
                coarse, total.shape[2:], mode="trilinear", align_corners=True
            )
        return total

    def read(
        self, volume: Float[Tensor, "1 C X Y Z"], points: Float[Tensor, "M 3"]
    ) -> Float[Tensor, "C M"]:
        """Read a volume trilinearly at world points; beyond the grid its border."""
        unit = 2 * (points - self.get_buffer("low")) / self.get_buffer("extent") - 1
        read = F.grid_sample(
            volume, unit.flip(-1)[None, None, None], padding_mode="border", align_corners=True
        )
        return read[0, :, 0, 0]

    def color(
        self,
        points: Float[Tensor, "M 3"],
        normals: Float[Tensor, "M 3"],
        directions: Float[Tensor, "M 3"],
    ) -> Float[Tensor, "M 3"]:
        """Return colours in [0, 1]."""
        inputs = [self.read(grid, points).T for grid in self.features] + [normals]
        if self.view_dependent:
            inputs.append(directions)
        return torch.sigmoid(self.layers(torch.cat(inputs, dim=1)))


def gradient_of(distance: Float[Tensor, "1 1 X Y Z"]) -> Float[Tensor, "1 3 X Y Z"]:
    """Return central differences over two grid spacings; |gradient| of a distance is 1."""
    parts = [(_shifted(distance, axis, 1) - _shifted(distance, axis, -1)) / 2 for axis in range(3)]
    return torch.cat(parts, dim=1)


def laplacian_of(distance: Float[Tensor, "1 1 X Y Z"]) -> Float[Tensor, "1 1 X Y Z"]:
    """Return the sum of the six neighbours less six times the value."""
    total = -6 * distance
    for axis in range(3):
        total = total + _shifted(distance, axis, 1) + _shifted(distance, axis, -1)
    return total


def _shifted(
    volume: Float[Tensor, "1 1 X Y Z"], axis: int, step: int
) -> Float[Tensor, "1 1 X Y Z"]:
    """Return each point's neighbour one step along x, y or z; the border repeats itself."""
    dim, count = axis + 2, volume.shape[axis + 2]
    if step > 0:
        parts = (volume.narrow(dim, 1, count - 1), volume.narrow(dim, count - 1, 1))
    else:
        parts = (volume.narrow(dim, 0, 1), volume.narrow(dim, 0, count - 1))
    return torch.cat(parts, dim=dim)
