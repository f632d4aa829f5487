import numpy as np
import pytest
import torch
import trimesh

from harmony.cameras import target_cameras
from harmony.reconstruction.checks import checked_photographs
from harmony.reconstruction.grid import VoxelGrid, project_points, sample_image
from harmony.reconstruction.hull import (
    cut_heights,
    hull_field,
    hull_grid,
    signed_silhouettes,
    supporting_heights,
)


def test_signed_distance_of_a_half_plane():
    alpha = np.zeros((1, 8, 8))
    alpha[0, :, 3:] = 1
    expected = np.arange(8) - 2.5
    assert np.allclose(signed_silhouettes(alpha)[0], expected)


def test_soft_edges_move_the_outline_by_fractions():
    alpha = np.zeros((1, 8, 8))
    alpha[0, :, 3] = 0.75
    alpha[0, :, 4:] = 1
    signed = signed_silhouettes(alpha)[0, 4]
    assert signed[3] == pytest.approx(0.25)
    assert signed[2] == pytest.approx(-0.5)


def test_a_point_inside_every_silhouette_is_inside(ellipsoid_views, ellipsoid):
    photographs = checked_photographs(ellipsoid_views)
    silhouettes = signed_silhouettes(photographs.alpha)
    grid = hull_grid(silhouettes, photographs.cameras, 0.04)
    field = hull_field(silhouettes, photographs.cameras, grid)
    points = grid.points().numpy()
    level = ((points / [0.3, 0.5, 0.25]) ** 2).sum(axis=1).reshape(grid.shape)
    assert (field[level < 0.9] > 0).all()
    # Beside the underside, which no camera sees, the hull is close.
    above = points[:, 2].reshape(grid.shape) > 0
    assert (field[(level > 1.3) & above] < 0).mean() > 0.98


def test_the_grid_holds_the_hull(ellipsoid_views):
    photographs = checked_photographs(ellipsoid_views)
    silhouettes = signed_silhouettes(photographs.alpha)
    grid = hull_grid(silhouettes, photographs.cameras, 0.05)
    low = np.array([grid.axis(axis)[0] for axis in range(3)])
    high = np.array([grid.axis(axis)[-1] for axis in range(3)])
    assert (low < [-0.3, -0.5, -0.2]).all()
    assert (high > [0.3, 0.5, 0.2]).all()
    assert (high - low < [0.85, 1.25, 1.05]).all()


def test_the_ground_is_found_under_a_box(ring_views):
    box = trimesh.creation.box((0.5, 0.4, 1.0))
    box.apply_scale([1, 1, 0.6])
    photographs = checked_photographs(ring_views(box))
    silhouettes = signed_silhouettes(photographs.alpha)
    grid = hull_grid(silhouettes, photographs.cameras, 0.02)
    field = hull_field(silhouettes, photographs.cameras, grid)
    bottom, top = supporting_heights(photographs, field, grid)
    assert bottom == pytest.approx(-0.3, abs=0.02)
    assert top == pytest.approx(0.3, abs=0.02)
    z = grid.axis(2)
    cut = cut_heights(field, grid, bottom, top)
    assert (cut[:, :, z < bottom] < 0).all()
    assert (cut[:, :, z > top] < 0).all()
    middle = np.abs(z) < 0.2
    assert np.array_equal(cut[:, :, middle] > 0, field[:, :, middle] > 0)


def test_pictures_are_read_at_edge_based_coordinates():
    image = torch.arange(4.0)[None, None].repeat(1, 4, 1)
    uv = torch.tensor([[0.5, 2.0], [1.0, 2.0], [3.5, 0.5], [-3.0, 2.0]])
    assert sample_image(image, uv)[0].tolist() == pytest.approx([0.0, 0.5, 3.0, 0.0])
    assert sample_image(image + 1, uv, outside="zeros")[0, 3] == 0.0


def test_projection_puts_the_origin_in_the_middle():
    cameras = target_cameras(200)
    for pose in cameras.poses:
        uv, depth = project_points(torch.zeros(1, 3), cameras.intrinsics, pose)
        assert uv[0].tolist() == pytest.approx([100, 100])
        assert float(depth[0]) == pytest.approx(1.5)


def test_grid_points_run_z_fastest():
    grid = VoxelGrid((0.0, 1.0, 2.0), 0.5, (2, 2, 3))
    points = grid.points()
    assert points[1].tolist() == [0.0, 1.0, 2.5]
    assert points[-1].tolist() == [0.5, 1.5, 3.0]
