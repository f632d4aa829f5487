import json
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from harmony.evaluation.measurement import SampleRecord
from harmony.evaluation.plots import PALETTE, Point, bar_chart, scatter_chart, ticks
from harmony.evaluation.report import tables, write_report
from harmony.evaluation.summary import cd_of, object_value, over_samples, over_seeds, summarise
from harmony.evaluation.trends import trend_rows

RUN = {
    "model": "fake",
    "weights_sha256": "0" * 64,
    "sampler": "ddim",
    "steps": 50,
    "eta": 1.0,
    "seeds": [0, 1],
    "encoder": "small",
    "e_flow_estimator": "dis",
    "lpips": "not available",
    "reconstruct": False,
}


def record(name: str, rule: str, seed: int, psnr: float, **changes: object) -> SampleRecord:
    plain = SampleRecord(
        object_name=name,
        rule=rule,
        seed=seed,
        psnr=psnr,
        psnr_first_view=psnr + 10,
        psnr_other_views=psnr - 1,
        ssim=0.8,
        lpips=None,
        e_flow=2.0,
        cd_diversity=1.0,
        cd_semantic_variance=2.0,
        cd=0.5,
        cd_paper=300.0,
        neighbour_consistency=0.9,
    )
    return replace(plain, **changes)


def test_samples_are_aggregated_three_ways() -> None:
    values = [18.0, 21.0, 15.0]
    assert over_samples(values, higher_is_better=True, how="mean") == 18
    assert over_samples(values, higher_is_better=True, how="best") == 21
    assert over_samples(values, higher_is_better=False, how="best") == 15
    # Running means 18, 19.5, 18.
    assert over_samples(values, higher_is_better=True, how="published") == 19.5
    assert over_samples(values, higher_is_better=False, how="published") == 18
    with pytest.raises(ValueError, match="Aggregate"):
        over_samples(values, higher_is_better=True, how="median")


def test_published_e_flow_is_the_minimum() -> None:
    records = [record("a", "none", s, 20, e_flow=v) for s, v in enumerate((3.0, 1.0, 2.0))]
    assert object_value(records, "e_flow", "published") == 1.0
    assert object_value(records, "lpips", "published") is None


def test_objects_weigh_equally_whatever_their_samples() -> None:
    records = [
        record("a", "none", 0, 10),
        record("a", "none", 1, 20),
        record("b", "none", 0, 30),
    ]
    (mean,) = summarise(records, "mean")
    (best,) = summarise(records, "best")
    assert mean.values["psnr"] == 22.5
    assert best.values["psnr"] == 25
    assert mean.values["lpips"] is None
    assert (mean.objects, mean.samples) == (2, 3)


def test_cd_is_a_ratio_of_means() -> None:
    records = [
        record("a", "none", 0, 10, cd_diversity=1.0, cd_semantic_variance=4.0),
        record("b", "none", 0, 10, cd_diversity=3.0, cd_semantic_variance=1.0),
    ]
    assert cd_of(records) == pytest.approx(4 / 5)
    assert cd_of([record("a", "none", 0, 1, cd_semantic_variance=0.0)]) is None


def test_failed_meshes_are_counted_and_left_out() -> None:
    records = [
        record("a", "none", 0, 10, chamfer=0.02, volume_iou=0.5),
        record("b", "none", 0, 10, mesh_failure="The views are white."),
    ]
    (summary,) = summarise(records, "mean")
    assert summary.values["chamfer"] == 0.02
    assert summary.mesh_failures == 1
    text = tables({**RUN, "reconstruct": True}, [summary], "mean")
    assert "none: 1 of 2" in text
    assert "| fake, none (ours) | 0.0200 | 0.5000 |" in text


def test_table_shows_published_figures_beside_ours() -> None:
    records = [record("a", rule, 0, 20.5) for rule in ("cfg:1", "dgo:2:1", "dg:5:5")]
    text = tables(RUN, summarise(records, "mean"), "mean")
    assert (
        "| cfg:1 | 50 | 20.50 (20.19) | 0.800 (0.819) | – (0.140) | 2.000 (2.071) |"
        " 0.500 (0.717) |" in text
    )
    assert "| dgo:2:1 | 50 | 20.50 (20.69)" in text
    assert "| dg:5:5 | 50 | 20.50 (–)" in text
    assert "LPIPS: not available" in text
    assert "dis" in text


