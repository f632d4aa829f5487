import json

import pytest
from PIL import Image, ImageDraw

from harmony.recipe import recipe_from_json
from harmony.ui.examples import FOLDER, Example, chosen_example, load_examples
from harmony.ui.inputs import Defaults
from harmony.ui.page import build_demo
from harmony.ui.precompute import build_parser, main, settings_for
from harmony.ui.precomputed import folder_of, load_precomputed, precomputed_value
from harmony.ui.sharing import file_sha256
from tests.page_fakes import PageDenoiser, fake_engine


@pytest.fixture
def folder(tmp_path):
    image = Image.new("RGBA", (64, 64))
    ImageDraw.Draw(image).ellipse((8, 8, 56, 56), fill="#b45309")
    image.save(tmp_path / "egg.png")
    entry = {"file": "egg.png", "name": "brown egg", "elevation_deg": 20, "licence": "CC0"}
    (tmp_path / "examples.json").write_text(json.dumps([entry]))
    return tmp_path


def precompute(folder, *more: str, engine=None) -> int:
    arguments = ["--examples", str(folder), "--steps", "3", "--s1", "0", "2", "--s2", "1", *more]
    return main(arguments, build_engine=lambda model, device: engine or fake_engine())


def loaded(folder):
    (example,) = load_examples(folder)
    result = load_precomputed(example)
    assert result is not None
    return result


def test_what_the_command_writes_the_page_shows(folder):
    assert precompute(folder) == 0
    result = loaded(folder)
    assert [cell.scales for cell in result.cells] == [(0.0, 1.0), (2.0, 1.0)]
    recipe = recipe_from_json(json.dumps(result.cells[1].recipe))
    assert (recipe.seeds, recipe.sampler.num_steps) == ((0,), 3)
    assert (recipe.elevation_deg, recipe.object_name) == (20.0, "brown egg")
    value = precomputed_value(result, 2.0, 1.0)
    (card,) = value["samples"]
    assert card["id"] == "seed-0"
    assert card["title"] == "s1 = 2, s2 = 1"
    assert card["badge"].startswith("CD ")
    other = precomputed_value(result, 0.0, 1.0)["samples"][0]
    assert other["strip"] != card["strip"]


@pytest.mark.parametrize(
    ("dials", "nearest"),
    [((2, 1), (2, 1)), ((1.4, 0), (2, 1)), ((0.6, 3), (0, 1)), ((9, 9), (2, 1))],
)
def test_any_setting_has_a_nearest_cell_which_is_labelled(folder, dials, nearest):
    precompute(folder)
    result = loaded(folder)
    assert result.nearest(*dials).scales == nearest
    title = precomputed_value(result, *dials)["samples"][0]["title"]
    assert title.startswith("Nearest precomputed: ") == (dials != nearest)
    assert title.endswith(f"s1 = {nearest[0]}, s2 = {nearest[1]}")


def test_running_it_again_paints_nothing_and_changes_no_byte(folder):
    precompute(folder)
    before = {file.name: file.read_bytes() for file in (folder / "results" / "egg").iterdir()}
    assert sorted(before) == ["map.json", "s1-0_s2-1.webp", "s1-2_s2-1.webp"]
    model = PageDenoiser()
    precompute(folder, engine=fake_engine(model=model))
    assert model.calls == []
    after = {file.name: file.read_bytes() for file in (folder / "results" / "egg").iterdir()}
    assert after == before


def test_a_stopped_command_goes_on_where_it_was(folder, monkeypatch):
    kept = []

    class Stopping(PageDenoiser):
        def decode(self, latents):
            if kept:
                raise KeyboardInterrupt
            kept.append(True)
            return super().decode(latents)

    with pytest.raises(KeyboardInterrupt):
        precompute(folder, engine=fake_engine(model=Stopping()))
    assert len(loaded(folder).cells) == 1
    model = PageDenoiser()
    precompute(folder, engine=fake_engine(model=model))
    assert len(model.calls) == 3
    assert len(loaded(folder).cells) == 2


def test_the_cells_nearest_to_where_the_dials_start_come_first(folder):
    (example,) = load_examples(folder)
    options = build_parser().parse_args(["--s1", "0", "2", "--s2", "0", "1"])
    for s1, s2 in ((2.0, 1.0), (0.0, 0.0)):
        first, *_, last = settings_for(example, Defaults(s1=s1, s2=s2), options)
        assert (first.s1, first.s2) == (s1, s2)
        assert (last.s1, last.s2) == (2.0 - s1, 1.0 - s2)


def test_cells_of_other_weights_or_another_grid_go(folder):
    precompute(folder)
    other = PageDenoiser()
    other.weights_sha256 = "1" * 64
    precompute(folder, "--s1", "1", "2", engine=fake_engine(model=other))
    result = loaded(folder)
    assert [cell.scales for cell in result.cells] == [(1.0, 1.0), (2.0, 1.0)]
    assert {cell.recipe["weights_sha256"] for cell in result.cells} == {"1" * 64}
    assert not (folder / "results" / "egg" / "s1-0_s2-1.webp").exists()


def test_strips_are_as_small_as_asked(folder):
    precompute(folder, "--side", "24", "--quality", "50")
    with Image.open(loaded(folder).cells[0].strip) as strip:
        assert strip.size == (16 * 24, 24)


def test_the_page_opens_with_the_first_result_and_loads_nothing(folder):
    precompute(folder)
    engine = fake_engine()
    config = build_demo(engine, examples=load_examples(folder)).config
    parts = {c["props"].get("elem_id"): c["props"] for c in config["components"]}
    assert len(parts["turntables"]["value"]["samples"]) == 1
    assert parts["turntables"]["value"]["shelf"] == "brown egg"
    assert "brown egg" in parts["status"]["value"]
    assert engine.model.state == "asleep"


def test_the_results_that_ship_belong_to_their_examples():
    examples = load_examples()
    results = [load_precomputed(example) for example in examples]
    assert len(examples) == 8
    for example, result in zip(examples, results, strict=True):
        assert result is not None
        for cell in result.cells:
            recipe = recipe_from_json(json.dumps(cell.recipe))
            assert recipe.object_name == example.name
            assert recipe.image_sha256 == file_sha256(example.file)
            with Image.open(cell.strip) as strip:
                assert strip.width == 16 * strip.height
    shipped = sum(f.stat().st_size for f in (FOLDER / "results").rglob("*") if f.is_file())
    assert shipped < 4 * 2**20


def test_an_example_without_a_result_is_only_a_picture(folder):
    (example,) = load_examples(folder)
    assert load_precomputed(example) is None
    assert folder_of(example).name == "egg"


def test_a_map_of_another_format_is_refused(folder):
    precompute(folder)
    file = folder / "results" / "egg" / "map.json"
    file.write_text(file.read_text().replace("harmony map 1", "harmony map 9"))
    with pytest.raises(ValueError, match="format"):
        loaded(folder)


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
