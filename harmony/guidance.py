"""Guidance: branch predictions -> one prediction.

This is the whole of HarmonyView's method (arXiv 2312.15980). Every rule is a table of
weights that sum to 1, so it means the same on epsilon, sample and v predictions.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import torch
from jaxtyping import Float
from torch import Tensor

from harmony.records import Branch, Guidance, Predictions

MAX_SCALE = 20.0


def _none(guidance: Guidance) -> dict[Branch, float]:
    return {Branch.FULL: 1.0}


def _cfg(guidance: Guidance) -> dict[Branch, float]:
    """Eq. 3: e(c) + s (e(c) - e())."""
    s = guidance.cfg_scale
    return {Branch.FULL: 1.0 + s, Branch.UNCONDITIONAL: -s}


def _decomposed(guidance: Guidance) -> dict[Branch, float]:
    """Eq. 7: e(c) + s1 (e(c) - e(X)) + s2 (e(c) - e(r))."""
    s1, s2 = guidance.s1, guidance.s2
    return {Branch.FULL: 1.0 + s1 + s2, Branch.NO_REFERENCE: -s1, Branch.NO_VIEWS: -s2}


def _decomposed_official(guidance: Guidance) -> dict[Branch, float]:
    """Eq. 7 as released: the branch without views sees 4 times the input latent."""
    s1, s2 = guidance.s1, guidance.s2
    return {Branch.FULL: 1.0 + s1 + s2, Branch.NO_REFERENCE: -s1, Branch.NO_VIEWS_OFFICIAL: -s2}


RULES: Mapping[str, Callable[[Guidance], dict[Branch, float]]] = {
    "none": _none,
    "cfg": _cfg,
    "decomposed": _decomposed,
    "decomposed-official": _decomposed_official,
}


def branch_weights(guidance: Guidance) -> dict[Branch, float]:
    """Return the weight of every branch that takes part; they sum to 1.

    A branch whose scale is 0 is left out, so that it is never computed.

    Raises:
        ValueError: The rule is unknown, or a scale is not a number in [0, 20].
    """
    if guidance.rule not in RULES:
        raise ValueError(f"Guidance rule is {guidance.rule!r}; it must be one of {sorted(RULES)}.")
    for name, scale in (("s1", guidance.s1), ("s2", guidance.s2), ("s", guidance.cfg_scale)):
        if not math.isfinite(scale) or not 0.0 <= scale <= MAX_SCALE:
            raise ValueError(
                f"Guidance scale {name} is {scale}; it must be a number from 0 to {MAX_SCALE:g}."
            )
    weights = RULES[guidance.rule](guidance)
    return {branch: weight for branch, weight in weights.items() if weight != 0.0}


def guide(
    predictions: Predictions, guidance: Guidance, bound: float | None = None
) -> Float[Tensor, "S N C h w"]:
    """Combine the branches' predictions by the guidance rule (Eq. 3 or Eq. 7).

    Args:
        predictions: One for each branch that `branch_weights` names.
        guidance: The rule and its scales.
        bound: Of each term's root mean square over a sample; see `bounded_scale`. None leaves
            the terms as the equations have them.

    Returns:
        The guided prediction; with every scale 0 it is `predictions[Branch.FULL]` itself.
    """
    weights = branch_weights(guidance)
    full = predictions[Branch.FULL]
    if set(weights) == {Branch.FULL}:
        return full
    if bound is not None:
        guided = full
        for branch, weight in weights.items():
            if branch is not Branch.FULL:
                difference = full - predictions[branch]
                guided = guided + bounded_scale(-weight, difference, bound) * difference
        return guided
    terms = [weight * predictions[branch] for branch, weight in weights.items()]
    return sum(terms[1:], start=terms[0])


def bounded_scale(
    scale: float | Float[Tensor, " S"], difference: Float[Tensor, "S N C h w"], bound: float
) -> Float[Tensor, "S 1 1 1 1"]:
    """Return the scale with which a term's root mean square stays below the bound.

    s' = s / (1 + s r / bound), r = the root mean square of a sample's difference e(c) - e(.): a
    short term is left as it is, a long one tends to the bound, and a larger s is always a longer
    term. Where noise is all there is, the branches differ by as much as pictures do, and s times
    that is no picture (norm thresholds: Sadat et al., arXiv 2410.02416, Sec. 4; this one is
    smooth).

    Args:
        scale: Of the term, 0 or more; one number or one for each sample.
        difference: e(c) minus the branch without the term's condition.
        bound: Above 0, in units of the prediction.
    """
    # Sample by sample: a sum over a batch may be added up in another order than over one.
    lengths = torch.stack([sample.square().mean().sqrt() for sample in difference])
    return (scale / (1.0 + scale * lengths / bound))[:, None, None, None, None]
