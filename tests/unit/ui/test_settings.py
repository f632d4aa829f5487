from dataclasses import replace

import pytest

from harmony.background import CUTOUTS
from harmony.devices import DEVICES as ENGINE_DEVICES
from harmony.guidance import RULES as ENGINE_RULES
from harmony.reconstruction import QUALITIES as ENGINE_QUALITIES
from harmony.reconstruction.files import MESH_ENDINGS
from harmony.sampling import SAMPLERS as ENGINE_SAMPLERS
from harmony.ui import texts
from harmony.ui.inputs import Defaults
from harmony.ui.loading import DEVICES
from harmony.ui.settings import (
    CPU_QUALITIES,
    MESH_FORMATS,
    QUALITIES,
    RULES,
    SAMPLERS,
    Framing,
    Settings,
)

GOOD = Settings(
    framing=Framing("u2netp", 0.8, 30.0),
    rule="decomposed",
    s1=2.0,
    s2=1.0,
    cfg_scale=1.0,
    sampler="ddim",
    num_steps=4,
    eta=1.0,
    instances=3,
    first_seed=5,
    object_name="mug",
)


def test_the_page_offers_what_the_engine_has():
    """The page's lists stand apart from the engine's so that opening it imports no PyTorch."""
    assert set(SAMPLERS) == set(ENGINE_SAMPLERS)
    assert set(RULES) == set(ENGINE_RULES) == set(texts.RULES)
    assert set(QUALITIES) == set(ENGINE_QUALITIES) == set(texts.QUALITY_NAMES)
    needs_gpu = {name for name, quality in ENGINE_QUALITIES.items() if quality.neus}
    assert set(CPU_QUALITIES) == set(QUALITIES) - needs_gpu
    assert {f".{name}" for name in MESH_FORMATS} == set(MESH_ENDINGS)
    assert set(DEVICES) == set(ENGINE_DEVICES)
    assert Defaults().cutout in CUTOUTS


def test_every_sample_gets_its_own_seed():
    assert GOOD.seeds == (5, 6, 7)


@pytest.mark.parametrize("scale", ["s1", "s2", "cfg_scale"])
@pytest.mark.parametrize("value", [float("nan"), float("inf"), -0.1, 21, None, "2"])
def test_a_scale_that_is_no_number_in_range_is_refused(scale, value):
    with pytest.raises(ValueError, match=r"must be a number from 0 to 20"):
        replace(GOOD, **{scale: value})


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("num_steps", 10**9, "Steps must be a whole number from 1 to 1000"),
        ("num_steps", 0, "Steps must be"),
        ("num_steps", 2.5, "Steps must be"),
        ("num_steps", float("nan"), "Steps must be"),
        ("num_steps", None, "Steps must be"),
        ("first_seed", -1, "First seed must be a whole number from 0"),
        ("instances", 9, "Number of samples must be a whole number from 1 to 8"),
        ("eta", 1.5, "eta must be a number from 0 to 1"),
        ("rule", "magic", "Guidance rule is 'magic'"),
        ("sampler", "euler", "Sampler is 'euler'"),
    ],
)
def test_other_values_out_of_range_are_refused(field, value, words):
    with pytest.raises(ValueError, match=words):
        replace(GOOD, **{field: value})


@pytest.mark.parametrize(
    "framing", [("u2netp", 0.0, 30.0), ("u2netp", 0.8, 91.0), ("u2netp", 0.8, float("nan"))]
)
def test_framing_out_of_range_is_refused(framing):
    with pytest.raises(ValueError, match="must be a number from"):
        Framing(*framing)
