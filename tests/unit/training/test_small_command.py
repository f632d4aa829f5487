"""The training command from end to end, at a tiny size on the CPU."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from harmony.models.small import load
from harmony.models.small.weights import load_state
from harmony.training.__main__ import main
from tests.unit.training.tiny import write_objects

STEPS_A_LINE = 5


@pytest.fixture(scope="module", name="objects")
def make_objects(tmp_path_factory):
    return write_objects(tmp_path_factory.mktemp("objects"))


def arguments(objects: Path, output: Path, *more: str) -> list[str]:
    return [
        *("small", "--objects", f"{objects / 'set'}", "--output", f"{output}"),
        *("--config", f"{objects / 'config.json'}", "--device", "cpu", "--batch", "5"),
        *("--new-scenes", "1", "--ring", "8", "--log-every", str(STEPS_A_LINE), "--check", "1"),
        *("--validation", "1", "--no-occlusion", *more),
    ]


def read_log(output: Path) -> list[dict]:
    return [json.loads(line) for line in (output / "log.jsonl").read_text().splitlines()]


@pytest.fixture(scope="module", name="run")
def make_run(objects):
    output = objects / "run"
    code = main(
        arguments(
            objects,
            output,
            *("--minutes", "0.05", "--procedural", "2", "--workers", "1", "--generation", "500"),
            *("--pieces", "0.01"),
        )
    )
    assert code == 0
    return output


def test_a_run_leaves_log_weights_card_and_pieces(run):
    log = read_log(run)
    losses = [line for line in log if "loss" in line]
    checks = [line for line in log if "validation_psnr" in line]
    assert losses
    assert checks
    assert losses[0]["step"] == STEPS_A_LINE
    assert losses[0]["samples"] == STEPS_A_LINE * 5
    assert 0 < checks[-1]["validation_psnr"] < 60
    card = load_state(run / "weights")[1]
    assert card["training"]["procedural"]["count"] == 2
    assert card["training"]["objects"] == {"training": 10, "validation": 1}
    assert card["training"]["ambient_occlusion"] is False
    assert card["validation"]["s1=1 s2=0, all"]["psnr"] > 0
    assert load(run / "weights").image_size == 32
    assert main(["join", f"{run / 'pieces'}", "--output", f"{run / 'joined'}"]) == 0
    for name in ("model.safetensors", "card.json"):
        assert (run / "joined" / name).read_bytes() == (run / "weights" / name).read_bytes()


def test_a_new_run_begins_at_given_weights(run, objects, monkeypatch):
    begun: dict[str, torch.Tensor] = {}

    def look(objective, state, *_, **__):
        begun.update({name: value.clone() for name, value in state.averaged_state().items()})
        return False

    monkeypatch.setattr("harmony.training.small.train", look)
    options = arguments(objects, objects / "second", "--minutes", "1")
    cut = options.index("--config")
    # Without --config the size comes from the weights' card.
    options = options[:cut] + options[cut + 2 :]
    assert main([*options, "--start-from", f"{run / 'weights'}"]) == 0
    stored, _ = load_state(run / "weights")
    assert begun.keys() == stored.keys()
    assert all(torch.equal(begun[name], stored[name]) for name in stored)


def test_a_run_that_stopped_early_is_taken_up(objects):
    output = objects / "stopped"

    def steps_after(*more: str) -> int:
        assert main(arguments(objects, output, *more)) == 0
        return json.loads((output / "progress.json").read_text())["step"]

    first = steps_after("--minutes", "1000", "--stop-after", "0.001")
    assert "validation" not in load_state(output / "weights")[1]
    second = steps_after("--minutes", "1000", "--stop-after", "0.001", "--resume")
    assert second > first > 0
    # A schedule that is over ends at once, with the scores of the whole run.
    assert steps_after("--minutes", "1e-6", "--resume") == second
    assert load_state(output / "weights")[1]["validation"]


def test_two_processes_share_a_run(objects):
    output = objects / "two"
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", "2"]
    command += ["--standalone", "-m", "harmony.training"]
    command += arguments(objects, output, "--minutes", "0.02", "--validation", "0")
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[3],
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    progress = json.loads((output / "progress.json").read_text())
    assert progress["samples"] == progress["step"] * 5 * 2
    assert load_state(output / "weights")[1]["training"]["processes"] == 2


def test_what_is_missing_or_wrong_is_refused(objects, tmp_path, capsys):
    weights = ("--start-from", f"{tmp_path}")
    assert main(arguments(objects, tmp_path / "a", "--minutes", "1", *weights)) == 2
    assert "is missing" in capsys.readouterr().err
    wrong = ("--procedural", "2", "--procedural-share", "2")
    assert main(arguments(objects, tmp_path / "b", "--minutes", "1", *wrong)) == 2
    assert "share" in capsys.readouterr().err
    assert main(["join", f"{tmp_path}", "--output", f"{tmp_path}"]) == 2
    assert "no pieces" in capsys.readouterr().err
