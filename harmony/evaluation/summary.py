"""From records to one line for each guidance rule."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from statistics import fmean, stdev

from harmony.evaluation.measurement import SampleRecord

AGGREGATES = ("mean", "best", "published")
METRICS: Mapping[str, bool] = {
    "psnr": True,
    "ssim": True,
    "lpips": False,
    "e_flow": False,
    "chamfer": False,
    "volume_iou": True,
}
"""Measures that are aggregated over seeds, then objects; True where higher is better."""
RUNNING_MEANS = ("psnr", "ssim", "lpips")
"""Measures whose lists the released code does not reset between samples."""


@dataclass(frozen=True)
class RuleSummary:
    """One rule over all objects and seeds.

    Attributes:
        rule: As the records name it.
        values: By measure; None where a record lacks it. "cd" is the ratio of means.
        objects: Number of objects.
        samples: Number of records.
        mesh_failures: Samples of which no mesh could be made.
    """

    rule: str
    values: Mapping[str, float | None]
    objects: int
    samples: int
    mesh_failures: int


def over_samples(values: Sequence[float], *, higher_is_better: bool, how: str) -> float:
    """Aggregate the samples of one object.

    Args:
        values: In the order of the seeds.
        higher_is_better: Which end "best" takes.
        how: "mean", "best", or "published" (the best of the running means over samples 0..b,
            as the released code logs them).

    Raises:
        ValueError: `how` is unknown.
    """
    best: Callable[[Sequence[float]], float] = max if higher_is_better else min
    if how == "mean":
        return math.fsum(values) / len(values)
    if how == "best":
        return best(values)
    if how == "published":
        sums = accumulate(values)
        return best([total / count for count, total in enumerate(sums, start=1)])
    raise ValueError(f"Aggregate is {how!r}; it must be one of {', '.join(AGGREGATES)}.")


def cd_of(records: Sequence[SampleRecord]) -> float | None:
    """Return (mean D) / (mean S_var) of the records; None where S_var is 0 or not measured."""
    if any(r.cd_semantic_variance is None or r.cd_diversity is None for r in records):
        return None
    variance = math.fsum(record.cd_semantic_variance or 0.0 for record in records)
    diversity = math.fsum(record.cd_diversity or 0.0 for record in records)
    if not (math.isfinite(variance) and math.isfinite(diversity)) or variance <= 0:
        return None
    return diversity / variance


def over_seeds(records: Sequence[SampleRecord], metric: str) -> tuple[float, float | None] | None:
    """Return the mean over objects and seeds, and the standard deviation over seeds.

    Args:
        records: Of one rule.
        metric: Field of the records.

    Returns:
        None where a record lacks the metric; the deviation is None for one seed.
    """
    by_seed: dict[int, list[float]] = {}
    for record in records:
        value = getattr(record, metric)
        if value is None:
            return None
        by_seed.setdefault(record.seed, []).append(value)
    means = [fmean(values) for values in by_seed.values()]
    return fmean(means), stdev(means) if len(means) > 1 else None


def by_object(records: Sequence[SampleRecord]) -> dict[str, list[SampleRecord]]:
    """Return the records of each object, sorted by object and seed."""
    groups: dict[str, list[SampleRecord]] = {}
    for record in sorted(records, key=lambda record: (record.object_name, record.seed)):
        groups.setdefault(record.object_name, []).append(record)
    return groups


def object_value(records: Sequence[SampleRecord], metric: str, how: str) -> float | None:
    """Return one object's value of one measure; None where no record has it."""
    if metric == "cd":
        return cd_of(records)
    values = [value for record in records if (value := getattr(record, metric)) is not None]
    if not values:
        return None
    if how == "published" and metric not in RUNNING_MEANS:
        how = "best"
    return over_samples(values, higher_is_better=METRICS[metric], how=how)


def summarise(records: Sequence[SampleRecord], how: str) -> tuple[RuleSummary, ...]:
    """Return one summary for each rule, in the records' order of first appearance.

    A measure is first aggregated over each object's samples, then averaged over objects. The CD
    score is always the ratio of means over all samples, as in the published tables.
    """
    summaries = []
    for rule in dict.fromkeys(record.rule for record in records):
        chosen = [record for record in records if record.rule == rule]
        groups = by_object(chosen)
        values: dict[str, float | None] = {"cd": cd_of(chosen)}
        for metric in METRICS:
            each = [object_value(group, metric, how) for group in groups.values()]
            known = [value for value in each if value is not None]
            values[metric] = math.fsum(known) / len(known) if known else None
        failures = sum(record.mesh_failure is not None for record in chosen)
        summaries.append(RuleSummary(rule, values, len(groups), len(chosen), failures))
    return tuple(summaries)
