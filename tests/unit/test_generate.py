from __future__ import annotations

import json
import runpy
import shlex
import struct
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw

from harmony.batch.command import main
from harmony.recipe import recipe_command, recipe_from_json
from harmony.records import CDScore, Views
from tests.fakes import FakeDenoiser


class _Scorer:
    encoder_name = "fake-clip"

    def score(self, views: Views, object_name: str) -> list[CDScore]:
        return [
            CDScore(float(pixels.mean()), 0.5, float(pixels.mean()) / 0.5, "official", "fake-clip")
            for pixels in views.pixels
        ]


def run(*arguments: object, model: FakeDenoiser | None = None) -> int:
    return main(
        [str(argument) for argument in arguments],
        load=lambda name, device: model or FakeDenoiser(),
        load_scorer=lambda name, device: _Scorer(),
    )


@pytest.fixture
def image(tmp_path) -> Path:
    picture = Image.new("RGBA", (90, 70))
    ImageDraw.Draw(picture).ellipse((20, 10, 69, 59), fill=(200, 60, 30, 255))
    path = tmp_path / "ball.png"
    picture.save(path)
    return path


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_a_run_writes_everything_it_promises(image, tmp_path, capsys):
    assert run(image, "--output", tmp_path / "out", "--seeds", "0,12", "--object-name", "ball") == 0
    files = contents(tmp_path / "out")
    expected = {"recipe.json", "scores.json", "cameras.json"}
    for folder in ("seed-0000", "seed-0012"):
        expected |= {f"{folder}/view-{i:02d}.png" for i in range(16)}
        expected |= {f"{folder}/view-{i:02d}.alpha.png" for i in range(16)}
        expected.add(f"{folder}/strip.png")
    assert set(files) == expected
    with Image.open(tmp_path / "out/seed-0000/view-03.png") as view:
        assert (view.mode, view.size) == ("RGB", (32, 32))
    scores = json.loads(files["scores.json"])
    assert scores["encoder"] == "fake-clip"
    assert [entry["seed"] for entry in scores["scores"]] == [0, 12]
    recipe = recipe_from_json(files["recipe.json"].decode())
    assert recipe.seeds == (0, 12)
    assert recipe.guidance == FakeDenoiser().defaults.guidance
    assert recipe.sampler == FakeDenoiser().defaults.sampler
    assert recipe.cutout == "alpha"
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "8/8 steps" in captured.err


def test_repeating_gives_equal_bytes_and_replaces_the_earlier_run(image, tmp_path):
    assert run(image, "--output", tmp_path / "a") == 0
    first = contents(tmp_path / "a")
    assert run(image, "--output", tmp_path / "a") == 0
    assert run(image, "--output", tmp_path / "deep/er/b") == 0
    assert contents(tmp_path / "a") == first == contents(tmp_path / "deep/er/b")
    assert run(image, "--output", tmp_path / "a", "--seeds", "3") == 0
    assert {name.split("/")[0] for name in contents(tmp_path / "a") if "/" in name} == {"seed-0003"}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "ball.png", "deep"]


def test_a_recipe_repeats_its_run(image, tmp_path):
    options = ["--s1", "3", "--s2", "0.5", "--steps", "3", "--eta", "0.5", "--elevation-deg", "-10"]
    assert run(image, "--output", tmp_path / "a", "--no-crop", "--seeds", "5", *options) == 0
    recipe = recipe_from_json((tmp_path / "a/recipe.json").read_text())
    command = recipe_command(recipe, image=str(image), output=str(tmp_path / "b"))
    assert run(*shlex.split(command)[3:]) == 0
    assert contents(tmp_path / "a") == contents(tmp_path / "b")


def test_a_seed_alone_equals_the_seed_among_others(image, tmp_path):
    run(image, "--output", tmp_path / "all", "--seeds", "0,1,2")
    run(image, "--output", tmp_path / "one", "--seeds", "1", "--encoder", "none")
    together, alone = contents(tmp_path / "all"), contents(tmp_path / "one")
    for name in (f"seed-0001/view-{i:02d}.png" for i in range(16)):
        assert together[name] == alone[name]
    assert json.loads(alone["scores.json"])["encoder"] is None


@pytest.mark.parametrize(
    ("options", "rule", "values"),
    [
        ([], "decomposed", {"s1": 2.0, "s2": 1.0}),
        (["--s1", "0"], "decomposed", {"s1": 0.0, "s2": 1.0}),
        (["--cfg-scale", "1.5"], "cfg", {"cfg_scale": 1.5}),
        (["--rule", "none"], "none", {}),
    ],
)
def test_guidance_options(image, tmp_path, options, rule, values):
    assert run(image, "--output", tmp_path / "a", "--seeds", "0", *options) == 0
    guidance = recipe_from_json((tmp_path / "a/recipe.json").read_text()).guidance
    assert guidance.rule == rule
    assert {name: getattr(guidance, name) for name in values} == values


