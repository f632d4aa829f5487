"""Recipes, links and arguments of programs: whatever stands in them, a result or a sentence."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import gradio as gr
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from harmony.background import CUTOUTS
from harmony.export import png_bytes
from harmony.json_fields import MAX_CHARACTERS
from harmony.recipe import recipe_from_json, recipe_from_png, recipe_to_json
from harmony.records import Guidance, Recipe, SamplerSettings
from harmony.ui.api import Api
from harmony.ui.errors import MAX_SENTENCE, in_plain_words
from harmony.ui.settings import Framing, Settings
from harmony.ui.sharing import NUMBERS, WORDS, settings_of_query, settings_of_recipe, values_of
from harmony.ui.visits import Visits
from tests.page_fakes import fake_engine

RECIPE = Recipe(
    image_sha256="a" * 64,
    cutout="u2netp",
    foreground=0.8,
    elevation_deg=30.0,
    seeds=(1, 2),
    guidance=Guidance("decomposed", 2.0, 1.0),
    sampler=SamplerSettings("ddim", 4, 1.0),
    model="small",
    weights_sha256="b" * 64,
    object_name="mug",
    versions={"torch": "2.0"},
)
DIALS = Settings(
    Framing("u2netp", 0.8, 30.0), "decomposed", 2.0, 1.0, 1.0, "ddim", 2, 1.0, 1, 0, "mug"
)
HOSTILE = [
    *(None, True, [], {}, "", "0", -1, 0, 10**9, 2**63, 10**400, 1e308, -0.0, 0.5),
    *(math.nan, math.inf, -math.inf, "NaN", "1e999", "\x00", "a\nb", "\u202e", "\ud800"),
    *("../../etc/passwd", "/etc/passwd", "C:\\\\con", "file:///etc/passwd", "${HOME}", "$(id)"),
    *("<img src=x onerror=alert(1)>", "x" * 5000, "__import__('os').system('id')"),
    *([[[[1]]]], {"__class__": "os"}, [1] * 2000, [-1], [1, 1], ["1"], [1.5]),
]
values = st.one_of(
    st.sampled_from(HOSTILE),
    st.floats(),
    st.integers(),
    st.text(max_size=40),
    st.recursive(
        st.none() | st.integers(), lambda inner: st.lists(inner, max_size=3), max_leaves=9
    ),
)
quick = settings(
    max_examples=150,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def answer(function: Callable[..., Any], *arguments: Any) -> Any:
    """Return the result, or None after one plain sentence."""
    try:
        result = in_plain_words(function)(*arguments)
        return list(result) if hasattr(result, "__next__") else result
    except gr.Error as error:
        refused = error
    sentence = str(refused.message)
    assert "unexpected" not in sentence, (sentence, repr(refused.__cause__))
    assert "failed while it computed" not in sentence, repr(refused.__cause__)
    assert sentence.isprintable()
    assert sentence.endswith((".", "…"))
    assert "<" not in sentence
    assert len(sentence) < 2 * MAX_SENTENCE
    return None


def changed(path: tuple[str, ...], value: object) -> dict[str, Any]:
    """Return the recipe's values with one of them replaced, or added."""
    whole = json.loads(recipe_to_json(RECIPE))
    table = whole
    for name in path[:-1]:
        table = table[name]
    table[path[-1]] = value
    return whole


PATHS = [
    *((name,) for name in json.loads(recipe_to_json(RECIPE))),
    *(("guidance", name) for name in ("rule", "s1", "s2", "cfg_scale")),
    *(("sampler", name) for name in ("sampler", "num_steps", "eta")),
    *(("unknown",), ("guidance", "new\nline"), ("versions", "torch"), ("sampler", "__class__")),
]


def restore(text: str) -> Settings:
    """Do what the page does with a dropped recipe."""
    recipe = recipe_from_json(text)
    assert recipe_from_json(recipe_to_json(recipe)) == recipe
    return settings_of_recipe(recipe, DIALS, CUTOUTS)


