from __future__ import annotations

import json
from collections import OrderedDict
from dataclasses import replace
from pathlib import Path

import pytest

from harmony.recipe import recipe_to_json
from harmony.ui.pins import (
    MAX_PINS,
    Pin,
    board_value,
    clean_name,
    pin_of,
    read_pins,
    run_ratio,
    stored_pins,
)
from harmony.ui.settings import Framing, Settings
from harmony.ui.visits import KEEP_RUNS, Run, SampleFiles, Visit
from tests.unit.test_recipe import RECIPE

SETTINGS = Settings(
    Framing("u2netp", 0.8, 30), "decomposed", 2, 1, 1, "ddim", 25, 0, 1, 0, "teapot"
)


def recipe(seed: int = 0) -> dict:
    return json.loads(recipe_to_json(replace(RECIPE, seeds=(seed,))))


def run(folder: Path, name: str = "a", *scores: tuple[float, float]) -> Run:
    own = folder / name
    own.mkdir()
    (own / "strip.webp").write_bytes(b"strip")
    samples = tuple(
        SampleFiles(
            k, (), own / "strip.webp", own / "v.zip", {"diversity": d, "semantic_variance": v}
        )
        for k, (d, v) in enumerate(scores or ((1.0, 2.0),))
    )
    return Run(name, name, SETTINGS, recipe(len(name)), own / "recipe.json", samples, 1.0)


def test_what_the_browser_keeps_comes_back():
    pins = [Pin("first", recipe(0), 0.5), Pin("second", recipe(1), None)]
    kept = json.loads(json.dumps(stored_pins(pins)))
    assert read_pins(kept) == (pins, 0)
    assert read_pins(None) == read_pins([]) == ([], 0)


def test_only_recipes_and_figures_are_kept():
    (kept,) = stored_pins([Pin("first", recipe(), 0.5)])
    assert set(kept) == {"name", "recipe", "ratio"}
    assert set(kept["recipe"]) == set(recipe())


@pytest.mark.parametrize(
    "entry",
    [
        "text",
        {},
        {"name": "x", "recipe": {}, "ratio": 1},
        {"name": "", "recipe": recipe(), "ratio": 1},
        {"name": "x" * 99, "recipe": recipe(), "ratio": 1},
        {"name": "x", "recipe": recipe(), "ratio": "much"},
        {"name": "x", "recipe": recipe(), "ratio": float("inf")},
        {"name": "x", "recipe": recipe() | {"seeds": [-1]}, "ratio": 1},
        {"name": "x", "recipe": recipe() | {"command": "rm"}, "ratio": 1},
    ],
)
def test_an_entry_that_will_not_do_is_left_out_and_counted(entry):
    good = stored_pins([Pin("good", recipe(3), None)])
    pins, bad = read_pins([entry, *good])
    assert [pin.name for pin in pins] == ["good"]
    assert bad == 1


def test_what_is_no_list_and_what_is_too_much():
    assert read_pins({"a": 1})[0] == []
    many = stored_pins([Pin(str(k), recipe(k), None) for k in range(MAX_PINS + 3)])
    assert len(read_pins(many)[0]) == MAX_PINS
    assert len(read_pins([*many[:2], *many[:2]])[0]) == 2


def test_a_name_is_one_line():
    assert clean_name("  my \n taxi ") == "my taxi"
    for wrong in ("", "   ", "x" * 41, None, 3, "a\x00b"):
        with pytest.raises(ValueError, match="name"):
            clean_name(wrong)


def test_the_score_of_a_run_is_mean_d_over_mean_s_var(tmp_path):
    assert run_ratio(run(tmp_path, "a", (1.0, 2.0), (5.0, 1.0))) == pytest.approx(2.0)
    assert run_ratio(run(tmp_path, "b", (1.0, 0.0))) is None
    unscored = replace(run(tmp_path, "c").samples[0], score=None)
    assert run_ratio(replace(run(tmp_path, "d"), samples=(unscored,))) is None


def test_the_board_shows_pictures_only_of_this_visit(tmp_path):
    here = run(tmp_path)
    pins = [pin_of(here), Pin("other", recipe(7), None)]
    first, second = board_value(pins, {pins[0].id: here})["pins"]
    assert first["strip"].startswith("data:image/webp")
    assert first["badge"] == "CD 0.5"
    assert (second["strip"], second["badge"]) == ("", "CD –")
    assert "Seed 7" in second["detail"]


def test_pinned_runs_outlive_newer_ones(tmp_path):
    visit = Visit(tmp_path, OrderedDict())
    first = run(tmp_path, "first")
    visit.add(first)
    visit.pinned = {"first"}
    for k in range(KEEP_RUNS + 2):
        visit.add(run(tmp_path, f"run{k}"))
    assert len(visit.runs) == KEEP_RUNS + 1
    assert "first" in visit.runs
    assert "run1" not in visit.runs
    assert (tmp_path / "first").is_dir()
    assert not (tmp_path / "run1").exists()
