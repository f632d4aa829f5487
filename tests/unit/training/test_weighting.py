"""Objects whose views differ are drawn more often."""

import numpy as np
import pytest

from harmony.training.objects import build_library
from harmony.training.runs import drawn_ids
from harmony.training.weighting import LEAST, MOST, RESOLUTION, repeated_by_spread, view_spread
from tests.unit.training.shapes import box, sphere

LIBRARY = build_library([sphere(rings=24), box((1.0, 0.05, 0.8)), box((1.0, 0.5, 0.5))])


def test_the_views_of_a_ball_hardly_differ_and_those_of_a_sheet_do():
    ball, sheet, brick = view_spread(LIBRARY, range(3))
    assert ball < 0.1 * brick < 0.1 * sheet


def test_objects_are_measured_in_the_order_asked_for():
    forward = view_spread(LIBRARY, range(3))
    assert np.allclose(view_spread(LIBRARY, [2, 0]), forward[[2, 0]])


def test_the_weight_is_the_root_of_the_spread_within_its_bounds():
    spread = np.array([1.0, 4.0, 0.0, 0.9, 100.0, 1.1])
    ids, counts = np.unique(repeated_by_spread(range(10, 16), spread), return_counts=True)
    assert ids.tolist() == list(range(10, 16))
    median = np.median(spread)
    expected = RESOLUTION * np.sqrt(spread / median).clip(LEAST, MOST)
    assert counts.tolist() == np.rint(expected).astype(int).tolist()
    assert counts[2] == RESOLUTION * LEAST
    assert counts[4] == RESOLUTION * MOST


def test_a_spread_for_each_object_is_asked_for():
    with pytest.raises(ValueError, match="2 objects have 1 spreads"):
        repeated_by_spread([0, 1], np.ones(1))


def test_a_run_draws_by_spread_only_when_told_to():
    assert drawn_ids(LIBRARY, (0, 1, 2), by_spread=False) == (0, 1, 2)
    drawn = list(drawn_ids(LIBRARY, (0, 1, 2), by_spread=True))
    assert drawn.count(1) > drawn.count(0) > 0
