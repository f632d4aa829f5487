import numpy as np
import pytest
import trimesh

from harmony.cameras import intrinsics, look_at_origin, target_cameras
from harmony.reconstruction.depth import project, rasterize, rasterize_ring, unproject


def test_sphere_depth_matches_ray_intersection():
    mesh = trimesh.creation.icosphere(subdivisions=5, radius=0.4)
    size, pose = 64, look_at_origin(40, 30)
    k = intrinsics(size)
    raster = rasterize(mesh.vertices, mesh.faces, k, pose, size)
    rows, columns = np.mgrid[:size, :size] + 0.5
    rays = np.stack([(columns - 32) / k[0, 0], (rows - 32) / k[1, 1], np.ones((size, size))], -1)
    a, b, c = (rays**2).sum(-1), -3.0 * rays[..., 2], 1.5**2 - 0.4**2
    root = b**2 - 4 * a * c
    hit = np.isfinite(raster.depth)
    assert (hit != (root > 0)).mean() < 0.01
    both = hit & (root > 0.3)
    expected = (-b[both] - np.sqrt(root[both])) / (2 * a[both])
    assert np.abs(raster.depth[both] - expected).max() < 2e-3


def test_farthest_sees_the_back():
    mesh = trimesh.creation.icosphere(subdivisions=4, radius=0.4)
    pose, k = look_at_origin(0, 0), intrinsics(65)
    near = rasterize(mesh.vertices, mesh.faces, k, pose, 65)
    far = rasterize(mesh.vertices, mesh.faces, k, pose, 65, farthest=True)
    assert near.depth[32, 32] == pytest.approx(1.1, abs=3e-3)
    assert far.depth[32, 32] == pytest.approx(1.9, abs=3e-3)
    assert np.array_equal(np.isinf(near.depth), near.face < 0)
    assert np.array_equal(np.isinf(far.depth), np.isinf(near.depth))


def test_unproject_undoes_project():
    mesh = trimesh.creation.box((0.5, 0.7, 0.3))
    cameras = target_cameras(64)
    for raster, pose in zip(
        rasterize_ring(mesh.vertices, mesh.faces, cameras), cameras.poses, strict=True
    ):
        points = unproject(raster.depth, cameras.intrinsics, pose)
        uv, depth = project(points, cameras.intrinsics, pose)
        rows, columns = np.nonzero(np.isfinite(raster.depth))
        assert np.allclose(uv, np.stack([columns, rows], axis=1) + 0.5, atol=1e-6)
        assert np.allclose(depth, raster.depth[rows, columns])
        # Every point lies on the box.
        gap = np.abs(points) - np.array([0.25, 0.35, 0.15])
        assert np.abs(gap.max(axis=1)).max() < 1e-9


def test_hidden_faces_stay_hidden():
    front = np.array([[0.3, -0.3, -0.3], [0.3, 0.3, -0.3], [0.3, 0.0, 0.4]])
    back = front * [-1, 1, 1]
    vertices = np.concatenate([back, front])
    faces = np.array([[0, 1, 2], [3, 4, 5]])
    raster = rasterize(vertices, faces, intrinsics(64), look_at_origin(0, 0), 64)
    assert raster.face[32, 32] == 1
    assert raster.depth[32, 32] == pytest.approx(1.2)


def test_a_face_behind_the_camera_is_left_out():
    vertices = np.array([[3.0, -1, -1], [3.0, 1, -1], [3.0, 0, 1]])
    raster = rasterize(vertices, np.array([[0, 1, 2]]), intrinsics(32), look_at_origin(0, 0), 32)
    assert np.isinf(raster.depth).all()
