from __future__ import annotations

import statistics

import pytest

from harmony.ui.view_terms import modified_z_scores, outlier, variance_shares, view_terms

EVEN = [0.20, 0.22, 0.21, 0.19, 0.23, 0.20, 0.21, 0.22]


def test_the_modified_z_score_is_that_of_the_book():
    # Median 3, absolute deviations 2 1 0 1 97, median of them 1.
    assert modified_z_scores([1, 2, 3, 4, 100]) == pytest.approx(
        [0.6745 * x for x in (-2, -1, 0, 1, 97)]
    )
    assert modified_z_scores([5, 5, 5, 9]) is None


def test_the_one_view_that_stands_out_is_found_on_either_side():
    for odd in (0.05, 0.60):
        assert outlier([*EVEN[:3], odd, *EVEN[3:]]) == 3
    assert outlier([*EVEN, 0.05, 0.9]) == 9
    assert outlier(EVEN) is None
    assert outlier([]) is None
    assert outlier([0.2] * 15 + [0.9]) is None


def test_shares_are_those_of_the_variance():
    shares = variance_shares(EVEN)
    assert shares is not None
    assert sum(shares) == pytest.approx(1)
    assert shares[4] == pytest.approx(
        (EVEN[4] - statistics.fmean(EVEN)) ** 2 / (statistics.variance(EVEN) * (len(EVEN) - 1))
    )
    assert variance_shares([0.2, 0.2]) is None


def test_a_score_gives_its_terms_and_none_gives_none():
    score = {"view_distances": (0.0, 0.4), "text_similarities": (0.1, 0.3)}
    assert view_terms(score) == {
        "distances": [0.0, 0.4],
        "similarities": [0.1, 0.3],
        "shares": pytest.approx([0.5, 0.5]),
        "outlier": None,
    }
    empty = {"distances": [], "similarities": [], "shares": [], "outlier": None}
    assert view_terms(None) == empty == view_terms({"view_distances": ()})
