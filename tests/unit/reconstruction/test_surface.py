import numpy as np
import pytest
import trimesh

from harmony.reconstruction.grid import VoxelGrid
from harmony.reconstruction.surface import (
    adjacency,
    decimate,
    extract_surface,
    is_watertight,
    regularised,
    signed_volume,
    smooth_surface,
    vertex_normals,
)


def ball_field(grid: VoxelGrid, centre=(0.0, 0.0, 0.0), radius: float = 0.3) -> np.ndarray:
    points = grid.points().numpy().reshape(*grid.shape, 3)
    return radius - np.linalg.norm(points - np.array(centre), axis=-1)


GRID = VoxelGrid.around(np.array([-0.5] * 3), np.array([0.5] * 3), 0.04)


def test_marching_cubes_finds_the_ball():
    vertices, faces = extract_surface(ball_field(GRID), GRID)
    assert np.abs(np.linalg.norm(vertices, axis=1) - 0.3).max() < 2e-3
    assert signed_volume(vertices, faces) == pytest.approx(4 / 3 * np.pi * 0.3**3, rel=0.02)
    assert is_watertight(faces)
    normals = vertex_normals(vertices, faces)
    assert ((normals * vertices).sum(axis=1) > 0.29).all()


def test_a_solid_that_leaves_the_grid_is_closed():
    vertices, faces = extract_surface(ball_field(GRID, radius=0.6), GRID)
    assert is_watertight(faces)
    assert np.abs(vertices).max() < 0.56


def test_nothing_inside_is_refused():
    with pytest.raises(ValueError, match="Nothing is left"):
        extract_surface(-np.ones((4, 4, 4)), GRID)


def test_watertight_agrees_with_trimesh():
    mesh = trimesh.creation.torus(0.3, 0.1)
    assert is_watertight(np.asarray(mesh.faces))
    assert not is_watertight(np.asarray(mesh.faces[1:]))
    assert not is_watertight(np.concatenate([mesh.faces[:1, ::-1], mesh.faces[1:]]))
    assert not is_watertight(np.zeros((0, 3), dtype=int))


def test_smoothing_removes_noise_and_keeps_volume():
    mesh = trimesh.creation.icosphere(subdivisions=3, radius=0.4)
    noise = np.random.default_rng(0).normal(0, 0.005, mesh.vertices.shape)
    rough = mesh.vertices + noise
    smooth = smooth_surface(rough, mesh.faces, 10)
    spread = np.std(np.linalg.norm(smooth, axis=1))
    assert spread < 0.5 * np.std(np.linalg.norm(rough, axis=1))
    assert signed_volume(smooth, mesh.faces) == pytest.approx(mesh.volume, rel=0.03)


def test_decimation_reaches_its_goal_and_stays_closed():
    vertices, faces = extract_surface(ball_field(GRID), GRID)
    fewer_vertices, fewer = decimate(vertices, faces, 600)
    assert len(fewer) <= 600
    assert is_watertight(fewer)
    assert signed_volume(fewer_vertices, fewer) == pytest.approx(
        signed_volume(vertices, faces), rel=0.03
    )
    same, all_faces = decimate(vertices, faces, len(faces))
    assert same is vertices
    assert all_faces is faces


def test_adjacency_counts_neighbours():
    mesh = trimesh.creation.icosphere(subdivisions=0)
    assert (adjacency(np.asarray(mesh.faces), 12).sum(axis=1) == 5).all()


def test_smoothing_takes_lumps_only_where_trust_is_missing():
    rng = np.random.default_rng(0)
    ball = ball_field(GRID) / GRID.spacing
    lumpy = ball + rng.normal(size=ball.shape) * 0.4
    trust = np.zeros_like(ball)
    trust[GRID.axis(0) > 0] = 1.0
    smooth = regularised(lumpy, trust, 1.5)
    near = np.abs(ball) < 1
    doubted = near & (trust == 0)
    assert (smooth - ball)[doubted].std() < (lumpy - ball)[doubted].std() / 2
    assert np.array_equal(smooth[near & (trust == 1)], lumpy[near & (trust == 1)])
    assert regularised(lumpy, trust, 0.0) is lumpy
