import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from harmony.evaluation import __main__ as command
from harmony.evaluation.__main__ import build_parser, parse_metrics, run
from harmony.evaluation.dataset import find_objects
from harmony.evaluation.flow import FlowEstimator
from harmony.evaluation.measurement import (
    MAX_PSNR,
    Instruments,
    load_truth,
    measure_sample,
)
from harmony.evaluation.rules import parse_rules
from harmony.evaluation.run import (
    RunSettings,
    describe_run,
    evaluate_objects,
    open_run,
    read_records,
    record_path,
    seed_spread,
)
from harmony.records import ReferenceImage, SamplerSettings, Views
from harmony.scoring import CDScorer
from tests.fakes import FakeDenoiser

SETTINGS = RunSettings(parse_rules("none,dg:2:1"), (0, 3), SamplerSettings("ddim", 2, 1.0))
DIFFERENCE = FlowEstimator("difference", lambda one, other: (other - one)[:, :2])


@pytest.fixture
def instruments(scorer: CDScorer) -> Instruments:
    return Instruments(scorer, DIFFERENCE, None)


def reference_of(pixels: torch.Tensor) -> ReferenceImage:
    return ReferenceImage(pixels * 2 - 1, torch.ones(1, 32, 32), 30.0)


def test_the_truth_itself_is_perfect(dataset: Path, instruments: Instruments) -> None:
    truth = load_truth(find_objects(dataset)[0], instruments)
    views = Views(truth.views[None], torch.ones(1, 16, 1, 32, 32))
    record = measure_sample(
        views, truth, reference_of(truth.views[0]), instruments, rule="none", seed=5
    )
    assert (record.object_name, record.rule, record.seed) == ("box1", "none", 5)
    assert record.psnr == MAX_PSNR
    assert record.ssim == pytest.approx(1)
    assert record.e_flow == 0
    assert record.lpips is None
    assert record.chamfer is None
    assert record.cd_diversity is not None
    assert record.cd_diversity > 0


def test_equal_views_have_no_diversity(dataset: Path, instruments: Instruments) -> None:
    truth = load_truth(find_objects(dataset)[0], instruments)
    same = truth.views[:1].expand(16, -1, -1, -1)
    views = Views(same[None], torch.ones(1, 16, 1, 32, 32))
    record = measure_sample(
        views, truth, reference_of(truth.views[0]), instruments, rule="none", seed=0
    )
    assert record.cd_diversity == pytest.approx(0, abs=1e-5)
    assert record.neighbour_consistency == pytest.approx(1)
    assert record.psnr < MAX_PSNR
    assert record.e_flow is not None
    assert record.e_flow > 0


def test_truth_survives_being_painted_smaller(dataset: Path, instruments: Instruments) -> None:
    truth = load_truth(find_objects(dataset)[0], instruments)
    small = torch.nn.functional.interpolate(truth.views, size=16, mode="area")
    views = Views(small[None], torch.ones(1, 16, 1, 16, 16))
    record = measure_sample(
        views, truth, reference_of(truth.views[0]), instruments, rule="none", seed=0
    )
    assert 15 < record.psnr < MAX_PSNR


def test_object_without_mesh_says_so(dataset: Path, scorer: CDScorer) -> None:
    instruments = Instruments(scorer, None, None, reconstructs=True)
    truth = load_truth(find_objects(dataset)[0], instruments)
    views = Views(torch.ones(1, 16, 3, 32, 32), torch.zeros(1, 16, 1, 32, 32))
    record = measure_sample(
        views, truth, reference_of(truth.views[0]), instruments, rule="none", seed=0
    )
    assert record.mesh_failure == "The dataset has no mesh of this object."
    assert record.e_flow is None


def test_views_that_cannot_become_a_mesh_are_told(dataset: Path, scorer: CDScorer) -> None:
    instruments = Instruments(scorer, None, None, reconstructs=True)
    truth = load_truth(find_objects(dataset)[1], instruments)
    views = Views(torch.ones(1, 16, 3, 128, 128), torch.zeros(1, 16, 1, 128, 128))
    record = measure_sample(
        views, truth, reference_of(truth.views[0]), instruments, rule="none", seed=0
    )
    assert record.mesh_failure
    assert record.chamfer is None


def test_two_processes_write_the_bytes_of_one(
    dataset: Path, instruments: Instruments, tmp_path: Path
) -> None:
    objects = find_objects(dataset)
    evaluate_objects(FakeDenoiser(), objects, SETTINGS, instruments, tmp_path / "one")
    for rank in (1, 0):
        evaluate_objects(FakeDenoiser(), objects[rank::2], SETTINGS, instruments, tmp_path / "two")
    for item in objects:
        for rule in SETTINGS.rules:
            one, two = (
                record_path(tmp_path / side, item.name, rule).read_bytes()
                for side in ("one", "two")
            )
            assert one == two


