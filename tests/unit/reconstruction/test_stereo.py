import numpy as np
import pytest
import torch

from harmony.cameras import target_cameras
from harmony.reconstruction.depth import project, rasterize_ring, unproject
from harmony.reconstruction.stereo import (
    SweepSettings,
    _box,
    _window_sum,
    relative_rays,
    semi_global,
    sweep_view,
)


def test_window_sums_match_the_definition():
    values = torch.arange(24.0).reshape(2, 12)
    for window in (1, 3, 5, 7, 9):
        half = window // 2
        expected = torch.stack(
            [values[:, max(0, i - half) : i + half + 1].sum(dim=1) for i in range(12)], dim=1
        )
        assert torch.equal(_window_sum(values, window), expected)
    ones = _box(torch.ones(1, 9, 9), 3)[0]
    assert float(ones[4, 4]) == 9.0
    assert float(ones[0, 0]) == 4.0


def test_relative_rays_agree_with_projection():
    cameras = target_cameras(64)
    rays, shift = relative_rays(cameras, 3, 5, (10, 20), torch.Size((6, 8)))
    depth = np.full((64, 64), np.inf)
    depth[14, 25] = 1.3
    point = unproject(depth, cameras.intrinsics, cameras.poses[3])
    uv, z = project(point, cameras.intrinsics, cameras.poses[5])
    found = (rays[:, 4, 5] * 1.3 + shift).numpy()
    assert found[2] == pytest.approx(z[0], abs=1e-5)
    assert np.allclose(found[:2] / found[2], uv[0], atol=1e-3)


def test_semi_global_bridges_a_gap_without_evidence():
    cost = torch.ones(5, 9, 9)
    cost[2] = 0.0
    cost[:, 3:6, 3:6] = 1.0
    cost[4, 4, 4] = 0.9
    assert (semi_global(cost, 0.1, 0.6).argmin(dim=0) == 2).all()


def test_semi_global_keeps_a_clear_step():
    cost = torch.ones(5, 8, 8)
    cost[0, :, :4] = 0.0
    cost[4, :, 4:] = 0.0
    index = semi_global(cost, 0.1, 0.6).argmin(dim=0)
    assert (index[:, :4] == 0).all()
    assert (index[:, 4:] == 4).all()


def test_a_sweep_finds_the_surface_from_a_wrong_start(ellipsoid_views, ellipsoid):
    cameras = target_cameras(128)
    true = rasterize_ring(ellipsoid.vertices, ellipsoid.faces, cameras)[2].depth
    start = torch.from_numpy(true).float() - 0.03
    settings = SweepSettings(tuple(np.arange(-2, 7) * 0.01), window=7)
    found = sweep_view(ellipsoid_views.pixels[0], cameras, 2, start, None, settings)
    solid = np.isfinite(true)
    error = np.abs(found.depth.numpy()[solid] - true[solid])
    assert np.median(error) < 0.004
    assert float(found.score[torch.from_numpy(solid)].median()) > 0.8
    assert torch.isinf(found.depth[~torch.from_numpy(solid)]).all()
    assert (found.score[~torch.from_numpy(solid)] == -1).all()


def test_the_far_side_bounds_the_sweep(ellipsoid_views, ellipsoid):
    cameras = target_cameras(128)
    true = torch.from_numpy(rasterize_ring(ellipsoid.vertices, ellipsoid.faces, cameras)[2].depth)
    start = true.float() - 0.03
    settings = SweepSettings(tuple(np.arange(0, 7) * 0.01), window=5)
    found = sweep_view(ellipsoid_views.pixels[0], cameras, 2, start, start + 0.011, settings)
    solid = torch.isfinite(true)
    assert (found.depth[solid] - start[solid]).median() < 0.016


def test_an_unseen_surface_has_no_depth(ellipsoid_views):
    empty = torch.full((128, 128), torch.inf)
    settings = SweepSettings((0.0, 0.01, 0.02))
    found = sweep_view(ellipsoid_views.pixels[0], target_cameras(128), 0, empty, None, settings)
    assert torch.isinf(found.depth).all()
