"""Prompts through the command line, and the batch as a function of Python."""

from __future__ import annotations

import ast
import dataclasses
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

import harmony
from harmony.batch.api import generate_batch
from harmony.batch.settings import Settings
from harmony.painting.record import read_painted_from
from harmony.recipe import recipe_command, recipe_from_json
from tests.fakes import FakeDenoiser
from tests.page_fakes import PixelScorer

from .conftest import Run, contents, draw_picture

QUICK = ("--seeds", "0", "--steps", "2", "--cutout", "none")
ROOT = Path(__file__).parents[3]


def test_a_prompt_becomes_views_and_its_recipe_repeats_it(
    run: Run, tiny_painter: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    text = ("--text-model", tiny_painter, "--text-steps", "2", "--text-seed", "5")
    assert run("--prompt", "a small red teapot", "--output", tmp_path / "a", *QUICK, *text) == 0
    made = contents(tmp_path / "a")
    recipe = recipe_from_json(made["recipe.json"].decode())
    painted = recipe.painted_from
    assert painted is not None
    assert (painted.prompt, painted.model, painted.seed) == ("a small red teapot", "tiny-sd", 5)
    assert recipe.object_name == "teapot"
    assert read_painted_from(made["picture.png"]) == painted
    monkeypatch.chdir(tiny_painter.parent)
    assert run(*shlex.split(recipe_command(recipe, output=str(tmp_path / "b")))[3:]) == 0
    assert contents(tmp_path / "b") == made
    # The picture, given as a picture, still says what it was painted from.
    assert run(tmp_path / "a/picture.png", "--output", tmp_path / "c", *QUICK) == 0
    assert contents(tmp_path / "c") == {k: v for k, v in made.items() if k != "picture.png"}


def test_prompts_and_pictures_share_a_batch_and_are_kept(
    run: Run, model: FakeDenoiser, tiny_painter: Path, tmp_path: Path, capsys
):
    picture = draw_picture(tmp_path / "ball.png")
    words = ("--prompt", "a red teapot", "--prompt", "A blue mug!", "--prompt", "a red teapot")
    line = (picture, *words, "--text-model", tiny_painter, "--text-steps", "1")
    assert run(*line, "--output", tmp_path / "out", *QUICK) == 0
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == ["a-blue-mug", "a-red-teapot", "ball"]
    calls = len(model.calls)
    assert run(*line, "--output", tmp_path / "out", *QUICK) == 0
    assert "0 made, 3 kept, 0 failed." in capsys.readouterr().err
    assert len(model.calls) == calls
    assert run(*line, "--output", tmp_path / "out", *QUICK, "--text-seed", "1") == 0
    assert "2 made, 1 kept, 0 failed." in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--prompt", "12"), "Describe the object"),
        (("--prompt", "teapot", "--text-model", "../absent"), "no text-to-image model"),
        (("--prompt", "teapot", "--text-seed", "-1"), "seed"),
    ],
)
def test_prompts_that_will_not_do_are_refused(run: Run, tmp_path: Path, capsys, options, sentence):
    assert run(*options, "--output", tmp_path / "out", *QUICK) == 2
    assert sentence.lower() in capsys.readouterr().err.lower()
    assert not (tmp_path / "out").exists()


def test_python_returns_frozen_results(tmp_path: Path):
    draw_picture(tmp_path / "in/ball.png")
    (tmp_path / "in/broken.png").write_bytes(b"")
    wishes = Settings(seeds=(0, 3), steps=2, device="cpu")
    for state in ("made", "kept"):
        ball, broken = generate_batch(
            tmp_path / "in",
            tmp_path / "out",
            (),
            wishes,
            progress=False,
            load=lambda name, device: FakeDenoiser(),
            load_scorer=lambda name, device: PixelScorer(),
        )
        assert (ball.name, ball.state, ball.problem) == ("ball", state, None)
        assert ball.folder == tmp_path / "out/ball"
        assert set(ball.scores) == {0, 3}
        assert all(isinstance(ratio, float) for ratio in ball.scores.values())
        assert ball.strip(3).size == (16 * 32, 32)
        assert ball.views(0).pixels.shape == (1, 16, 3, 32, 32)
        assert (broken.state, broken.problem) == ("failed", "The picture file is empty.")
    with pytest.raises(ValueError, match="no views of seed 1"):
        ball.strip(1)
    with pytest.raises(dataclasses.FrozenInstanceError):
        ball.name = "other"  # pyright: ignore[reportAttributeAccessIssue]


def in_python(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    return done.stdout.strip()


def test_importing_harmony_loads_nothing_and_the_command_never_takes_the_functions_place():
    code = (
        "import sys, harmony\n"
        "assert not {'torch', 'diffusers', 'numpy', 'PIL'} & set(sys.modules)\n"
        "try:\n    import harmony.generate\nexcept ImportError as error:\n    print(error)\n"
        "import harmony.batch.command, harmony.evaluation.__main__, harmony.ui.loading\n"
        "print(callable(harmony.generate), harmony.Settings.__name__, harmony.Result.__name__)"
    )
    told = in_python(code).splitlines()
    assert "is a command (python -m harmony.generate) and a function" in told[0]
    assert told[1] == "True Settings Result"
    with pytest.raises(AttributeError):
        _ = harmony.nothing  # pyright: ignore[reportAttributeAccessIssue]


def test_the_example_of_the_readme_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys):
    """With the shipped model, as it stands there; only the output folder is another."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    (code,) = [b.split("```")[0] for b in text.split("```python\n") if "harmony.generate(" in b]
    assert '"out"' in code
    ast.parse(code)
    monkeypatch.chdir(ROOT)
    exec(code.replace('"out"', repr(str(tmp_path))), {})
    assert (tmp_path / "taxi/seed-0000/strip.png").is_file()
    assert capsys.readouterr().out.startswith("taxi made")