def _bomb() -> bytes:
    header = b"IHDR" + struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n\0\0\0\r" + header + struct.pack(">I", zlib.crc32(header))


BAD_PICTURES = {
    "empty.png": b"",
    "random.png": np.random.default_rng(0).bytes(500),
    "huge.png": _bomb(),
}


@pytest.mark.parametrize("name", list(BAD_PICTURES))
def test_bad_pictures_end_in_one_sentence(name, tmp_path, capsys):
    (tmp_path / name).write_bytes(BAD_PICTURES[name])
    assert_refused(capsys, tmp_path, tmp_path / name)


def test_a_transparent_or_missing_picture_ends_in_one_sentence(tmp_path, capsys):
    Image.new("RGBA", (40, 40)).save(tmp_path / "clear.png")
    assert "transparent" in assert_refused(capsys, tmp_path, tmp_path / "clear.png")
    assert "no picture file" in assert_refused(capsys, tmp_path, tmp_path / "absent.png")


def assert_refused(capsys, tmp_path: Path, picture: Path, *options: str) -> str:
    before = contents(tmp_path)
    model = FakeDenoiser()
    try:
        code = run(picture, "--output", tmp_path / "out", *options, model=model)
    except SystemExit as refused:
        code = refused.code
    captured = capsys.readouterr()
    assert code == 2
    assert captured.out == ""
    assert captured.err.count("\n") == 1, captured.err
    assert len(captured.err) > 10
    assert model.calls == []
    assert contents(tmp_path) == before
    assert not (tmp_path / "out").exists()
    return captured.err


@pytest.mark.parametrize(
    "options",
    [
        ("--s1", "nan"),
        ("--s2", "inf"),
        ("--s1", "-1"),
        ("--s1", "abc"),
        ("--cfg-scale", "nan"),
        ("--cfg-scale", "1", "--s1", "2"),
        ("--seeds", "-1"),
        ("--seeds=-1,2",),
        ("--seeds", "1,1"),
        ("--seeds", ""),
        ("--seeds", "1.5"),
        ("--seeds", "99999999999999999999"),
        ("--steps", "1000000000"),
        ("--steps", "0"),
        ("--steps", "1e9"),
        ("--eta", "2"),
        ("--sampler", "euler"),
        ("--elevation-deg", "nan"),
        ("--elevation-deg", "95"),
        ("--foreground", "0"),
        ("--foreground", "nan"),
        ("--foreground", "0.5", "--no-crop"),
        ("--cutout", "bria-rmbg"),
        ("--object-name", ""),
        ("--object-name", "42"),
        ("--device", "abacus"),
        ("--rule", "decomposed-official"),
        ("--surprise",),
    ],
)
def test_bad_options_end_in_one_sentence(options, image, tmp_path, capsys):
    assert_refused(capsys, tmp_path, image, *options)


def test_an_output_that_cannot_be_written_is_refused(image, tmp_path, capsys, monkeypatch):
    (tmp_path / "file").write_text("mine")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "mine.txt").write_text("mine")
    monkeypatch.chdir(tmp_path)
    for output in (tmp_path / "file", tmp_path / "file" / "below", tmp_path / "other", "."):
        before = contents(tmp_path)
        assert run(image, "--output", output) == 2
        assert capsys.readouterr().err.strip().endswith(".")
        assert contents(tmp_path) == before


def test_a_failure_in_the_middle_leaves_nothing(image, tmp_path, capsys):
    class Broken(FakeDenoiser):
        def decode(self, latents):
            views = super().decode(latents)
            return Views(views.pixels * torch.nan, views.alpha)

    assert run(image, "--output", tmp_path / "a" / "b", model=Broken()) == 2
    assert "not finite" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["ball.png"]


def test_stopping_leaves_nothing(image, tmp_path, capsys):
    class Stopped(FakeDenoiser):
        def predict(self, latents, timestep, condition, branches):
            if self.calls:
                raise KeyboardInterrupt
            return super().predict(latents, timestep, condition, branches)

    assert run(image, "--output", tmp_path / "a", model=Stopped()) == 130
    assert "nothing was written" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["ball.png"]


def test_a_damaged_earlier_result_is_kept_when_the_next_run_is_refused(image, tmp_path, capsys):
    assert run(image, "--output", tmp_path / "a", "--seeds", "0") == 0
    before = contents(tmp_path / "a")
    assert run(image, "--output", tmp_path / "a", "--s1", "nan") == 2
    assert contents(tmp_path / "a") == before


def test_the_module_is_a_command(tmp_path, monkeypatch, capsys):
    arguments = ["generate", str(tmp_path / "no.png"), "--output", str(tmp_path / "out")]
    monkeypatch.setattr(sys, "argv", arguments)
    with pytest.raises(SystemExit) as ended:
        runpy.run_module("harmony.generate", run_name="__main__")
    assert ended.value.code == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("There is no picture file")
    assert captured.err.count("\n") == 1
