from __future__ import annotations

import math

import pytest
import torch

from harmony.models.syncdreamer.config import SyncDreamerConfig
from harmony.models.syncdreamer.embeddings import timestep_sinusoid, view_embedding
from harmony.models.syncdreamer.geometry import frustum_grid, unprojection_grid
from harmony.models.syncdreamer.schedule import noise_schedule
from harmony.models.syncdreamer.volumes import resample_frustums, unproject

from .conftest import TINY


def test_view_embedding() -> None:
    elevations = torch.tensor([0.0, math.radians(30)])
    numbers = view_embedding(elevations, 16)
    assert numbers.shape == (2, 16, 4)
    quarter = math.pi / 2
    expected = torch.tensor([-math.radians(30), math.sin(quarter), math.cos(quarter), 0.0])
    assert torch.allclose(numbers[0, 4], expected, atol=1e-6)
    assert torch.allclose(numbers[1, 0], torch.tensor([0.0, 0.0, 1.0, 0.0]), atol=1e-6)


def test_sinusoid_has_cosines_first() -> None:
    row = timestep_sinusoid(torch.tensor([1]), 6)[0]
    frequencies = torch.exp(-math.log(10000) * torch.arange(3) / 3)
    assert torch.allclose(row, torch.cat([frequencies.cos(), frequencies.sin()]), atol=1e-6)


def test_unprojection_of_a_known_point() -> None:
    config = SyncDreamerConfig()
    grid = unprojection_grid(config)
    side = config.volume.spatial_size
    corner = grid.unflatten(1, (side, side, side))[0, 0, -1, -1]
    # World (0.5, 0.5, -0.5) seen from azimuth 0: right = y, so u = 16 + 35 * 0.5 / depth.
    depth = 1.5 - 0.5 * math.cos(math.radians(30)) + 0.5 * math.sin(math.radians(30))
    u = 16 + 35 * 0.5 / depth
    assert corner[0].item() == pytest.approx(u / 15.5 - 1, abs=1e-5)


def test_frustum_axis_passes_through_the_middle() -> None:
    config = SyncDreamerConfig()
    grid = frustum_grid(config)
    # Cell (16, 16) lies on the optical axis, which meets the origin at depth 1.5.
    axis = grid[:, :, 16, 16]
    middle = (axis[:, 23] + axis[:, 24]) / 2
    assert middle.abs().max() < 1e-5
    assert torch.allclose(axis[0, 0], 2 * 0.86603 * torch.tensor([0.75**0.5, 0.0, 0.5]), atol=1e-5)


def test_volume_of_coordinates_is_read_back_at_the_grid() -> None:
    side = torch.linspace(-1, 1, TINY.volume.spatial_size)
    z, y, x = torch.meshgrid(side, side, side, indexing="ij")
    grid = frustum_grid(TINY)[:3]
    read = resample_frustums(torch.stack([x, y, z])[None], grid).movedim(1, -1)
    inside = (grid.abs() <= 1).all(-1)
    assert torch.allclose(read[inside], grid[inside], atol=1e-5)
    assert (read[(grid.abs() > 1 + 2 / 7).any(-1)] == 0).all()


def test_unprojected_channels_are_view_major() -> None:
    features = torch.arange(16.0).reshape(1, 16, 1, 1, 1).expand(1, 16, 2, 8, 8)
    volume = unproject(features, unprojection_grid(TINY), TINY.volume.spatial_size)
    assert volume.shape == (1, 32, 8, 8, 8)
    centre = volume[0, :, 4, 4, 4]
    assert torch.allclose(centre, torch.arange(16.0).repeat_interleave(2), atol=1e-4)


def test_schedule() -> None:
    schedule = noise_schedule()
    assert len(schedule.alphas_cumprod) == 1000
    assert schedule.alphas_cumprod[0] == pytest.approx(0.99915, abs=1e-5)
    assert schedule.alphas_cumprod[-1] == pytest.approx(0.00466, abs=1e-5)
    assert not schedule.set_alpha_to_one


def test_latent_width_must_halve_three_times() -> None:
    with pytest.raises(ValueError, match="multiple of 8"):
        SyncDreamerConfig(latent_size=12)
