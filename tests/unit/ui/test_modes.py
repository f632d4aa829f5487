from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from harmony.background import CUTOUTS
from harmony.devices import describe_device, describe_precision
from harmony.models.registry import load_schedule
from harmony.sampling import timesteps
from harmony.serving.workers import WorkerPool
from harmony.ui.engine import Known
from harmony.ui.loading import standard_engine
from harmony.ui.modes import estimate_text
from harmony.ui.offers import cutout_choices
from harmony.ui.painting import BRANCH_STEP
from harmony.ui.pooled_engine import PooledEngine
from harmony.ui.settings import Framing, Settings
from harmony.ui.texts import modes
from tests.page_fakes import fake_engine

WEIGHTS = Path(__file__).parents[3] / "weights"
SETTINGS = Settings(
    Framing("u2netp", 0.8, 30), "decomposed", 2, 1, 1, "ddim", 25, 0, 2, 0, "teapot"
)


class StartedPool(WorkerPool):
    """A pool whose workers have loaded their models."""

    def __init__(self) -> None:
        super().__init__(fake_engine, [None])

    def start(self, method: str) -> list[str]:
        return ["cuda:0"]


def test_the_estimate_is_steps_times_branches_times_samples_times_what_was_measured():
    engine = fake_engine()
    engine.pace.measure(BRANCH_STEP, 10, 5.0)
    assert estimate_text(engine, SETTINGS) == (
        "About 1 min 15 s, as measured here: 25 steps, 75 network passes × 2 samples."
    )
    plain = replace(SETTINGS, s2=0, instances=1)
    assert "About 25 s" in estimate_text(engine, plain)
    assert "50 network passes × 1 sample" in estimate_text(engine, plain)
    off = replace(SETTINGS, rule="none", instances=1)
    assert "About 12 s" in estimate_text(engine, off)
    assert "25 network passes ×" in estimate_text(engine, off)
    assert "Fewer steps" in estimate_text(engine, replace(SETTINGS, num_steps=1000))


def test_unguided_steps_count_one_pass_once_the_model_is_loaded():
    engine = fake_engine()
    assert engine.passes(SETTINGS) == 3 * 25
    model = engine.model.get()
    model.schedule = replace(model.schedule, guidance_interval=(500, 1000))
    guided = sum(model.schedule.guides(t) for t in timesteps(model.schedule, 25))
    assert 0 < guided < 25
    assert engine.passes(SETTINGS) == 3 * guided + (25 - guided)
    assert engine.passes(replace(SETTINGS, rule="none")) == 25


@pytest.mark.parametrize("name", ["small", str(WEIGHTS / "small")])
def test_unguided_steps_count_one_pass_before_the_model_is_loaded(name: str):
    """The small model's card says at which steps guidance acts."""
    settings = replace(SETTINGS, num_steps=12)
    asleep = standard_engine(name, "cpu")
    assert asleep.passes(settings) == 6 * 3 + 6
    assert asleep.model.state == "asleep"
    assert standard_engine("syncdreamer", "cpu").passes(settings) == 12 * 3


def test_passes_are_counted_where_the_model_works_in_other_processes():
    engine = PooledEngine(model_name="fake", rules=("none",), pool=StartedPool())
    engine.model.get()
    assert engine.passes(SETTINGS) == 75
    own = PooledEngine(
        model_name="fake",
        rules=("none",),
        pool=StartedPool(),
        known=Known(load_schedule=lambda: load_schedule("small")),
    )
    own.model.get()
    assert own.passes(replace(SETTINGS, num_steps=12)) == 6 * 3 + 6


def test_before_anything_was_measured_it_says_so():
    assert estimate_text(fake_engine(), SETTINGS) == (
        "25 steps, 75 network passes × 2 samples. The first run measures how long that takes here."
    )
    engine = fake_engine()
    engine.model_name = "syncdreamer"
    engine.known = Known(device_name="cpu")
    assert estimate_text(engine, SETTINGS).startswith("Roughly ")
    assert "guessed from this processor's speed" in estimate_text(engine, SETTINGS)


def test_the_banner_names_model_device_precision_and_pace():
    engine = fake_engine()
    assert engine.status() == "fake · loads on the first run"
    engine.model.get()
    threads = torch.get_num_threads()
    device = f"CPU, {threads} thread{'s' if threads > 1 else ''}"
    assert engine.status() == f"fake · {device} · float32"
    engine.pace.measure(BRANCH_STEP, 1, 0.5)
    assert engine.status() == f"fake · {device} · float32 · 1.5 s per step"


@pytest.mark.parametrize(
    ("dtype", "name"), [(torch.bfloat16, "bfloat16"), (torch.float16, "float16")]
)
def test_devices_and_number_types_have_names(dtype, name):
    assert describe_precision(dtype) == name
    assert describe_device(torch.device("mps")) == "Apple GPU"


def test_a_cutout_model_that_must_be_fetched_says_so():
    offered = {value: label for label, value in cutout_choices(CUTOUTS)}
    assert tuple(offered) == CUTOUTS
    assert "ships" in offered["u2netp"]
    assert "179 MB" in offered["isnet-general-use"]
    assert "fetched" in offered["birefnet-general-lite"]
    assert offered["none"] == modes.NO_CUTOUT
