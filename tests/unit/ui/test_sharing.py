from dataclasses import replace
from urllib.parse import parse_qsl

import pytest

from harmony.background import CUTOUTS
from harmony.recipe import recipe_from_json, recipe_to_json
from harmony.records import Guidance, Recipe, SamplerSettings
from harmony.ui.settings import Framing, Settings
from harmony.ui.sharing import (
    query_of,
    read_recipe,
    settings_of_query,
    settings_of_recipe,
    values_of,
)

START = Settings(
    framing=Framing("u2netp", 0.8, 30.0),
    rule="decomposed",
    s1=2.0,
    s2=1.0,
    cfg_scale=1.0,
    sampler="ddim",
    num_steps=50,
    eta=1.0,
    instances=1,
    first_seed=0,
    object_name="object",
)
OTHER = Settings(
    framing=Framing("none", 0.7, -5.5),
    rule="cfg",
    s1=0.3,
    s2=0.0,
    cfg_scale=2.5,
    sampler="unipc",
    num_steps=20,
    eta=0.25,
    instances=3,
    first_seed=2**31 - 9,
    object_name="Kanne & Tasse = 100 %",
)
RECIPE = Recipe(
    image_sha256="a" * 64,
    cutout="none",
    foreground=0.7,
    elevation_deg=-5.5,
    seeds=(4, 5, 6),
    guidance=Guidance("cfg", 0.3, 0.0, 2.5),
    sampler=SamplerSettings("unipc", 20, 0.25),
    model="small",
    weights_sha256="b" * 64,
    object_name="jug",
)


def test_a_link_brings_every_setting_back():
    query = dict(parse_qsl(query_of(OTHER)))
    assert settings_of_query(query, START, CUTOUTS) == OTHER


def test_a_link_that_says_little_changes_little():
    changed = settings_of_query({"s1": "0", "utm_source": "x"}, START, CUTOUTS)
    assert changed == replace(START, s1=0.0)
    assert settings_of_query({}, START, CUTOUTS) == START


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("s1", "nan"),
        ("s1", "4.5"),
        ("s2", "-1"),
        ("num_steps", "1e9"),
        ("num_steps", "1001"),
        ("first_seed", "-1"),
        ("instances", "9"),
        ("elevation_deg", "<b>"),
        ("rule", "magic"),
        ("cutout", "../../etc"),
        ("sampler", ""),
        ("object_name", "x" * 81),
    ],
)
def test_a_link_is_not_trusted(name, value):
    with pytest.raises(ValueError, match=r"\."):
        settings_of_query({name: value}, START, CUTOUTS)


def test_a_recipe_sets_the_dials():
    settings = settings_of_recipe(recipe_from_json(recipe_to_json(RECIPE)), START, CUTOUTS)
    assert settings == replace(OTHER, first_seed=4, object_name="jug")


def test_a_picture_with_its_own_mask_leaves_the_cutout_dial_alone():
    settings = settings_of_recipe(replace(RECIPE, cutout="alpha", foreground=None), START, CUTOUTS)
    assert settings.framing == replace(START.framing, elevation_deg=-5.5)


@pytest.mark.parametrize("seeds", [(1, 3), (2, 1), tuple(range(9))])
def test_seeds_that_the_dials_cannot_say_are_refused(seeds):
    with pytest.raises(ValueError, match=r"seeds|samples"):
        settings_of_recipe(replace(RECIPE, seeds=seeds), START, CUTOUTS)


def test_values_come_in_the_order_in_which_settings_are_built():
    values = list(values_of(OTHER).values())
    assert Settings(Framing(*values[:3]), *values[3:]) == OTHER


def test_a_file_that_is_no_recipe_is_refused(tmp_path):
    (tmp_path / "r.json").write_bytes(b"\xff\xfe{}")
    (tmp_path / "r.png").write_bytes(b"no picture")
    for name in ("r.json", "r.png"):
        with pytest.raises(ValueError, match=r"JSON|PNG"):
            read_recipe(tmp_path / name)
