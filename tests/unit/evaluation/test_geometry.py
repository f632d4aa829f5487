import numpy as np
import pytest
import trimesh

from harmony.evaluation.geometry import chamfer_distance, inside_grid, visible_points, volume_iou


def sphere(radius: float) -> trimesh.Trimesh:
    return trimesh.creation.icosphere(subdivisions=4, radius=radius)


def test_inside_grid_is_the_formula_of_a_sphere():
    mesh = sphere(0.5)
    axis = -1 + 2 * np.arange(64) / 64
    x, y, z = np.meshgrid(axis, axis, axis, indexing="ij")
    expected = x**2 + y**2 + z**2 < 0.25
    wrong = (inside_grid(mesh.vertices, mesh.faces) != expected).sum()
    assert wrong <= 0.01 * expected.sum()


def test_inside_grid_keeps_axes_apart():
    box = trimesh.creation.box(
        (0.2, 0.6, 1.2), transform=trimesh.transformations.translation_matrix([0.3, 0, -0.2])
    )
    i, j, k = np.nonzero(inside_grid(box.vertices, box.faces))
    for index, (low, high) in zip((i, j, k), ((0.2, 0.4), (-0.3, 0.3), (-0.8, 0.4)), strict=True):
        axis = -1 + 2 * index / 64
        assert low - 1e-9 <= axis.min() < low + 2 / 64
        assert high - 2 / 64 < axis.max() <= high + 1e-9


def test_volume_iou_of_shifted_boxes():
    # A quarter of the width apart: 3/4 shared, 5/4 together.
    box = trimesh.creation.box((0.99, 0.99, 0.99))
    assert volume_iou(box.vertices, box.faces, box.vertices, box.faces) == 1.0
    moved = box.vertices + np.array([0.25, 0, 0])
    assert volume_iou(box.vertices, box.faces, moved, box.faces) == pytest.approx(0.6, abs=0.02)
    apart = box.vertices * 0.3 + [0.7, 0, 0]
    assert volume_iou(box.vertices * 0.3, box.faces, apart, box.faces) == 0.0


def test_chamfer_of_concentric_spheres_is_their_distance():
    a, b = sphere(0.40), sphere(0.45)
    assert chamfer_distance(a.vertices, a.faces, a.vertices, a.faces) == 0.0
    distance = chamfer_distance(a.vertices, a.faces, b.vertices, b.faces)
    assert distance == pytest.approx(0.05, rel=0.08)
    assert distance == pytest.approx(chamfer_distance(b.vertices, b.faces, a.vertices, a.faces))


def test_hidden_surfaces_do_not_count():
    outer, inner = sphere(0.45), sphere(0.2)
    vertices = np.concatenate([outer.vertices, inner.vertices])
    faces = np.concatenate([outer.faces, inner.faces + len(outer.vertices)])
    assert chamfer_distance(vertices, faces, outer.vertices, outer.faces) == 0.0


def test_visible_points_are_one_for_each_voxel():
    mesh = sphere(0.4)
    points = visible_points(mesh.vertices, mesh.faces)
    # Seen from 30 degrees above, the lowest cap is hidden.
    assert points[:, 2].min() > -0.4
    assert np.abs(np.linalg.norm(points, axis=1) - 0.4).max() < 0.02
    area_seen = 4 * np.pi * 0.4**2
    assert 0.5 * area_seen / 1e-4 < len(points) < 2.0 * area_seen / 1e-4


def test_meshes_out_of_sight_are_refused():
    mesh = sphere(0.1)
    with pytest.raises(ValueError, match="No camera sees"):
        visible_points(mesh.vertices + 9.0, mesh.faces)
    with pytest.raises(ValueError, match="Neither mesh"):
        volume_iou(mesh.vertices * 1e-3 + 0.01, mesh.faces, mesh.vertices * 1e-3 + 0.01, mesh.faces)
