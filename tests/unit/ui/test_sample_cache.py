import json
import zipfile
from dataclasses import replace

import pytest
from PIL import Image, ImageDraw

from harmony import export
from harmony.recipe import recipe_from_json
from harmony.records import Guidance, Recipe, SamplerSettings
from harmony.ui.cache import FileCache
from harmony.ui.events import RunReady, SampleReady, Step
from harmony.ui.sample_cache import sample_key
from harmony.ui.settings import Framing, Settings
from tests.page_fakes import PageDenoiser, fake_engine

SETTINGS = Settings(
    Framing("u2netp", 0.8, 30.0), "decomposed", 2.0, 1.0, 1.0, "ddim", 3, 1.0, 1, 5, "egg"
)
RECIPE = Recipe(
    "a" * 64, "alpha", 0.8, 30.0, (5,), Guidance(), SamplerSettings(), "fake", "0" * 64, "egg"
)


def key(recipe: Recipe, seed: int = 5, device: str = "cpu", encoder: str = "small") -> str:
    return sample_key(recipe, seed, device=device, encoder=encoder)


@pytest.fixture
def picture(tmp_path):
    image = Image.new("RGBA", (64, 64))
    ImageDraw.Draw(image).ellipse((8, 8, 56, 56), fill="#b45309")
    image.save(tmp_path / "egg.png")
    return tmp_path / "egg.png"


@pytest.fixture
def run(picture, tmp_path):
    def go(engine, settings=SETTINGS):
        folder = tmp_path / f"run-{len(list(tmp_path.iterdir()))}"
        folder.mkdir()
        events = list(engine.generate(picture, settings, folder))
        assert isinstance(events[-1], RunReady)
        return events[-1].run, [event for event in events if isinstance(event, Step)]

    return go


def contents(sample):
    files = [*sample.pictures, sample.strip, sample.views_zip]
    return [file.read_bytes() for file in files], sample.score, sample.measures


def test_a_picture_of_all_views_is_encoded_once_for_the_zip_only(run, monkeypatch):
    strips = []
    monkeypatch.setattr(
        export, "strip", lambda views: strips.append(len(views)) or export.Image.new("RGB", (4, 4))
    )
    sample = run(fake_engine())[0].samples[0]
    assert strips == [16]
    beside = {file.name for file in sample.pictures[0].parent.iterdir()}
    names = {f"view-{k:02d}" for k in range(16)}
    assert beside == {f"{name}{ending}" for name in names for ending in (".png", ".alpha.png")}
    with zipfile.ZipFile(sample.views_zip) as archive:
        assert "seed-0005/strip.png" in archive.namelist()


@pytest.mark.parametrize(
    "other",
    [
        {"object_name": "teapot"},
        {"seeds": (4, 5, 6)},
        {"guidance": Guidance("decomposed", 2.0, 1.0, 7.0)},
        {"elevation_deg": 30},
        {"guidance": Guidance("decomposed", 2, 1)},
    ],
)
def test_what_does_not_count_changes_no_key(other):
    assert key(replace(RECIPE, **other)) == key(RECIPE)


@pytest.mark.parametrize(
    "other",
    [
        {"image_sha256": "b" * 64},
        {"cutout": "u2netp"},
        {"foreground": 0.7},
        {"foreground": None},
        {"elevation_deg": 20.0},
        {"guidance": Guidance("decomposed", 2.0, 0.5)},
        {"guidance": Guidance("decomposed-official", 2.0, 1.0)},
        {"guidance": Guidance("cfg", cfg_scale=1.0)},
        {"sampler": SamplerSettings("dpm++")},
        {"sampler": SamplerSettings("ddim", 49)},
        {"sampler": SamplerSettings("ddim", 50, 0.5)},
        {"model": "small"},
        {"weights_sha256": "1" * 64},
        {"versions": {"torch": "3"}},
    ],
)
def test_everything_that_counts_changes_the_key(other):
    assert key(replace(RECIPE, **other)) != key(RECIPE)


def test_seed_device_and_encoder_change_the_key():
    keys = {key(RECIPE), key(RECIPE, 6), key(RECIPE, device="cuda"), key(RECIPE, encoder="")}
    assert len(keys) == 4


