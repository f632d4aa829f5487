import numpy as np
import torch

from harmony.training.objects import build_library
from harmony.training.occlusion import FLOOR, sphere_directions, with_visibility
from harmony.training.stream import render_views
from tests.unit.training.shapes import make_mesh, sphere


def corridor():
    """A floor on a broad base between two high walls, each of 81 vertices."""
    axis = np.linspace(-0.5, 0.5, 9)
    a, b = (m.reshape(-1) for m in np.meshgrid(axis, axis))
    low = np.full_like(a, -0.3)
    sheets = [np.c_[0.3 * a, b, low]]
    sheets += [np.c_[np.full_like(a, x), b, 0.6 * a] for x in (-0.15, 0.15)]
    sheets.append(np.c_[a, b, low - 0.1])
    index = np.arange(81).reshape(9, 9)
    quads = np.stack([index[:-1, :-1], index[:-1, 1:], index[1:, 1:], index[1:, :-1]], -1)
    quads = quads.reshape(-1, 4)
    one = np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]])
    return make_mesh(np.concatenate(sheets), np.concatenate([one + 81 * k for k in range(4)]))


def test_convex_surfaces_are_open_and_deep_corners_are_not():
    library = with_visibility(build_library([sphere(), corridor()]))
    ball = library.visibility[: library.vertex_start[1]]
    assert ball.min() > 0.9
    places = library.positions[library.vertex_start[1] :]
    walls = library.visibility[library.vertex_start[1] :]
    floor = walls[:81][(places[:81, 0].abs() < 0.1) & (places[:81, 1].abs() < 0.3)]
    rims = walls[81:][places[81:, 2] > 0.29]
    assert floor.max() < 0.8
    assert floor.mean() < 0.6
    assert rims.min() > 0.9
    assert library.visibility.min() >= FLOOR


def test_occlusion_darkens_only_what_is_occluded():
    plain = build_library([corridor()])
    shaded = with_visibility(plain, map_size=64)
    before, after = (render_views(lib, 0, image_size=16)[1].int() for lib in (plain, shaded))
    assert torch.equal(before[:, 3], after[:, 3])
    assert (after[:, :3] <= before[:, :3]).all()
    assert (after[:, :3] < before[:, :3]).any()


def test_directions_are_even():
    directions = sphere_directions(32)
    np.testing.assert_allclose(np.linalg.norm(directions, axis=1), 1)
    assert np.abs(directions.mean(0)).max() < 0.02
