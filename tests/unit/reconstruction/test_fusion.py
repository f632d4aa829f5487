import numpy as np
import pytest
import torch
import trimesh

from harmony.cameras import target_cameras
from harmony.reconstruction.depth import rasterize_ring
from harmony.reconstruction.fusion import agreeing, fuse, read_volume, repair_silhouettes
from harmony.reconstruction.grid import VoxelGrid
from harmony.reconstruction.hull import as_volume
from harmony.reconstruction.surface import extract_surface

CAMERAS = target_cameras(128)
GRID = VoxelGrid.around(np.array([-0.45] * 3), np.array([0.45] * 3), 0.03)


def ball(radius: float) -> np.ndarray:
    points = GRID.points().numpy().reshape(*GRID.shape, 3)
    return (radius - np.linalg.norm(points, axis=-1)).astype(np.float32)


@pytest.fixture(scope="module")
def depths() -> torch.Tensor:
    mesh = trimesh.creation.icosphere(subdivisions=4, radius=0.3)
    rasters = rasterize_ring(mesh.vertices, mesh.faces, CAMERAS)
    return torch.from_numpy(np.stack([raster.depth for raster in rasters])).float()


def test_true_depths_agree(depths):
    votes = agreeing(depths, CAMERAS, 0.02)
    solid = torch.isfinite(depths)
    assert votes[solid].float().mean() > 3.0
    assert (votes[~solid] == 0).all()


def test_a_wrong_view_agrees_with_nobody(depths):
    wrong = depths.clone()
    wrong[4] += 0.1
    votes = agreeing(wrong, CAMERAS, 0.02)
    assert votes[4][torch.isfinite(wrong[4])].float().mean() < 0.4


def test_fusion_carves_a_larger_ball_to_the_measured_one(depths):
    carved, trust = fuse(ball(0.4), GRID, depths, torch.ones_like(depths), CAMERAS, 0.06, 0.5)
    vertices, _ = extract_surface(carved, GRID)
    seen = vertices[:, 2] > 0.06
    assert np.median(np.abs(np.linalg.norm(vertices[seen], axis=1) - 0.3)) < 0.006
    # Underneath, where no camera looks, the solid stays.
    assert vertices[:, 2].min() < -0.36
    # Trust is where several views look, not underneath.
    points = GRID.points().numpy().reshape(*GRID.shape, 3)
    near = np.abs(np.linalg.norm(points, axis=-1) - 0.3) < 0.02
    assert trust[near & (points[..., 2] > 0.15)].mean() > trust[points[..., 2] < -0.25].mean() + 0.3


def test_depths_without_weight_carve_nothing(depths):
    carved, trust = fuse(ball(0.4), GRID, depths, torch.zeros_like(depths), CAMERAS, 0.06, 0.5)
    assert (trust == 0).all()
    assert np.array_equal(carved > 0, ball(0.4) > 0)


def test_inertia_stops_a_stray_depth(depths):
    stray = torch.full_like(depths, torch.inf)
    stray[3, 64, 64] = 2.0
    carved, _ = fuse(ball(0.3), GRID, stray, torch.ones_like(stray), CAMERAS, 0.06, 2.0)
    assert np.array_equal(carved > 0, ball(0.3) > 0)


def test_repair_covers_the_silhouettes_again(depths):
    hull = ball(0.3)
    carved = hull.copy()
    carved[GRID.axis(0) > 0.1] = -0.01
    masks = torch.isfinite(depths).numpy()

    def covered(field: np.ndarray) -> float:
        rasters = rasterize_ring(*extract_surface(field, GRID), CAMERAS)
        return float(
            np.mean([np.isfinite(r.depth)[m].mean() for r, m in zip(rasters, masks, strict=True)])
        )

    repaired = repair_silhouettes(carved, hull, GRID, masks[:, ::1], CAMERAS)
    assert covered(carved) < 0.97
    assert covered(repaired) > covered(carved) + 0.02
    assert ((repaired > 0) <= (hull > 0)).all()


def test_volumes_are_read_trilinearly():
    grid = VoxelGrid((0.0, 1.0, 2.0), 0.5, (3, 4, 5))
    points = grid.points()
    values = (points @ torch.tensor([1.0, 10.0, 100.0])).reshape(grid.shape).numpy()
    asked = torch.tensor([[0.3, 1.7, 2.9], [1.0, 2.5, 4.0], [0.3, 1.7, 5.0]])
    found = read_volume(as_volume(values), grid, asked)
    assert found.tolist() == pytest.approx([307.3, 426.0, -1.0], rel=1e-5)
