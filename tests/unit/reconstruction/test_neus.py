import numpy as np
import pytest
import torch
import trimesh

from harmony.reconstruction import pipeline, reconstruct
from harmony.reconstruction.checks import checked_photographs
from harmony.reconstruction.grid import VoxelGrid
from harmony.reconstruction.neus import NeusSettings, refine, render, signed_everywhere
from harmony.reconstruction.neus_field import SurfaceField, gradient_of, laplacian_of
from harmony.reconstruction.neus_rays import Rays, rays_of, sample_times
from harmony.reconstruction.surface import extract_surface

TINY = NeusSettings(
    steps=40, rays=192, coarse_samples=24, fine_samples=12, hidden=16, distance_rate=0.1
)
GRID = VoxelGrid.around(np.array([-0.6] * 3), np.array([0.6] * 3), 0.05)
CPU = torch.device("cpu")


def ball(radius: float) -> np.ndarray:
    points = GRID.points().numpy().reshape(*GRID.shape, 3)
    return (radius - np.linalg.norm(points, axis=-1)).astype(np.float32)


def nothing(share: float) -> None:
    assert 0 <= share < 1


@pytest.fixture(scope="module")
def ball_photographs(ring_views):
    return checked_photographs(ring_views(trimesh.creation.icosphere(4, radius=0.4)))


def surface_field(start: np.ndarray, *, levels: int = 2) -> SurfaceField:
    return SurfaceField(
        torch.from_numpy(start),
        GRID,
        levels=levels,
        features=2,
        hidden=8,
        view_dependent=True,
        seed=0,
    )


def two_rays() -> Rays:
    origins = torch.tensor([[1.5, 0.0, 0.0], [1.5, 0.5, 0.0]])
    directions = torch.tensor([[-1.0, 0.0, 0.0], [-1.0, 0.0, 0.0]])
    return Rays(origins, directions, torch.zeros(2, 3), torch.zeros(2))


def test_opacity_is_one_inside_and_zero_beside_the_ball():
    field, rays = surface_field(-ball(0.3)), two_rays()
    distance = field.distance()
    volume = torch.cat([distance, gradient_of(distance)], dim=1)
    times = sample_times(field, distance, rays, 24, 12, torch.Generator().manual_seed(0))
    with torch.no_grad():
        shown = render(field, volume, rays, times, sharpness=8.0)
    assert float(shown.opacity[0]) > 0.97
    assert float(shown.opacity[1]) < 0.03
    assert shown.colors[1].tolist() == pytest.approx([1, 1, 1], abs=0.05)


def test_samples_gather_where_a_ray_enters_the_ball():
    field, rays = surface_field(-ball(0.3)), two_rays()
    times = sample_times(field, field.distance(), rays, 24, 12, torch.Generator().manual_seed(0))
    assert times.shape == (2, 36)
    assert (times.diff(dim=1) >= 0).all()
    near = ((1.5 - times[0]) - 0.3).abs() < 0.15
    # Evenly spread, 9 of the 36 would be there.
    assert int(near.sum()) >= 14


def test_gradient_and_laplacian_are_those_of_a_distance():
    field = surface_field(-ball(0.3))
    away = (np.abs(ball(0.3)) < 0.15)[None]
    norm = gradient_of(field.distance()).norm(dim=1).detach().numpy()
    assert norm[away] == pytest.approx(1.0, abs=0.05)
    # The Laplacian of |x| is 2 / |x|.
    bend = laplacian_of(field.distance())[0].detach().numpy() / GRID.spacing
    radius = np.linalg.norm(GRID.points().numpy().reshape(*GRID.shape, 3), axis=-1)[None]
    assert bend[away] == pytest.approx(2 / radius[away], rel=0.15)


def test_a_coarse_correction_moves_the_surface_smoothly():
    field = surface_field(-ball(0.3), levels=3)
    with torch.no_grad():
        field.corrections[2].fill_(-1.0)
    moved = extract_surface(-field.distance().detach()[0, 0].numpy(), GRID)[0]
    assert np.linalg.norm(moved, axis=1) == pytest.approx(0.3 + GRID.spacing, abs=0.005)


def test_rays_carry_what_the_pictures_show(ball_photographs):
    rays = rays_of(ball_photographs)
    assert torch.allclose(rays.directions.norm(dim=1), torch.ones(len(rays.masks)), atol=1e-5)
    # A ray hits the ball of radius 0.4 exactly where the mask says so.
    along = (rays.origins * rays.directions).sum(1)
    closest = (rays.origins - along[:, None] * rays.directions).norm(dim=1)
    assert ((closest < 0.4) == (rays.masks > 0.5)).float().mean() > 0.98


def test_refinement_shrinks_a_ball_that_is_too_large(ball_photographs):
    start = ball(0.46)
    refined = refine(ball_photographs, start, GRID, TINY, CPU, nothing)
    before = np.linalg.norm(extract_surface(start, GRID)[0], axis=1).mean()
    after = np.linalg.norm(extract_surface(refined, GRID)[0], axis=1).mean()
    assert before == pytest.approx(0.46, abs=0.005)
    assert after < 0.445


def test_the_same_seed_gives_the_same_field(ball_photographs):
    short = NeusSettings(steps=2, rays=32, coarse_samples=8, fine_samples=4, hidden=8)
    fields = [refine(ball_photographs, ball(0.4), GRID, short, CPU, nothing) for _ in range(2)]
    assert fields[0].tobytes() == fields[1].tobytes()


def test_far_values_are_counted_in_steps():
    field = ball(0.3).clip(-0.04, 0.04)
    distance = signed_everywhere(field, GRID.spacing)
    assert np.abs(distance - ball(0.3)).max() < 1.2 * GRID.spacing
    near = np.abs(ball(0.3)) < 0.03
    assert np.allclose(distance[near], field[near])


def test_fine_runs_on_a_cpu_at_tiny_size(ellipsoid_views, monkeypatch):
    tiny = pipeline.Quality(
        spacing=0.05,
        faces=2000,
        smoothing=1,
        neus=NeusSettings(steps=3, rays=64, coarse_samples=16, fine_samples=4, hidden=8),
    )
    monkeypatch.setattr(pipeline, "QUALITIES", {"fine": tiny})
    stages = []
    result = reconstruct(
        ellipsoid_views, quality="fine", on_progress=lambda progress: stages.append(progress.stage)
    )
    assert result.report.watertight
    assert result.report.silhouette_iou > 0.8
    assert "refining" in stages