def test_finished_pairs_are_not_computed_again(
    dataset: Path, instruments: Instruments, tmp_path: Path
) -> None:
    objects = find_objects(dataset)
    model = FakeDenoiser()

    class StoppedError(Exception):
        pass

    def stop(fraction: float, text: str) -> None:
        if text.startswith("red_brick dg"):
            raise StoppedError

    with pytest.raises(StoppedError):
        evaluate_objects(model, objects, SETTINGS, instruments, tmp_path, stop)
    with pytest.raises(ValueError, match="is missing"):
        read_records(tmp_path, objects, SETTINGS.rules)
    model.calls.clear()
    shares: list[float] = []
    evaluate_objects(
        model, objects, SETTINGS, instruments, tmp_path, lambda share, _: shares.append(share)
    )
    # Only one pair of object and rule was left: 2 seeds of 2 steps.
    assert len(model.calls) == 4
    assert shares == sorted(shares)
    assert shares[-1] == 1
    records = read_records(tmp_path, objects, SETTINGS.rules)
    assert [(r.rule, r.object_name, r.seed) for r in records] == [
        (rule, name, seed)
        for rule in ("none", "dg:2:1")
        for name in ("box1", "red_brick")
        for seed in (0, 3)
    ]


def test_another_run_in_the_same_folder_is_refused(
    instruments: Instruments, tmp_path: Path
) -> None:
    description = describe_run(FakeDenoiser(), SETTINGS, instruments)
    open_run(tmp_path, description)
    open_run(tmp_path, description)
    with pytest.raises(ValueError, match="other seeds, steps"):
        open_run(tmp_path, {**description, "steps": 9, "seeds": [1]})
    bounded = FakeDenoiser()
    bounded.schedule = replace(bounded.schedule, guidance_bound=0.15)
    with pytest.raises(ValueError, match="other guidance_bound"):
        open_run(tmp_path, describe_run(bounded, SETTINGS, instruments))


def test_command_line_writes_tables(dataset: Path, tiny_encoder: Path, tmp_path: Path) -> None:
    options = build_parser().parse_args(
        [
            *("--dataset", str(dataset), "--output", str(tmp_path / "out")),
            *("--encoder", str(tiny_encoder), "--flow", "none", "--device", "cpu"),
            *("--rules", "cfg:1", "--seeds", "0", "--steps", "2", "--objects", "box1"),
        ]
    )
    text = run(options, load=lambda name, device: FakeDenoiser())
    assert text == (tmp_path / "out" / "tables.md").read_text()
    assert "| cfg:1 | 2 |" in text
    content = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert [row["object_name"] for row in content["records"]] == ["box1"]
    assert np.isfinite(content["records"][0]["psnr"])


def test_rule_that_the_model_cannot_serve_is_refused_at_once(
    dataset: Path, tiny_encoder: Path, tmp_path: Path
) -> None:
    options = build_parser().parse_args(
        [
            *("--dataset", str(dataset), "--output", str(tmp_path / "out")),
            *("--encoder", str(tiny_encoder), "--flow", "none", "--device", "cpu"),
            *("--rules", "none,dgo:2:1"),
        ]
    )
    with pytest.raises(ValueError, match="cannot serve"):
        run(options, load=lambda name, device: FakeDenoiser())
    assert not (tmp_path / "out").exists()


def test_sampler_settings_left_open_are_the_models(
    dataset: Path, tiny_encoder: Path, tmp_path: Path
) -> None:
    options = build_parser().parse_args(
        [
            *("--dataset", str(dataset), "--output", str(tmp_path / "out")),
            *("--encoder", str(tiny_encoder), "--flow", "none", "--device", "cpu"),
            *("--rules", "none", "--seeds", "0", "--objects", "box1", "--eta", "0.5"),
        ]
    )
    run(options, load=lambda name, device: FakeDenoiser())
    description = json.loads((tmp_path / "out" / "run.json").read_text())
    assert (description["sampler"], description["steps"], description["eta"]) == ("ddim", 4, 0.5)


def test_only_chosen_metrics_are_measured_and_their_tools_loaded(
    dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "load_flow", None)
    monkeypatch.setattr(command.CDScorer, "load", None)
    options = build_parser().parse_args(
        [
            *("--dataset", str(dataset), "--output", str(tmp_path / "out"), "--device", "cpu"),
            *("--rules", "none", "--seeds", "0-1", "--steps", "2", "--objects", "box1"),
            *("--metrics", "psnr"),
        ]
    )
    text = run(options, load=lambda name, device: FakeDenoiser())
    assert "| none | 2 |" in text
    content = json.loads((tmp_path / "out" / "metrics.json").read_text())
    for row in content["records"]:
        assert np.isfinite(row["psnr"])
        assert row["ssim"] is row["e_flow"] is row["cd"] is row["cd_diversity"] is None
        mean = (row["psnr_first_view"] + 15 * row["psnr_other_views"]) / 16
        assert row["psnr"] == pytest.approx(mean)
        assert row["seed_spread"] > 0
    assert content["run"]["encoder"] == "none"


def test_unknown_metrics_are_refused() -> None:
    assert parse_metrics("psnr,cd") == {"cd"}
    with pytest.raises(ValueError, match="no metric 'fid'"):
        parse_metrics("psnr,fid")


def test_spread_over_seeds_by_hand() -> None:
    one, other = torch.zeros(2, 3, 4, 4), torch.full((2, 3, 4, 4), 0.2)
    # The deviation of two numbers is their distance over sqrt(2).
    assert seed_spread([one, other]) == pytest.approx(0.2 / 2**0.5)
    assert seed_spread([one, one]) == 0
    assert seed_spread([one]) is None
