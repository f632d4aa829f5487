"""Guidance: the method's two equations as weights that sum to 1."""

import math

import pytest
import torch

from harmony.guidance import RULES, branch_weights, guide
from harmony.records import Branch, Guidance

FULL, NO_REFERENCE, NO_VIEWS = Branch.FULL, Branch.NO_REFERENCE, Branch.NO_VIEWS


def predictions() -> dict[Branch, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return {branch: torch.randn(1, 2, 3, generator=generator) for branch in Branch}


@pytest.mark.parametrize("rule", sorted(RULES))
@pytest.mark.parametrize("scales", [(0.0, 0.0, 0.0), (2.0, 1.0, 1.0), (0.3, 1.7, 2.5)])
def test_weights_sum_to_one_and_zero_scales_need_no_branch(rule, scales):
    weights = branch_weights(Guidance(rule, *scales))
    assert sum(weights.values()) == pytest.approx(1.0)
    assert all(weight != 0 for weight in weights.values())
    if not any(scales):
        assert weights == {FULL: 1.0}


def test_equation_7():
    p = predictions()
    expected = p[FULL] + 2 * (p[FULL] - p[NO_REFERENCE]) + 1 * (p[FULL] - p[NO_VIEWS])
    torch.testing.assert_close(guide(p, Guidance("decomposed", 2.0, 1.0)), expected)


def test_equation_3():
    p = predictions()
    expected = p[FULL] + 1.5 * (p[FULL] - p[Branch.UNCONDITIONAL])
    torch.testing.assert_close(guide(p, Guidance("cfg", cfg_scale=1.5)), expected)


def test_the_official_release_differs_in_one_branch():
    p = predictions()
    expected = 4 * p[FULL] - 2 * p[NO_REFERENCE] - p[Branch.NO_VIEWS_OFFICIAL]
    torch.testing.assert_close(guide(p, Guidance("decomposed-official", 2.0, 1.0)), expected)


def test_without_guidance_the_prediction_is_returned_itself():
    p = {FULL: torch.ones(2)}
    assert guide(p, Guidance("decomposed", 0.0, 0.0)) is p[FULL]


@pytest.mark.parametrize("scale", [math.nan, math.inf, -0.1, 21.0])
def test_scales_out_of_range_are_refused_by_name(scale):
    with pytest.raises(ValueError, match="scale s1"):
        branch_weights(Guidance(s1=scale))
    with pytest.raises(ValueError, match="must be one of"):
        branch_weights(Guidance(rule="magic"))


def views(samples: int = 3) -> dict[Branch, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    return {branch: torch.randn(samples, 4, 4, 8, 8, generator=generator) for branch in Branch}


def lengths(terms: torch.Tensor) -> torch.Tensor:
    return terms.square().mean(dim=(1, 2, 3, 4)).sqrt()


def test_a_bounded_term_keeps_its_direction_and_stays_below_the_bound():
    p = views()
    difference = p[FULL] - p[NO_REFERENCE]
    before = torch.zeros(3)
    for s1 in (0.5, 1.0, 2.0, 4.0, 20.0):
        term = guide(p, Guidance("decomposed", s1, 0.0), 0.15) - p[FULL]
        r = lengths(difference)
        expected = s1 / (1 + s1 * r / 0.15)
        scales = expected[:, None, None, None, None]
        torch.testing.assert_close(term, scales * difference, atol=1e-5, rtol=1e-4)
        assert (lengths(term) > before).all()
        assert (lengths(term) < 0.15).all()
        before = lengths(term)


def test_each_term_is_bounded_on_its_own():
    p = views()
    both = guide(p, Guidance("decomposed", 2.0, 1.0), 0.15)
    one, two = (guide(p, Guidance("decomposed", *s), 0.15) for s in ((2.0, 0.0), (0.0, 1.0)))
    torch.testing.assert_close(both - p[FULL], (one - p[FULL]) + (two - p[FULL]))
    three = guide(p, Guidance("cfg", cfg_scale=2.0), 0.15) - p[FULL]
    assert (lengths(three) < 0.15).all()


def test_short_terms_and_no_bound_are_the_equations_themselves():
    p = views()
    near = {FULL: p[FULL], NO_REFERENCE: p[FULL] + 1e-4 * p[NO_REFERENCE]}
    guidance = Guidance("decomposed", 2.0, 0.0)
    torch.testing.assert_close(
        guide(near, guidance, 0.15), guide(near, guidance), atol=3e-6, rtol=0
    )
    torch.testing.assert_close(guide(p, guidance, math.inf), guide(p, guidance))


def test_a_bounded_sample_does_not_depend_on_its_neighbours():
    p, guidance = views(), Guidance("decomposed", 2.0, 1.0)
    together = guide(p, guidance, 0.15)
    for k in range(3):
        alone = guide({b: v[k : k + 1] for b, v in p.items()}, guidance, 0.15)
        assert torch.equal(alone[0], together[k])