@quick
@given(path=st.sampled_from(PATHS), value=values)
@example(path=("sampler", "num_steps"), value=10**9)
@example(path=("guidance", "s1"), value=math.nan)
@example(path=("guidance", "s1"), value=10**400)
@example(path=("model",), value="../../weights")
def test_a_recipe_with_any_value_anywhere(path, value):
    found = answer(restore, json.dumps(changed(path, value)))
    assert found is None or isinstance(found, Settings)


@pytest.mark.parametrize("value", HOSTILE, ids=repr)
def test_every_hostile_value_in_every_place_of_a_recipe(value):
    for path in PATHS:
        answer(restore, json.dumps(changed(path, value)))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[" * 60_000,
        '{"a":' * 20_000,
        "9" * 10_000,
        '{"format": 1e999}',
        "{\x00}",
        "\ufeff{}",
        "!!python/object/apply:os.system [id]",
        " " * (MAX_CHARACTERS + 1),
        '{"format": "harmony recipe 1", "format": "harmony recipe 1"}',
    ],
    ids=range(10),
)
def test_text_that_is_no_recipe(text):
    assert answer(restore, text) is None


@quick
@given(data=st.binary(max_size=200), at=st.integers(0, 5000))
def test_a_damaged_png_that_carried_a_recipe(data, at):
    whole = png_bytes(Image.new("RGB", (8, 8), "red"), RECIPE)
    assert recipe_from_png(whole) == RECIPE
    at %= len(whole)
    found = answer(recipe_from_png, whole[:at] + data + whole[at + len(data) :])
    assert found is None or isinstance(found, Recipe)


@quick
@given(query=st.dictionaries(st.sampled_from([*NUMBERS, *WORDS, "other"]), values.map(str)))
@example(query={"s1": "<img src=x onerror=alert(1)>"})
@example(query={"first_seed": "9" * 6000})
@example(query={"num_steps": "1e999"})
def test_a_link_that_says_anything(query):
    found = answer(settings_of_query, query, DIALS, CUTOUTS)
    assert found is None or isinstance(found, Settings)


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Api:
    """Return the endpoints in front of the fake network."""
    return Api(fake_engine(), Visits(lambda: tmp_path_factory.getbasetemp() / "visits"))


@pytest.fixture(scope="module")
def picture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    image = Image.new("RGBA", (48, 48))
    ImageDraw.Draw(image).ellipse((8, 8, 40, 40), fill="red")
    path = tmp_path_factory.mktemp("pictures") / "ball.png"
    image.save(path)
    return path


@settings(quick, max_examples=100)
@given(name=st.sampled_from(list(values_of(DIALS))), value=values)
@example(name="num_steps", value=10**9)
@example(name="object_name", value=None)
@example(name="eta", value=math.nan)
def test_a_program_may_send_anything_to_generate(api, picture, name, value):
    # Counts that are allowed are kept small: the fake network takes its steps in earnest.
    if name in ("num_steps", "instances") and value in range(3, 1001):
        value = 2
    arguments = values_of(DIALS) | {name: value}
    found = answer(api.generate, str(picture), *arguments.values())
    assert found is None or found[-1][0]["done"] is True


@quick
@given(
    path=st.sampled_from(["", ".", "/", "/etc", "/etc/hostname", "/dev/null", "absent", "a\x00b", "x" * 5000]),
    cutout=values, foreground=values, elevation=values,
)  # fmt: skip
def test_a_program_may_send_anything_to_cutout(api, path, cutout, foreground, elevation):
    assert answer(api.cutout, path, cutout, foreground, elevation) is None


@quick
@given(name=values, quality=values)
def test_a_program_may_send_anything_to_score_and_reconstruct(api, picture, name, quality):
    assert answer(api.score, str(picture), name) is None
    assert answer(api.reconstruct, str(picture), quality) is None


def test_settings_that_are_valid_pass():
    """What is refused above is refused for its value and not for its form."""
    assert restore(recipe_to_json(RECIPE)) == replace(DIALS, num_steps=4, instances=2, first_seed=1)
