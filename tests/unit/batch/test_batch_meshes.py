"""Meshes of a batch, in front of a network whose views make a mesh."""

from __future__ import annotations

from pathlib import Path

import pytest
import trimesh

from tests.page_fakes import PageDenoiser

from .conftest import Run, contents, draw_picture

QUICK = ("--seeds", "0", "--steps", "2")
MESH = ("--reconstruct", "--quality", "draft", "--mesh-format")


def test_meshes_are_added_to_what_is_finished(run: Run, tmp_path: Path, capsys):
    model = PageDenoiser()
    a, b = (draw_picture(tmp_path / f"{name}.png") for name in "ab")
    line = (a, b, "--output", tmp_path / "out", *QUICK)
    assert run(*line, model=model) == 0
    views, calls = contents(tmp_path / "out"), len(model.calls)
    assert run(*line, *MESH, "ply", model=model) == 0
    assert len(model.calls) == calls
    after = contents(tmp_path / "out")
    assert set(after) - set(views) == {f"{name}/seed-0000/mesh-draft.ply" for name in "ab"}
    assert {name: after[name] for name in views} == views
    mesh = trimesh.load(tmp_path / "out/a/seed-0000/mesh-draft.ply", force="mesh")
    assert len(mesh.faces) > 500  # pyright: ignore[reportAttributeAccessIssue]
    capsys.readouterr()
    assert run(*line, *MESH, "ply", model=model) == 0
    assert "0 made, 2 kept, 0 failed." in capsys.readouterr().err


def test_one_picture_gets_a_mesh_with_all_its_files(run: Run, tmp_path: Path):
    picture = draw_picture(tmp_path / "a.png")
    line = (picture, "--output", tmp_path / "out", *QUICK, *MESH, "obj")
    assert run(*line, model=PageDenoiser()) == 0
    made = {path.name for path in (tmp_path / "out/seed-0000").glob("mesh-*")}
    assert made >= {"mesh-draft.obj", "mesh-draft.mtl"}
    assert len(made) == 3
    assert run(picture, "--output", tmp_path / "out", *QUICK) == 0  # in place of all that
    assert not list((tmp_path / "out/seed-0000").glob("mesh-*"))


def test_a_mesh_that_fails_keeps_the_views(
    run: Run, tmp_path: Path, capsys, monkeypatch: pytest.MonkeyPatch
):
    def fail(*arguments: object, **options: object) -> None:
        raise ValueError("There is no surface.")

    monkeypatch.setattr("harmony.reconstruction.reconstruct", fail)
    picture = draw_picture(tmp_path / "a.png")
    assert run(picture, "--output", tmp_path / "out", *QUICK, *MESH, "glb") == 1
    assert "The mesh of seed 0 failed: There is no surface." in capsys.readouterr().err
    assert (tmp_path / "out/seed-0000/view-15.png").is_file()
