"""Which parts of a solid stay."""

import numpy as np
import pytest
import trimesh

from harmony.reconstruction.parts import STRUT_RADIUS, whole_solid, with_strut
from harmony.reconstruction.surface import extract_surface, is_watertight, signed_volume
from tests.unit.reconstruction.test_surface import GRID, ball_field


def test_small_parts_go_and_cavities_close():
    field = np.maximum(ball_field(GRID, (-0.15, 0, 0), 0.25), ball_field(GRID, (0.4, 0, 0), 0.07))
    field = np.minimum(field, -ball_field(GRID, (-0.15, 0, 0), 0.1))
    vertices, faces = extract_surface(whole_solid(field, GRID.spacing), GRID)
    assert vertices[:, 0].max() < 0.2
    assert signed_volume(vertices, faces) > 0.97 * 4 / 3 * np.pi * 0.25**3


def test_large_parts_stay_and_are_joined_where_they_are_nearest():
    balls = [((-0.25, 0, 0), 0.18), ((0.2, 0, 0), 0.15), ((0.2, 0.32, 0), 0.1)]
    field = np.max([ball_field(GRID, *ball) for ball in balls], axis=0)
    vertices, faces = extract_surface(whole_solid(field, GRID.spacing), GRID)
    assert is_watertight(faces)
    assert trimesh.Trimesh(vertices, faces, process=False).body_count == 1
    spread = np.ptp(vertices, axis=0)
    np.testing.assert_allclose(spread, [0.78, 0.57 + 0.03, 0.36], atol=0.05)
    between = vertices[(vertices[:, 0] > -0.05) & (vertices[:, 0] < 0.03)]
    assert len(between) > 0
    assert np.abs(between[:, 1:]).max() < (STRUT_RADIUS + 1) * GRID.spacing


def test_a_solid_in_one_part_is_left_as_it_is():
    field = ball_field(GRID, (0, 0, 0), 0.3)
    np.testing.assert_array_equal(whole_solid(field, GRID.spacing), field)


def test_a_strut_is_a_capsule():
    empty = np.full((9, 9, 20), -7.0)
    field = with_strut(empty, np.array([4, 4, 15]), np.array([4, 4, 4]), 0.5)
    assert field[4, 4, 10] == 0.5 * STRUT_RADIUS
    assert field[6, 4, 10] == 0.5 * (STRUT_RADIUS - 2)
    assert field[4, 4, 17] == 0.5 * (STRUT_RADIUS - 2)
    assert field[4, 4, 2] == 0.5 * (STRUT_RADIUS - 2)
    assert field[4, 4, 19] == field[0, 0, 10] == -7
    assert (empty == -7).all()


def test_nothing_inside_is_refused():
    with pytest.raises(ValueError, match="Nothing is left"):
        whole_solid(-np.ones((4, 4, 4)), 1.0)
