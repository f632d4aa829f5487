"""What is said of a run beside its CD scores: the object's name, and all measures of a run.

Gathered here for the page, `scores.json` and the command line.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from harmony.records import ReferenceImage, Views
from harmony.scoring import CDScorer
from harmony.scoring_views import (
    ReferenceAgreement,
    mean_seed_diversity,
    neighbour_consistency,
    reference_agreement,
    seed_diversity,
)

DEFAULT_NAME = "object"
LEAST_PROBABILITY = 0.2
TYPED, SUGGESTED, DEFAULT = "typed", "suggested", "default"


@dataclass(frozen=True)
class ObjectName:
    """The word in "An image of {name}" and where it comes from.

    Attributes:
        name: The word.
        source: "typed" by the user, "suggested" by zero-shot classification, or "default".
        probability: The classifier's, where it was asked.
        guess: What it guessed; the name itself unless it was too unsure.
    """

    name: str
    source: str
    probability: float | None = None
    guess: str | None = None


def name_object(
    typed: str | None,
    scorer: object,
    reference: ReferenceImage,
    *,
    least_probability: float = LEAST_PROBABILITY,
) -> ObjectName:
    """Return the typed name, else the scorer's suggestion, else "object".

    Args:
        typed: What the user typed; None or blanks ask for a suggestion.
        scorer: A `CDScorer` whose encoder has names suggests; anything else does not.
        reference: The input picture.
        least_probability: A guess below it is not taken: a wrong word spoils the score more
            than "object" does.
    """
    if typed and typed.strip():
        return ObjectName(typed.strip(), TYPED)
    if not isinstance(scorer, CDScorer) or not scorer.encoder.names:
        return ObjectName(DEFAULT_NAME, DEFAULT)
    guess, probability = scorer.suggest_name(reference)
    if probability < least_probability:
        return ObjectName(DEFAULT_NAME, DEFAULT, probability, guess)
    return ObjectName(guess, SUGGESTED, probability, guess)


@dataclass(frozen=True)
class SampleMeasures:
    """Measures of one sample that need no ground truth.

    Attributes:
        agreement: Of view 0 with the input picture; None where the input's elevation is not 30.
        neighbour_consistency: C = 1/N sum_n cos(I(x_n), I(x_{n+1})), cyclically; None without an
            encoder.
        neighbour_by_view: For each view the mean cosine with its two neighbours.
    """

    agreement: ReferenceAgreement | None
    neighbour_consistency: float | None = None
    neighbour_by_view: tuple[float, ...] = ()


@dataclass(frozen=True)
class RunMeasures:
    """Measures of all samples of a run.

    Attributes:
        samples: One for each seed, in order.
        seed_diversity: (S, S) V_st = 1/N sum_n [1 - cos(I(x_n of s), I(x_n of t))], rows; empty
            without an encoder.
        mean_seed_diversity: Over pairs of different seeds; None for one seed.
        encoder: That embedded the views; values of different encoders do not compare.
    """

    samples: tuple[SampleMeasures, ...]
    seed_diversity: tuple[tuple[float, ...], ...] = ()
    mean_seed_diversity: float | None = None
    encoder: str | None = None


def measure_run(
    views: Sequence[Views], reference: ReferenceImage, scorer: object = None
) -> RunMeasures:
    """Measure the samples of one run, all in one batch.

    Args:
        views: One for each seed, each with S = 1.
        reference: The input picture.
        scorer: A `CDScorer` embeds the views; without one only the pixels are compared.

    Raises:
        ValueError: There is no sample.
    """
    if not views:
        raise ValueError("There is no sample to measure.")
    together = Views(
        torch.cat([one.pixels for one in views]), torch.cat([one.alpha for one in views])
    )
    agreements = reference_agreement(together, reference) or [None] * len(views)
    if not isinstance(scorer, CDScorer):
        return RunMeasures(tuple(SampleMeasures(agreement) for agreement in agreements))
    embedded = scorer.embed(together).views
    consistency, by_view = neighbour_consistency(embedded)
    samples = tuple(
        SampleMeasures(agreement, float(one), tuple(each.tolist()))
        for agreement, one, each in zip(agreements, consistency, by_view, strict=True)
    )
    return RunMeasures(
        samples=samples,
        seed_diversity=tuple(tuple(row) for row in seed_diversity(embedded).tolist()),
        mean_seed_diversity=mean_seed_diversity(embedded),
        encoder=scorer.encoder.name,
    )


def sample_json(measures: SampleMeasures) -> dict[str, Any]:
    """Return one sample's measures for `scores.json`; what was not measured is null."""
    agreement = measures.agreement
    return {
        "view_0_psnr_db": None if agreement is None else _finite(agreement.psnr),
        "view_0_ssim": None if agreement is None else agreement.ssim,
        "neighbour_consistency": measures.neighbour_consistency,
        "neighbour_consistency_by_view": list(measures.neighbour_by_view),
    }


def run_json(measures: RunMeasures) -> dict[str, Any]:
    """Return what `scores.json` says of all samples together."""
    return {
        "mean_seed_diversity": measures.mean_seed_diversity,
        "seed_diversity": [list(row) for row in measures.seed_diversity],
    }


def _finite(value: float) -> float | None:
    """Equal pictures have an infinite PSNR, which JSON does not have."""
    return value if math.isfinite(value) else None
