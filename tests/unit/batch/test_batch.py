"""Many pictures through the real command line, in front of the fake network."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harmony.recipe import recipe_from_json
from tests.fakes import FakeDenoiser

from .conftest import Run, contents, draw_picture

QUICK = ("--seeds", "0", "--steps", "2")


@pytest.fixture
def fifty(tmp_path: Path) -> Path:
    """Return a folder of 50 pictures, three of them broken, and one file that is none."""
    folder = tmp_path / "pictures"
    for index in range(47):
        draw_picture(folder / f"toy-{index:02d}.png", index)
    (folder / "broken-1.png").write_bytes(b"")
    (folder / "broken-2.jpg").write_bytes(b"\xff\xd8 no picture")
    whole = (folder / "toy-00.png").read_bytes()
    (folder / "broken-3.png").write_bytes(whole[: len(whole) // 2])
    (folder / "notes.txt").write_text("mine")
    return folder


def test_fifty_pictures_of_which_three_are_broken(
    run: Run, model: FakeDenoiser, fifty: Path, tmp_path: Path, capsys
):
    out = tmp_path / "out"
    assert run(fifty, "--output", out, *QUICK) == 1
    told = capsys.readouterr()
    assert told.out == ""
    lines = told.err.strip().splitlines()
    assert "notes.txt is left out: its ending is not that of a picture." in lines[0]
    assert lines[-4] == "47 made, 0 kept, 3 failed."
    for line, name in zip(
        lines[-3:], ("broken-1.png", "broken-2.jpg", "broken-3.png"), strict=True
    ):
        assert line.startswith(f"{fifty / name}: The ")
        assert line.endswith(".")
    assert "100/100 steps" in told.err
    done = sorted(path.name for path in out.iterdir())
    assert done == [f"toy-{index:02d}" for index in range(47)]
    assert len({(out / name / "seed-0000/strip.png").read_bytes() for name in done}) > 40

    before, calls = contents(out), len(model.calls)
    times = {path: path.stat().st_mtime_ns for path in out.rglob("*")}
    assert run(fifty, "--output", out, *QUICK) == 1
    again = capsys.readouterr().err
    assert "0 made, 47 kept, 3 failed." in again
    assert "steps" not in again
    assert len(model.calls) == calls
    assert contents(out) == before
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*")} == times


def test_each_item_has_what_it_would_have_alone(run: Run, tmp_path: Path):
    pictures = [draw_picture(tmp_path / f"{name}.png", 90 * k) for k, name in enumerate("ab")]
    assert run(*pictures, "--output", tmp_path / "out", *QUICK) == 0
    for picture in pictures:
        assert run(picture, "--output", tmp_path / picture.stem, *QUICK) == 0
        assert contents(tmp_path / "out" / picture.stem) == contents(tmp_path / picture.stem)


def test_folders_patterns_and_equal_names(run: Run, tmp_path: Path):
    for name in ("one/toy.png", "one/.hidden.png", "two/toy.png", "two/Toy.jpg.png", "two/x.webp"):
        draw_picture(tmp_path / name)
    draw_picture(tmp_path / "two/toy.webp", 50)
    out = tmp_path / "out"
    given = (tmp_path / "one", tmp_path / "two/toy.*", tmp_path / "one/toy.png")
    assert run(*given, "--output", out, *QUICK) == 0
    assert sorted(path.name for path in out.iterdir()) == ["toy", "toy-2", "toy-3"]
    hashes = [
        recipe_from_json((out / name / "recipe.json").read_text()).image_sha256
        for name in ("toy", "toy-2", "toy-3")
    ]
    assert hashes[0] == hashes[1] != hashes[2]
    assert run(tmp_path / "one", "--output", tmp_path / "other", *QUICK) == 0
    assert [path.name for path in (tmp_path / "other").iterdir()] == ["toy"]


@pytest.mark.parametrize("given", [(), ("empty",), ("no-*.png",)])
def test_nothing_to_do_is_refused(run: Run, tmp_path: Path, given, capsys):
    (tmp_path / "empty").mkdir()
    assert run(*(tmp_path / name for name in given), "--output", tmp_path / "out") == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_a_missing_picture_among_others_costs_only_itself(run: Run, tmp_path: Path, capsys):
    picture = draw_picture(tmp_path / "a.png")
    assert run(picture, tmp_path / "absent.png", "--output", tmp_path / "out", *QUICK) == 1
    assert "1 made, 0 kept, 1 failed." in capsys.readouterr().err
    assert (tmp_path / "out/a/recipe.json").is_file()


@pytest.mark.parametrize(
    "changed",
    [("--s1", "3"), ("--seeds", "0,1"), ("--object-name", "ball"), ("--encoder", "none")],
)
def test_another_recipe_or_scorer_makes_it_again(
    run: Run, model: FakeDenoiser, tmp_path: Path, changed, capsys
):
    pictures = [draw_picture(tmp_path / f"{name}.png") for name in "ab"]
    assert run(*pictures, "--output", tmp_path / "out", *QUICK) == 0
    assert run(*pictures, "--output", tmp_path / "out", *QUICK, *changed) == 0
    assert "2 made, 0 kept" in capsys.readouterr().err
    assert run(*pictures, "--output", tmp_path / "out", *QUICK, *changed) == 0
    assert "0 made, 2 kept" in capsys.readouterr().err


def test_a_changed_picture_and_a_lost_file_are_made_again(run: Run, tmp_path: Path, capsys):
    a, b, c = (draw_picture(tmp_path / f"{name}.png") for name in "abc")
    assert run(a, b, c, "--output", tmp_path / "out", *QUICK) == 0
    draw_picture(a, 200)
    (tmp_path / "out/b/seed-0000/view-07.alpha.png").unlink()
    capsys.readouterr()
    assert run(a, b, c, "--output", tmp_path / "out", *QUICK) == 0
    assert "2 made, 1 kept, 0 failed." in capsys.readouterr().err


def test_a_folder_with_other_things_is_left_alone(run: Run, tmp_path: Path, capsys):
    a, b = (draw_picture(tmp_path / f"{name}.png") for name in "ab")
    (tmp_path / "out/a").mkdir(parents=True)
    (tmp_path / "out/a/mine.txt").write_text("mine")
    assert run(a, b, "--output", tmp_path / "out", *QUICK) == 1
    assert "holds other things (mine.txt)" in capsys.readouterr().err
    assert contents(tmp_path / "out/a") == {"mine.txt": b"mine"}
    assert (tmp_path / "out/b/recipe.json").is_file()


class StoppedDenoiser(FakeDenoiser):
    """Somebody presses Ctrl-C during the third picture."""

    def predict(self, latents, timestep, condition, branches):
        if self.encoded == 3:
            raise KeyboardInterrupt
        return super().predict(latents, timestep, condition, branches)


def test_stopping_keeps_what_is_finished_and_the_same_line_goes_on(
    run: Run, tmp_path: Path, capsys
):
    pictures = [draw_picture(tmp_path / "in" / f"{k}.png", k).parent for k in range(4)]
    line = (pictures[0], "--output", tmp_path / "out", *QUICK)
    assert run(*line, model=StoppedDenoiser()) == 130
    assert "Stopped; 2 of 4 are finished and kept." in capsys.readouterr().err
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["0", "1"]
    assert run(*line) == 0
    assert "2 made, 2 kept, 0 failed." in capsys.readouterr().err


def test_an_unexpected_error_costs_one_item_and_is_shown(run: Run, tmp_path: Path, capsys):
    class Surprising(FakeDenoiser):
        def decode(self, latents):
            if self.encoded == 1:
                raise RuntimeError("surprise")
            return super().decode(latents)

    a, b = (draw_picture(tmp_path / f"{name}.png") for name in "ab")
    assert run(a, b, "--output", tmp_path / "out", *QUICK, model=Surprising()) == 1
    told = capsys.readouterr().err
    assert "Traceback" in told
    assert "Something unexpected went wrong (RuntimeError: surprise)." in told
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["b"]


def test_a_model_that_cannot_be_had_refuses_the_whole_batch(tmp_path: Path, capsys):
    from harmony.batch.command import main

    a, b = (draw_picture(tmp_path / f"{name}.png") for name in "ab")
    line = [str(a), str(b), "--output", str(tmp_path / "out"), "--model", "absent"]
    assert main([*line, "--device", "cpu"]) == 2
    assert "There is no model 'absent'" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_scores_are_those_of_the_files(run: Run, tmp_path: Path):
    a, b = (draw_picture(tmp_path / f"{name}.png") for name in "ab")
    assert run(a, b, "--output", tmp_path / "out", "--seeds", "0,3", "--steps", "2") == 0
    scores = json.loads((tmp_path / "out/b/scores.json").read_text())
    assert scores["encoder"] == "pixel-means"
    assert [entry["seed"] for entry in scores["scores"]] == [0, 3]