def test_report_writes_all_files(tmp_path: Path) -> None:
    records = [
        record(name, rule, 0, psnr)
        for rule, psnr in (("none", 20.0), ("dg:2:1", 22.0))
        for name in ("a", "b")
    ]
    write_report(tmp_path, RUN, records, "mean")
    content = json.loads((tmp_path / "metrics.json").read_text())
    assert [row["psnr"] for row in content["records"]] == [20, 20, 22, 22]
    assert [row["values"]["psnr"] for row in content["summary"]] == [20, 22]
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == [
        "cd_by_object.png",
        "e_flow_by_object.png",
        "metrics.json",
        "psnr_by_object.png",
        "psnr_vs_cd.png",
        "ssim_by_object.png",
        "tables.md",
    ]
    with Image.open(tmp_path / "psnr_vs_cd.png") as chart:
        assert chart.size == (900, 600)


def test_ticks_are_round_and_cover_the_range() -> None:
    assert ticks(0, 10) == (0, 2, 4, 6, 8, 10)
    assert ticks(19.8, 21.1) == (19.5, 20, 20.5, 21, 21.5)
    low, *_, high = ticks(-0.013, 0.002)
    assert low <= -0.013
    assert high >= 0.002
    assert len(ticks(5, 5)) >= 2


def test_bars_are_as_long_as_their_values() -> None:
    chart = bar_chart({"cup": {"none": 10.0, "cfg:1": 5.0}, "sofa": {"none": None}}, title="PSNR")

    def pixels_of(colour: tuple[int, int, int]) -> int:
        bars = chart.crop((0, 0, chart.width, 360))  # without the legend
        return sum(pixel == colour for pixel in bars.get_flattened_data())

    ratio = pixels_of(PALETTE[0]) / pixels_of(PALETTE[1])
    assert ratio == pytest.approx(2, rel=0.02)
    with pytest.raises(ValueError, match="at least one number"):
        bar_chart({"cup": {"none": None}}, title="PSNR")


def test_better_points_stand_higher() -> None:
    chart = scatter_chart(
        [Point("a", 0.0, 1.0), Point("b", 1.0, 2.0)], title="t", x_label="CD", y_label="PSNR"
    )
    where = {
        colour: next(
            divmod(place, chart.width)
            for place, pixel in enumerate(chart.get_flattened_data())
            if pixel == colour
        )
        for colour in PALETTE[:2]
    }
    assert where[PALETTE[1]][0] < where[PALETTE[0]][0]
    assert where[PALETTE[1]][1] > where[PALETTE[0]][1]
    with pytest.raises(ValueError, match="at least one point"):
        scatter_chart([], title="t", x_label="x", y_label="y")


def test_error_bars_are_over_seeds() -> None:
    records = [
        record(name, "none", seed, psnr)
        for name, seed, psnr in (("a", 0, 18.0), ("b", 0, 22.0), ("a", 1, 21.0), ("b", 1, 23.0))
    ]
    # Seed 0 has a mean of 20, seed 1 of 22: 21 +- sqrt(2).
    assert over_seeds(records, "psnr") == (21.0, pytest.approx(2**0.5))
    assert over_seeds(records[:2], "psnr") == (20.0, None)
    assert over_seeds(records, "lpips") is None


def test_table_of_the_dials_shows_what_was_measured() -> None:
    records = [
        record("a", rule, seed, psnr, seed_spread=0.1, cd_semantic_variance=None)
        for rule, psnr in (("dg:0:0", 19.0), ("dg:2:0", 20.0))
        for seed in (0, 1)
    ]
    heading, first, second = trend_rows(records)
    assert heading[:4] == ["rule", "PSNR", "views 1-15", "view 0"]
    assert first[:4] == ["dg:0:0", "19.00 ± 0.00", "18.00 ± 0.00", "29.00 ± 0.00"]
    assert second[heading.index("spread over seeds")] == "0.1000 ± 0.0000"
    assert second[heading.index("S_var")] == "–"
    text = tables(RUN, summarise(records, "mean"), "mean", records)
    assert "What the dials do" in text
    assert "| dg:2:0 | 20.00 ± 0.00 |" in text
    assert cd_of(records) is None
