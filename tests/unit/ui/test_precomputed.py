import json

import pytest
from PIL import Image, ImageDraw

from harmony.recipe import recipe_from_json
from harmony.ui.examples import Example, chosen_example, load_examples
from harmony.ui.page import build_demo
from harmony.ui.precompute import main
from harmony.ui.precomputed import folder_of, load_precomputed, precomputed_value
from tests.page_fakes import fake_engine


@pytest.fixture
def folder(tmp_path):
    image = Image.new("RGBA", (64, 64))
    ImageDraw.Draw(image).ellipse((8, 8, 56, 56), fill="#b45309")
    image.save(tmp_path / "egg.png")
    entry = {"file": "egg.png", "name": "brown egg", "elevation_deg": 20, "licence": "CC0"}
    (tmp_path / "examples.json").write_text(json.dumps([entry]))
    return tmp_path


def precompute(folder, *more: str) -> int:
    arguments = ["--examples", str(folder), "--steps", "3", *more]
    return main(arguments, build_engine=lambda model, device: fake_engine())


def test_what_the_command_writes_the_page_shows(folder):
    assert precompute(folder) == 0
    (example,) = load_examples(folder)
    result = load_precomputed(example)
    assert result is not None
    recipe = recipe_from_json((result.folder / "recipe.json").read_text())
    assert (recipe.seeds, recipe.sampler.num_steps) == ((0, 1), 3)
    assert (recipe.elevation_deg, recipe.object_name) == (20.0, "brown egg")
    value = precomputed_value(result)
    assert [card["id"] for card in value["samples"]] == ["seed-0", "seed-1"]
    assert all(card["badge"].startswith("CD ") for card in value["samples"])
    assert value["samples"][0]["strip"] != value["samples"][1]["strip"]


def test_running_it_again_changes_no_byte(folder):
    contents = []
    for _ in range(2):
        precompute(folder)
        results = sorted((folder / "results" / "egg").iterdir())
        contents.append([(file.name, file.read_bytes()) for file in results])
    assert contents[0] == contents[1]
    assert [name for name, _ in contents[0]] == ["recipe.json", "scores.json", "strip.webp"]


def test_the_page_opens_with_the_first_result_and_loads_nothing(folder):
    precompute(folder)
    engine = fake_engine()
    config = build_demo(engine, examples=load_examples(folder)).config
    parts = {c["props"].get("elem_id"): c["props"] for c in config["components"]}
    assert len(parts["turntables"]["value"]["samples"]) == 2
    assert "brown egg" in parts["status"]["value"]
    assert engine.model.state == "asleep"


def test_an_example_without_a_result_is_only_a_picture(folder):
    (example,) = load_examples(folder)
    assert load_precomputed(example) is None
    assert folder_of(example).name == "egg"


def test_bad_settings_are_said_and_nothing_is_written(folder, capsys):
    assert precompute(folder, "--s1", "99") == 2
    assert "s1 must be a number" in capsys.readouterr().err
    assert not (folder / "results").exists()


def test_a_list_with_a_missing_picture_is_refused(folder):
    (folder / "egg.png").unlink()
    with pytest.raises(ValueError, match=r"egg\.png, which is missing"):
        load_examples(folder)


def test_no_list_means_no_examples(tmp_path):
    assert load_examples(tmp_path) == ()


@pytest.mark.parametrize("index", [-1, 1, None, "0", 0.0])
def test_an_example_that_is_not_there_is_refused(tmp_path, index):
    with pytest.raises(ValueError, match="no such example"):
        chosen_example([Example(tmp_path, "egg", 0.0)], index)