def test_guidance_off_is_one_setting_under_every_rule():
    off = [Guidance("none"), Guidance("decomposed", 0, 0), Guidance("cfg", cfg_scale=0)]
    assert len({key(replace(RECIPE, guidance=guidance)) for guidance in off}) == 1


def test_a_second_run_paints_nothing_and_has_the_same_bytes_in_a_folder_of_its_own(run):
    engine = fake_engine()
    first, painted = run(engine)
    second, again = run(engine)
    assert len(painted) == 3
    assert again == []
    assert contents(first.samples[0]) == contents(second.samples[0])
    assert first.recipe == second.recipe
    assert first.samples[0].strip.parent.parent != second.samples[0].strip.parent.parent


def test_only_missing_seeds_are_painted(run):
    engine = fake_engine()
    run(engine)
    both, steps = run(engine, replace(SETTINGS, first_seed=4, instances=3))
    assert {step.seeds for step in steps} == {(4,), (6,)}
    assert [sample.seed for sample in both.samples] == [4, 5, 6]
    fresh, _ = run(fake_engine(), replace(SETTINGS, first_seed=4, instances=3))
    assert [contents(s) for s in both.samples] == [contents(s) for s in fresh.samples]
    assert both.spread == pytest.approx(fresh.spread)


def test_another_name_is_scored_anew_and_written_as_a_fresh_run_would_be(run):
    engine, renamed = fake_engine(), replace(SETTINGS, object_name="a large teapot")
    first, _ = run(engine)
    second, steps = run(engine, renamed)
    fresh, _ = run(fake_engine(), renamed)
    assert steps == []
    assert second.samples[0].score != first.samples[0].score
    assert contents(second.samples[0]) == contents(fresh.samples[0])
    with zipfile.ZipFile(second.samples[0].views_zip) as archive:
        recipe = recipe_from_json(archive.read("recipe.json").decode())
        assert json.loads(archive.read("scores.json"))["object_name"] == "a large teapot"
    assert recipe.object_name == "a large teapot"


def test_samples_outlive_the_process_and_damaged_ones_are_painted_again(run, tmp_path):
    first, _ = run(fake_engine(cache=FileCache(tmp_path / "kept")))
    second, steps = run(fake_engine(cache=FileCache(tmp_path / "kept")))
    assert steps == []
    (entry,) = (tmp_path / "kept").iterdir()
    entry.write_bytes(entry.read_bytes()[:-9])
    third, steps = run(fake_engine(cache=FileCache(tmp_path / "kept")))
    assert len(steps) == 3
    assert contents(first.samples[0]) == contents(second.samples[0]) == contents(third.samples[0])


def test_a_stopped_run_keeps_the_samples_that_were_done(picture, run, tmp_path):
    engine = fake_engine()
    (tmp_path / "stopped").mkdir()
    events = engine.generate(picture, replace(SETTINGS, instances=2), tmp_path / "stopped")
    assert any(isinstance(event, SampleReady) for event in events)
    events.close()  # pyright: ignore[reportAttributeAccessIssue]
    _, steps = run(engine, replace(SETTINGS, instances=2))
    assert {step.seeds for step in steps} == {(6,)}


def test_a_peek_finds_what_is_there_and_never_works(picture, run, tmp_path):
    model = PageDenoiser()
    engine = fake_engine(model=model)

    def folder():
        (tmp_path / "peeked").mkdir()
        return tmp_path / "peeked"

    assert engine.peek(picture, SETTINGS, folder) is None
    assert engine.model.state == "asleep"
    run(engine)
    model.calls.clear()
    assert engine.peek(picture, replace(SETTINGS, s1=1.0), folder) is None
    assert not (tmp_path / "peeked").exists()
    found = engine.peek(picture, SETTINGS, folder)
    assert found is not None
    assert found.samples[0].strip.is_file()
    assert model.calls == []


def test_an_estimate_needs_a_run_and_counts_branches_steps_and_samples(run):
    engine = fake_engine(step_seconds=0.01)
    assert engine.estimate(SETTINGS) is None
    run(engine)
    three = engine.estimate(SETTINGS)
    one = engine.estimate(replace(SETTINGS, s1=0.0, s2=0.0))
    many = engine.estimate(replace(SETTINGS, num_steps=30, instances=2))
    assert three is not None
    assert one == pytest.approx(three / 3)
    assert many == pytest.approx(three * 20)
