"""metrics.json, tables.md and the plots of a finished run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from harmony.evaluation.files import write_json
from harmony.evaluation.measurement import SampleRecord
from harmony.evaluation.plots import Point, bar_chart, scatter_chart
from harmony.evaluation.published import GUIDANCE, MESHES, METHODS, published_rule
from harmony.evaluation.summary import RuleSummary, by_object, object_value, summarise
from harmony.evaluation.trends import trend_rows

DIGITS: Mapping[str, int] = {
    "psnr": 2,
    "ssim": 3,
    "lpips": 3,
    "e_flow": 3,
    "cd": 3,
    "chamfer": 4,
    "volume_iou": 4,
}
TITLES: Mapping[str, str] = {
    "psnr": "PSNR ↑",
    "ssim": "SSIM ↑",
    "lpips": "LPIPS ↓",
    "e_flow": "E_flow ↓",
    "cd": "CD ↑",
    "chamfer": "Chamfer ↓",
    "volume_iou": "Volume IoU ↑",
}
PICTURE_METRICS = ("psnr", "ssim", "lpips", "e_flow", "cd")
MESH_METRICS = ("chamfer", "volume_iou")
ABSENT = "–"
HOW_SAMPLES: Mapping[str, str] = {
    "mean": "mean of the samples",
    "best": "best sample of each object",
    "published": "best of the running means over the samples, as the released code logs them",
}


def write_report(
    output: Path, run: Mapping[str, Any], records: Sequence[SampleRecord], how: str
) -> tuple[RuleSummary, ...]:
    """Write `metrics.json`, `tables.md` and the plots.

    Args:
        output: The run's folder.
        run: Content of `run.json`.
        records: All records, in the order of the tables.
        how: One of `summary.AGGREGATES`.

    Returns:
        One summary for each rule.
    """
    summaries = summarise(records, how)
    content = {
        "run": dict(run),
        "aggregate": how,
        "summary": [asdict(summary) for summary in summaries],
        "records": [asdict(record) for record in records],
    }
    write_json(output / "metrics.json", content)
    text = tables(run, summaries, how, records)
    (output / "tables.md").write_text(text, encoding="utf-8", newline="\n")
    _draw(output, run, records, summaries, how)
    return summaries


def tables(
    run: Mapping[str, Any],
    summaries: Sequence[RuleSummary],
    how: str,
    records: Sequence[SampleRecord] = (),
) -> str:
    """Return the tables as Markdown, published figures behind ours in brackets."""
    parts = [
        f"# Evaluation of {run['model']}\n",
        _conditions(run, summaries, how),
        "## Guidance (Tables 1, 5 and 6)\n",
        _guidance_table(run, summaries),
        *_dials(records),
        "## Methods (Table 2)\n",
        _ours_and_theirs(run, summaries, METHODS, PICTURE_METRICS),
    ]
    if run["reconstruct"]:
        parts += [
            "## Meshes (Table 4)\n",
            _ours_and_theirs(run, summaries, MESHES, MESH_METRICS),
            _failures(summaries),
        ]
    return "\n".join(part for part in parts if part)


def _conditions(run: Mapping[str, Any], summaries: Sequence[RuleSummary], how: str) -> str:
    objects = summaries[0].objects if summaries else 0
    seeds = ", ".join(str(seed) for seed in run["seeds"])
    return (
        f"{objects} {'object' if objects == 1 else 'objects'}, seeds {seeds}, {run['sampler']} with {run['steps']} steps and eta"
        f" {run['eta']:g}. Aggregate: {HOW_SAMPLES[how]}, then the mean over objects; CD is"
        " (mean D) / (mean S_var) over all samples.\n\n"
        f"LPIPS: {run['lpips']}. E_flow by {run['e_flow_estimator']}. CD by the CLIP encoder"
        f" {run['encoder']}, official scaling.\n\n"
        "Published figures in brackets: SyncDreamer's network on 30 objects, E_flow by"
        " raft-things, CD by CLIP ViT-L/14. E_flow and CD compare only when estimator and encoder"
        " are the same.\n"
    )


def _dials(records: Sequence[SampleRecord]) -> list[str]:
    if not records:
        return []
    note = (
        "Mean over objects and seeds ± standard deviation of the seeds' means; the spread over"
        " seeds is the standard deviation of a pixel in [0, 1]. No published figures.\n"
    )
    heading, *rows = trend_rows(records)
    return ["## What the dials do\n", note, _table(heading, rows)]


def _number(metric: str, value: float | None) -> str:
    return ABSENT if value is None else f"{value:.{DIGITS[metric]}f}"


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def _guidance_table(run: Mapping[str, Any], summaries: Sequence[RuleSummary]) -> str:
    rows = []
    for summary in summaries:
        theirs = GUIDANCE.get((published_rule(summary.rule), run["steps"]), {})
        cells = [
            f"{_number(metric, summary.values[metric])} ({_number(metric, theirs.get(metric))})"
            for metric in PICTURE_METRICS
        ]
        rows.append([summary.rule, str(run["steps"]), *cells])
    return _table(["rule", "steps", *(TITLES[metric] for metric in PICTURE_METRICS)], rows)


def _ours_and_theirs(
    run: Mapping[str, Any],
    summaries: Sequence[RuleSummary],
    published: Mapping[str, Mapping[str, float]],
    metrics: Sequence[str],
) -> str:
    rows = [
        [f"{name} (published)", *(_number(metric, row.get(metric)) for metric in metrics)]
        for name, row in published.items()
    ]
    rows += [
        [
            f"{run['model']}, {summary.rule} (ours)",
            *(_number(metric, summary.values[metric]) for metric in metrics),
        ]
        for summary in summaries
    ]
    return _table(["method", *(TITLES[metric] for metric in metrics)], rows)


def _failures(summaries: Sequence[RuleSummary]) -> str:
    failed = [s for s in summaries if s.mesh_failures]
    if not failed:
        return ""
    counts = ", ".join(f"{s.rule}: {s.mesh_failures} of {s.samples}" for s in failed)
    return f"Samples without a mesh, which the means leave out: {counts}.\n"


def _draw(
    output: Path,
    run: Mapping[str, Any],
    records: Sequence[SampleRecord],
    summaries: Sequence[RuleSummary],
    how: str,
) -> None:
    points = [
        Point(summary.rule, cd, quality)
        for summary in summaries
        if (cd := summary.values["cd"]) is not None
        and (quality := summary.values["psnr"]) is not None
    ]
    if points:
        title = f"{run['model']}, {run['steps']} steps"
        scatter_chart(points, title=title, x_label="CD", y_label="PSNR (dB)").save(
            output / "psnr_vs_cd.png"
        )
    rules = [summary.rule for summary in summaries]
    groups = by_object(records)
    for metric in (*PICTURE_METRICS, *MESH_METRICS):
        values = {
            name: {
                rule: object_value([r for r in group if r.rule == rule], metric, how)
                for rule in rules
            }
            for name, group in groups.items()
        }
        if any(value is not None for row in values.values() for value in row.values()):
            chart = bar_chart(values, title=f"{TITLES[metric][:-2]} by object ({how})")
            chart.save(output / f"{metric}_by_object.png")
