"""What each view adds to its sample's CD score, and the view that stands out.

Plain numbers only, so that the page shows them without the engine.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

CONSISTENCY = 0.6745
"""Median absolute deviation of a normal distribution over its standard deviation."""
THRESHOLD = 3.5
"""Above it Iglewicz and Hoaglin (How to Detect and Handle Outliers, 1993) call a value an outlier."""


def modified_z_scores(values: Sequence[float]) -> tuple[float, ...] | None:
    """Return 0.6745 (x - median) / MAD for each value, or None where the MAD is 0."""
    middle = statistics.median(values)
    deviation = statistics.median(abs(value - middle) for value in values)
    if deviation == 0:
        return None
    return tuple(CONSISTENCY * (value - middle) / deviation for value in values)


def outlier(values: Sequence[float]) -> int | None:
    """Return the index of the value with the largest modified z-score beyond 3.5, if there is one."""
    scores = modified_z_scores(values) if values else None
    if scores is None:
        return None
    index = max(range(len(scores)), key=lambda i: abs(scores[i]))
    return index if abs(scores[index]) > THRESHOLD else None


def variance_shares(values: Sequence[float]) -> tuple[float, ...] | None:
    """Return each value's share of their variance, (x - mean)^2 / sum; None where all are equal."""
    mean = statistics.fmean(values)
    squares = [(value - mean) ** 2 for value in values]
    total = sum(squares)
    return tuple(square / total for square in squares) if total > 0 else None


def view_terms(score: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the terms that a score keeps for its views; empty lists where it keeps none.

    Args:
        score: `CDScore` by field name, or None where nothing was measured.

    Returns:
        "distances" (terms of D), "similarities" (cosine with the prompt), "shares" of S_var, and
        "outlier", an index into them or None: S_var is what one wrong view spoils.
    """
    distances = list((score or {}).get("view_distances") or ())
    similarities = list((score or {}).get("text_similarities") or ())
    return {
        "distances": distances,
        "similarities": similarities,
        "shares": list((variance_shares(similarities) if similarities else None) or ()),
        "outlier": outlier(similarities),
    }
