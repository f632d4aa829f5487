from __future__ import annotations

import copy
import importlib.metadata
import io
import json
import shlex
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from harmony.background import ALPHA, CUTOUTS
from harmony.batch.command import build_parser
from harmony.batch.settings import choose_guidance, choose_sampler
from harmony.export import png_bytes
from harmony.guidance import RULES
from harmony.models.base import ModelDefaults
from harmony.noise import MAX_SEED
from harmony.recipe import (
    installed_version,
    make_recipe,
    package_versions,
    recipe_command,
    recipe_from_json,
    recipe_from_png,
    recipe_hash,
    recipe_to_json,
    validate_recipe,
)
from harmony.records import Guidance, PaintedFrom, Recipe, SamplerSettings
from harmony.sampling import SAMPLERS
from tests.fakes import FakeDenoiser

RECIPE = Recipe(
    image_sha256="a" * 64,
    cutout="u2netp",
    foreground=0.8,
    elevation_deg=-5.5,
    seeds=(0, 7),
    guidance=Guidance("decomposed", 2.0, 1.0),
    sampler=SamplerSettings("ddim", 50, 1.0),
    model="small",
    weights_sha256="b" * 64,
    object_name="tea pot",
    versions={"torch": "2.15.0"},
)

scales = st.floats(0.0, 20.0)
names = st.text(
    st.characters(categories=["L", "N", "P", "Zs"], exclude_characters="\u00a0"), max_size=30
)
recipes = st.builds(
    Recipe,
    image_sha256=st.from_regex(r"[0-9a-f]{64}", fullmatch=True),
    cutout=st.sampled_from((*CUTOUTS, ALPHA)),
    foreground=st.none() | st.floats(0.1, 1.0),
    elevation_deg=st.floats(-90, 90),
    seeds=st.lists(st.integers(0, MAX_SEED), min_size=1, max_size=5, unique=True).map(tuple),
    guidance=st.builds(Guidance, st.sampled_from(sorted(RULES)), scales, scales, scales),
    sampler=st.builds(
        SamplerSettings, st.sampled_from(sorted(SAMPLERS)), st.integers(1, 1000), st.floats(0, 1)
    ),
    model=st.sampled_from(["small", "syncdreamer", "my models/a b"]),
    weights_sha256=st.from_regex(r"[0-9a-f]{64}", fullmatch=True),
    object_name=names.map(lambda name: "a" + "".join(c for c in name if c.isprintable())),
    versions=st.dictionaries(st.text(max_size=9), st.text(max_size=9), max_size=3),
    painted_from=st.none()
    | st.builds(
        PaintedFrom,
        prompt=st.sampled_from(["a red teapot", 'it\'s a "mug" -- $HOME']),
        model=st.sampled_from(["stabilityai/sd-turbo", "my folder"]),
        revision=st.none() | st.from_regex(r"[0-9a-f]{40}", fullmatch=True),
        seed=st.integers(0, MAX_SEED),
        num_steps=st.integers(1, 1000),
        guidance_scale=st.floats(0, 100),
    ),
)


@given(recipes)
@settings(max_examples=40, deadline=None)
def test_json_round_trip(recipe):
    text = recipe_to_json(recipe)
    assert recipe_from_json(text) == recipe
    assert recipe_to_json(recipe_from_json(text)) == text
    assert recipe_hash(recipe_from_json(text)) == recipe_hash(recipe)


@given(recipes)
@settings(max_examples=60, deadline=None)
def test_the_command_line_says_the_same(recipe):
    words = shlex.split(recipe_command(recipe, image="a b.png", output="out"))
    assert words[:3] == ["python", "-m", "harmony.generate"]
    options = build_parser().parse_args(words[3:])
    defaults = ModelDefaults(Guidance("none", 9.0, 9.0, 9.0), SamplerSettings("unipc", 9, 0.9))
    guidance = choose_guidance(options, defaults)
    assert guidance.rule == recipe.guidance.rule
    if guidance.rule == "cfg":
        assert guidance.cfg_scale == recipe.guidance.cfg_scale
    else:
        assert (guidance.s1, guidance.s2) == (recipe.guidance.s1, recipe.guidance.s2)
    assert choose_sampler(options, defaults) == recipe.sampler
    assert (None if options.no_crop else options.foreground) == recipe.foreground
    assert options.elevation_deg == recipe.elevation_deg
    assert options.seeds == recipe.seeds
    assert options.object_name == recipe.object_name
    assert options.model == recipe.model
    assert options.cutout == ("none" if recipe.cutout == ALPHA else recipe.cutout)
    painted = recipe.painted_from
    if painted is None:
        assert (options.pictures, options.prompts) == (["a b.png"], [])
        return
    assert (options.pictures, options.prompts) == ([], [painted.prompt])
    model, _, revision = options.text_model.partition("@")
    assert (model, revision or None) == (painted.model, painted.revision)
    assert options.text_seed == painted.seed
    assert options.text_steps == painted.num_steps
    assert options.text_guidance == painted.guidance_scale


def test_a_recipe_of_a_given_picture_is_written_as_before():
    assert "painted_from" not in json.loads(recipe_to_json(RECIPE))
    assert recipe_from_json(recipe_to_json(RECIPE)).painted_from is None


