"""The distillation's command from end to end, at a tiny size on the CPU."""

import json
from pathlib import Path

import pytest
import torch

from harmony.models.registry import load_model
from harmony.models.small_live import LiveDenoiser
from harmony.sampling import timesteps
from harmony.training.__main__ import main
from harmony.training.distillation import UPDATES
from tests.unit.training.test_small_command import arguments as small_arguments
from tests.unit.training.tiny import write_objects


@pytest.fixture(scope="module", name="objects")
def make_objects(tmp_path_factory):
    folder = write_objects(tmp_path_factory.mktemp("objects"))
    assert main(small_arguments(folder, folder / "teacher", "--minutes", "0.01")) == 0
    return folder


def arguments(objects: Path, output: Path, *more: str) -> list[str]:
    return [
        *("live", "--objects", f"{objects / 'set'}", "--output", f"{output}"),
        *("--teacher", f"{objects / 'teacher' / 'weights'}", "--device", "cpu", "--batch", "4"),
        *("--new-scenes", "1", "--ring", "8", "--log-every", "10", "--check", "1"),
        *("--trajectories", "4", "--kept", "8", "--no-occlusion", *more),
    ]


def progress(output: Path) -> dict:
    return json.loads((output / "progress.json").read_text())


@pytest.mark.parametrize("method", ["own", "teacher"])
def test_a_run_leaves_a_model_that_the_registry_loads(objects, method):
    output = objects / f"by-{method}"
    spread = ("--spread-weight", "0.5" if method == "teacher" else "0")
    assert main(arguments(objects, output, "--minutes", "0.05", "--method", method, *spread)) == 0
    model = load_model(output / "weights", torch.device("cpu"))
    assert isinstance(model, LiveDenoiser)
    assert model.defaults.sampler.num_steps == 4
    card = json.loads((output / "weights" / "card.json").read_text())
    teacher = json.loads((objects / "teacher" / "weights" / "card.json").read_text())
    assert card["training"]["teacher_sha256"] == teacher["weights_sha256"]
    assert card["training"]["distillation"]["method"] == method
    assert card["walks"] == [[999, 832, 666, 499], [999, 499]]
    assert timesteps(model.schedule, 4) == (999, 832, 666, 499)
    assert progress(output)["samples"] == 4 * progress(output)["step"] > 0
    checks = [json.loads(line) for line in (output / "log.jsonl").read_text().splitlines()]
    assert any("validation_psnr" in line for line in checks)


def test_a_run_that_stopped_early_is_taken_up(objects):
    output = objects / "stopped"
    length = ("--minutes", "1000", "--stop-after", "0.03")  # at any speed a round fits in
    assert main(arguments(objects, output, *length)) == 0
    before = progress(output)["step"]
    assert before % UPDATES == 0
    assert main(arguments(objects, output, *length, "--resume")) == 0
    assert progress(output)["step"] > before


def test_settings_that_do_not_divide_are_refused(objects, tmp_path, capsys):
    assert main(arguments(objects, tmp_path / "x", "--minutes", "1", "--kept", "5")) == 2
    assert "multiple" in capsys.readouterr().err
