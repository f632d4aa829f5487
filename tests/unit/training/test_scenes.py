import numpy as np

from harmony.training.counter_random import CounterRandom
from harmony.training.paint import hsv_to_rgb, studio_lights
from harmony.training.scenes import draw_scenes, rotation_about_z
from tests.unit.training.shapes import make_library

LIBRARY = make_library()
MANY = draw_scenes(LIBRARY, np.arange(3), np.arange(2000), seed=5)


def world_boxes(scenes, turned_back=True):
    """Corners of every object's box in the world, by scene, turned back where nearly aligned."""
    placement = scenes.placement
    low, high = LIBRARY.box_min[placement.object_ids], LIBRARY.box_max[placement.object_ids]
    pick = np.array([[x, y, z] for x in (0, 1) for y in (0, 1) for z in (0, 1)])
    corners = np.where(pick[None], high[:, None], low[:, None])
    return np.einsum("nij,nkj->nki", placement.linear, corners) + placement.shift[:, None]


def test_scenes_depend_on_seed_rank_and_number_only():
    numbers = np.array([7, 1500, 3])
    few = draw_scenes(LIBRARY, np.arange(3), numbers, seed=5)
    assert np.array_equal(few.lights, MANY.lights[numbers])
    assert np.array_equal(few.placement.linear[:3], MANY.placement.linear[numbers])
    main = few.paint.color_matrix[:3]
    assert np.array_equal(main, MANY.paint.color_matrix[numbers])
    other = draw_scenes(LIBRARY, np.arange(3), numbers, seed=5, rank=1)
    assert not np.array_equal(few.lights, other.lights)


def test_shares_are_those_of_the_recipe():
    count = len(MANY)
    assert abs((MANY.elevation_deg == 30).mean() - 0.4) < 0.04
    assert MANY.elevation_deg.min() >= -10
    assert MANY.elevation_deg.max() < 40
    second = len(MANY.placement.object_ids) - count
    assert abs(second / count - 0.15) < 0.03
    mirrored = np.linalg.det(MANY.placement.linear[:count]) < 0
    assert abs(mirrored.mean() - 0.5) < 0.04
    assert abs((MANY.lights[:, 18] > 0).mean() - 0.5) < 0.04


def test_every_scene_is_centred_in_a_box_whose_longest_side_is_085_to_1():
    single = np.setdiff1d(np.arange(len(MANY)), MANY.placement.scene[len(MANY) :])
    linear = MANY.placement.linear[single]
    ids = MANY.placement.object_ids[single]
    size = LIBRARY.box_max[ids] - LIBRARY.box_min[ids]
    sides = np.linalg.norm(linear, axis=1) * size  # columns are turned, scaled axes
    longest = sides.max(1)
    assert abs((np.abs(longest - 1) < 1e-6).mean() - 0.6) < 0.04
    assert longest.min() > 0.85 - 1e-6
    assert longest.max() < 1 + 1e-6
    corners = world_boxes(MANY)
    np.testing.assert_allclose(corners[single].mean(1), 0, atol=1e-6)
    assert np.abs(corners[..., 2]).max() <= 0.5 + 1e-6
    assert np.hypot(corners[..., 0], corners[..., 1]).max() <= np.sqrt(0.5) + 1e-6


def test_two_objects_do_not_reach_into_each_other():
    count = len(MANY)
    for k in range(count, count + 40):
        scene = MANY.placement.scene[k]
        back = np.linalg.inv(MANY.placement.linear[scene])
        corners = np.einsum("ij,nkj->nki", back, world_boxes(MANY)[[scene, k]])
        low, high = corners.min(1), corners.max(1)
        overlap = np.minimum(high[0], high[1]) - np.maximum(low[0], low[1])
        assert overlap.min() < 1e-5


def test_objects_without_colours_are_painted_and_others_mostly_keep_theirs():
    paint, ids = MANY.paint, MANY.placement.object_ids
    balls = ids == 1
    patterned = paint.layer_triplanar[paint.layer_start[:-1]] == 1
    assert abs(patterned[balls].mean() - 0.4 * 2 / 3) < 0.05
    assert np.isin(paint.layer_texture[paint.layer_triplanar == 1], LIBRARY.pattern_rows).all()
    own = paint.layer_color[paint.layer_start[:-1]] == LIBRARY.layer_color[LIBRARY.layer_start[0]]
    crates = ids == 0
    assert abs(own.all(1)[crates].mean() - 0.9) < 0.04


def test_random_numbers_are_uniform_and_independent():
    draw = CounterRandom(1, 0, np.arange(20000))
    a, b = draw.uniform(), draw.uniform(2.0, 4.0)
    histogram = np.histogram(a, bins=10, range=(0, 1))[0]
    assert np.abs(histogram - 2000).max() < 200
    assert 2 <= b.min() < b.max() < 4
    assert abs(np.corrcoef(a, b)[0, 1]) < 0.03
    assert abs(np.corrcoef(a[1:], a[:-1])[0, 1]) < 0.03
    assert set(draw.integers(3)) == {0, 1, 2}


def test_colour_and_rotation_conventions():
    rgb = hsv_to_rgb(np.array([0, 1 / 3, 2 / 3, 0.5]), np.array([1, 1, 1, 0.0]), np.full(4, 0.8))
    np.testing.assert_allclose(rgb, 0.8 * np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 1]]))
    turned = rotation_about_z(np.array([90.0]))[0] @ [1, 0, 0]
    np.testing.assert_allclose(turned, [0, 1, 0], atol=1e-12)
    np.testing.assert_allclose(np.linalg.norm(studio_lights(1)[0, 6:9]), 1)