def test_whole_numbers_and_floats_hash_alike():
    whole = replace(RECIPE, elevation_deg=30, guidance=Guidance("decomposed", 2, 1, 1))
    exact = replace(RECIPE, elevation_deg=30.0, guidance=Guidance("decomposed", 2.0, 1.0, 1.0))
    assert recipe_hash(whole) == recipe_hash(exact)
    assert recipe_hash(exact) != recipe_hash(replace(exact, seeds=(0, 8)))


def _changed(path: tuple[str, ...], value: object) -> str:
    values = json.loads(recipe_to_json(RECIPE))
    place = values
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return json.dumps(values)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("format",), "harmony recipe 2"),
        (("surprise",), 1),
        (("guidance", "s3"), 1.0),
        (("sampler", "karras"), True),
        (("image_sha256",), "a" * 63),
        (("image_sha256",), 5),
        (("weights_sha256",), "../../etc/passwd"),
        (("cutout",), "bria-rmbg"),
        (("foreground",), 0.01),
        (("foreground",), "0.8"),
        (("elevation_deg",), 91),
        (("elevation_deg",), True),
        (("elevation_deg",), float("nan")),
        (("elevation_deg",), float("inf")),
        (("elevation_deg",), 10**400),
        (("seeds",), []),
        (("seeds",), [-1]),
        (("seeds",), [1.5]),
        (("seeds",), [True]),
        (("seeds",), [2**63]),
        (("seeds",), 3),
        (("seeds",), list(range(1001))),
        (("guidance",), None),
        (("guidance", "rule"), "eval"),
        (("guidance", "s1"), -1),
        (("guidance", "s2"), 21),
        (("guidance", "cfg_scale"), None),
        (("sampler", "sampler"), "euler"),
        (("sampler", "num_steps"), 0),
        (("sampler", "num_steps"), 50.0),
        (("sampler", "num_steps"), 10**9),
        (("sampler", "eta"), 2),
        (("model",), ""),
        (("model",), "a\nb"),
        (("object_name",), "123"),
        (("object_name",), "a" * 500),
        (("versions",), ["torch"]),
        (("versions",), {"torch": 2}),
    ],
)
def test_every_misfit_is_refused_in_a_sentence(path, value):
    with pytest.raises(ValueError, match=r"\.$") as refused:
        recipe_from_json(_changed(path, value))
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("key", sorted(json.loads(recipe_to_json(RECIPE))))
def test_every_entry_is_needed(key):
    values = json.loads(recipe_to_json(RECIPE))
    del values[key]
    with pytest.raises(ValueError, match=f"lacks {key}"):
        recipe_from_json(json.dumps(values))


@pytest.mark.parametrize(
    "text",
    ["", "null", "[]", "{", "recipe", "[" * 90_000, '{"a": 1, "a": 2}', "1" * 6000, " " * 200_000],
)
def test_what_is_no_recipe_is_refused(text):
    with pytest.raises(ValueError, match=r"recipe.*\.$"):
        recipe_from_json(text)


def test_a_recipe_of_a_model_is_checked(model):
    options = {
        "image_sha256": "c" * 64,
        "cutout": "alpha",
        "foreground": None,
        "elevation_deg": 30,
        "seeds": [0, 1],
        "guidance": Guidance(),
        "sampler": SamplerSettings(),
    }
    made = make_recipe(model, **options)
    assert made.model == "fake"
    assert made.weights_sha256 == FakeDenoiser().weights_sha256
    packages = {"torch", "diffusers", "numpy", "pillow", "rembg"}
    assert set(made.versions) == packages | {"harmony.sampling"}
    assert recipe_from_json(recipe_to_json(made)) == made
    with pytest.raises(ValueError, match="Seed -1"):
        make_recipe(model, **{**options, "seeds": [-1]})


def test_a_png_carries_its_recipe():
    image = Image.new("RGB", (8, 8), "red")
    data = png_bytes(image, RECIPE)
    assert recipe_from_png(data) == RECIPE
    with Image.open(io.BytesIO(data)) as opened:
        assert opened.tobytes() == image.tobytes()


def test_png_files_without_a_recipe_are_refused():
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8)).save(buffer, "JPEG")
    for data, words in (
        (png_bytes(Image.new("RGB", (8, 8))), "carries no recipe"),
        (buffer.getvalue(), "not a PNG"),
        (b"", "not a PNG"),
        (png_bytes(Image.new("RGB", (8, 8)))[:40], "not a PNG|carries no recipe"),
    ):
        with pytest.raises(ValueError, match=words):
            recipe_from_png(data)


def test_validation_returns_the_recipe():
    assert validate_recipe(RECIPE) is RECIPE
    assert copy.copy(RECIPE) == RECIPE


@pytest.fixture
def unread_versions():
    """Let versions be read anew, and what the test had read be forgotten after it."""
    installed_version.cache_clear()
    yield
    installed_version.cache_clear()


@pytest.mark.usefixtures("unread_versions")
def test_a_package_without_metadata_does_not_stop_a_recipe(monkeypatch):
    def version(name):
        if name == "rembg":
            raise importlib.metadata.PackageNotFoundError(name)
        return "1.0"

    monkeypatch.setattr(importlib.metadata, "version", version)
    versions = package_versions()
    assert versions["rembg"] == "unknown"
    assert versions["torch"] == "1.0"


@pytest.mark.usefixtures("unread_versions")
def test_versions_are_read_once_and_a_recipes_own_are_its_own(monkeypatch):
    first = package_versions()
    monkeypatch.setattr(importlib.metadata, "version", None)
    again = package_versions()
    assert again == first
    again["torch"] = "0"
    assert package_versions() == first
