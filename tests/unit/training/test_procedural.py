import numpy as np
import pytest
import torch

from harmony.training.composer import (
    Composer,
    random_deformation,
    random_outline,
    random_part,
    random_profile,
)
from harmony.training.objects import build_library, join, training_split
from harmony.training.primitives import (
    box,
    extrusion,
    random_rotation,
    rotation,
    smooth_path,
    superquadric,
    torus,
    tube,
)
from harmony.training.prints import PRINTS, draw_print
from harmony.training.procedural import make_object, make_objects, procedural_library
from harmony.training.stream import render_views
from harmony.training.templates import TEMPLATES
from tests.unit.training.shapes import make_library


def surface_area(part):
    edges = part.positions[part.faces[:, 1:]] - part.positions[part.faces[:, :1]]
    return np.linalg.norm(np.cross(edges[:, 0], edges[:, 1]), axis=1).sum() / 2


def test_primitives_have_the_area_of_their_ideals():
    assert surface_area(box()) == pytest.approx(24)
    assert surface_area(superquadric(1, 1, 40)) == pytest.approx(4 * np.pi, rel=0.01)
    assert surface_area(torus(0.3, 24, 48)) == pytest.approx(4 * np.pi**2 * 0.3, rel=0.02)
    straight = tube(np.linspace([0, 0, 0], [0, 0, 2], 4), np.full(4, 0.5), 48)
    assert surface_area(straight) == pytest.approx(2 * np.pi + 2 * np.pi / 4, rel=0.01)
    square = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]])
    assert surface_area(extrusion(square)) == pytest.approx(24)


def test_box_sides_show_their_print_upright_and_the_right_way_round():
    part = box()
    for side in range(6):
        rows = slice(4 * side, 4 * side + 4)
        corners, uvs = part.positions[rows], part.uvs[rows]
        u = corners[uvs[:, 0] == 1].mean(0) - corners[uvs[:, 0] == 0].mean(0)
        v = corners[uvs[:, 1] == 1].mean(0) - corners[uvs[:, 1] == 0].mean(0)
        outward = corners.mean(0)
        assert np.cross(u, v) @ outward > 0
        assert side > 3 or v[2] > 0


def test_rotations_and_paths():
    np.testing.assert_allclose(rotation(2, 90) @ [1, 0, 0], [0, 1, 0], atol=1e-12)
    turn = random_rotation(np.random.default_rng(0))
    np.testing.assert_allclose(turn @ turn.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(turn) == pytest.approx(1)
    points = np.random.default_rng(1).random((4, 3))
    np.testing.assert_allclose(smooth_path(points, 7)[::2], points, atol=1e-12)


def test_random_parts_are_finite_and_of_bounded_size():
    rng = np.random.default_rng(2)
    for _ in range(40):
        part = random_part(rng)
        assert np.isfinite(part.positions).all()
        assert 0 <= part.faces.min() <= part.faces.max() < len(part.positions)
        assert np.abs(part.positions).max() < 4
    profile, outline = random_profile(rng), random_outline(rng)
    assert profile[0, 0] == profile[-1, 0] == 0
    assert np.abs(outline).max() == pytest.approx(1)


@pytest.mark.parametrize("template", [template for template, _ in TEMPLATES])
def test_every_template_fills_the_unit_cube_and_can_be_drawn(template):
    composer = Composer(np.random.default_rng(3))
    template(composer)
    mesh = composer.mesh(random_deformation(np.random.default_rng(4)))
    assert np.ptp(mesh.positions, axis=0).max() == pytest.approx(1, abs=1e-5)
    np.testing.assert_allclose(mesh.positions.max(0), -mesh.positions.min(0), atol=1e-5)
    assert mesh.layer_texture.max() < len(mesh.textures)
    assert mesh.face_layer.max() < len(mesh.layer_color)
    _, views = render_views(build_library([mesh]), 0, image_size=8)
    assert (views[:, 3].amax((1, 2)) > 0).all()


@pytest.mark.parametrize("kind", PRINTS)
def test_prints_are_opaque_and_not_blank(kind):
    picture = draw_print(np.random.default_rng(5), kind)
    assert picture.dtype == np.uint8
    assert picture.shape[2] == 4
    assert (picture[..., 3] == 255).all()
    assert len(np.unique(picture.reshape(-1, 4), axis=0)) > 1


def test_objects_depend_on_seed_and_number_only_also_in_worker_processes():
    alone = make_object(np.random.default_rng([7, 1]))
    both = make_objects(2, seed=7)
    assert np.array_equal(both[1].positions, alone.positions)
    spread = make_objects(2, seed=7, workers=2)
    for a, b in zip(both, spread, strict=True):
        assert np.array_equal(a.positions, b.positions)
        assert all(np.array_equal(s, t) for s, t in zip(a.textures, b.textures, strict=True))
    with pytest.raises(ValueError, match="positive"):
        make_objects(0, seed=7)


def test_joined_libraries_render_as_their_members_do():
    first, second = make_library(), procedural_library(2, seed=1)
    joined = join([first, second])
    assert joined.names == first.names + second.names
    assert np.array_equal(joined.pattern_rows, first.pattern_rows)
    for k in (0, 2, 4):
        part, number = (first, k) if k < 3 else (second, k - 3)
        expected = render_views(part, number, image_size=8)[1]
        assert torch.equal(render_views(joined, k, image_size=8)[1], expected)
    assert {3, 4} <= set(training_split(joined, held_out_names=1)[0])
    with pytest.raises(ValueError, match="at least one"):
        join([])
