"""The table of the dials: what s1 and s2 do, with error bars over seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from harmony.evaluation.measurement import SampleRecord
from harmony.evaluation.summary import over_seeds

COLUMNS: Mapping[str, tuple[str, int]] = {
    "psnr": ("PSNR", 2),
    "psnr_other_views": ("views 1-15", 2),
    "psnr_first_view": ("view 0", 2),
    "seed_spread": ("spread over seeds", 4),
    "cd_diversity": ("D", 3),
    "cd_semantic_variance": ("S_var", 3),
    "neighbour_consistency": ("neighbours alike", 4),
}
"""Field of a record -> heading and digits."""


def trend_rows(records: Sequence[SampleRecord]) -> list[list[str]]:
    """Return the heading and one row for each rule, in the records' order."""
    rows = [["rule", *(heading for heading, _ in COLUMNS.values())]]
    for rule in dict.fromkeys(record.rule for record in records):
        chosen = [record for record in records if record.rule == rule]
        cells = [_cell(over_seeds(chosen, name), digits) for name, (_, digits) in COLUMNS.items()]
        rows.append([rule, *cells])
    return rows


def _cell(value: tuple[float, float | None] | None, digits: int) -> str:
    if value is None:
        return "–"
    mean, deviation = value
    return f"{mean:.{digits}f}" + ("" if deviation is None else f" ± {deviation:.{digits}f}")
