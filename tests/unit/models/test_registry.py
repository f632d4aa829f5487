from __future__ import annotations

import json

import pytest
import torch

from harmony.models import registry
from harmony.models.registry import LOADERS, SCHEDULES, WEIGHTS, load_model, load_schedule
from harmony.models.small.schedule import noise_schedule
from tests.fakes import FakeDenoiser

CPU = torch.device("cpu")


@pytest.fixture
def loaded(monkeypatch):
    """Put a recorder in the place of every loader."""
    seen = []

    def recorder(name):
        def load(folder, device, *, low_memory):
            seen.append((name, folder, device, low_memory))
            return FakeDenoiser()

        return load

    monkeypatch.setattr(registry, "LOADERS", {name: recorder(name) for name in LOADERS})
    return seen


def test_the_table_names_every_model():
    assert set(LOADERS) == set(SCHEDULES) == {"small", "small-live", "syncdreamer"}


@pytest.mark.parametrize("name", list(LOADERS))
def test_a_name_loads_the_model_from_its_own_place(loaded, name):
    load_model(name, CPU)
    load_model(name, CPU, low_memory=True)
    assert loaded == [(name, None, CPU, False), (name, None, CPU, True)]


@pytest.mark.parametrize("kind", list(LOADERS))
def test_a_folder_loads_the_kind_that_it_names(loaded, kind, tmp_path):
    (tmp_path / "card.json").write_text(json.dumps({"kind": kind, "width": 8}))
    load_model(tmp_path, CPU)
    load_model(str(tmp_path), CPU)
    assert loaded == [(kind, tmp_path, CPU, False)] * 2


def test_what_is_no_model_is_refused(loaded, tmp_path):
    with pytest.raises(ValueError, match="There is no model 'large'"):
        load_model("large", CPU)
    with pytest.raises(ValueError, match=r"card.json is missing"):
        load_model(tmp_path, CPU)
    for text in ("{", "[]", "{}", '{"kind": "os.system"}', '{"kind": ["small"]}'):
        (tmp_path / "card.json").write_text(text)
        with pytest.raises(ValueError, match=r"is no JSON|must name its kind"):
            load_model(tmp_path, CPU)
    assert loaded == []


def test_missing_small_weights_are_named(monkeypatch, tmp_path):
    monkeypatch.setattr(registry, "WEIGHTS", tmp_path)
    with pytest.raises(ValueError, match=r"card.json is missing in .*small; fetch"):
        load_model("small", CPU)


def test_a_forward_process_is_read_without_weights(monkeypatch, tmp_path):
    """From the card alone: neither the name's weights nor the folder's are there."""
    card = json.loads((WEIGHTS / "small/card.json").read_text())
    (tmp_path / "small").mkdir()
    (tmp_path / "small/card.json").write_text(json.dumps(card | {"guided_share": 0.3}))
    monkeypatch.setattr(registry, "WEIGHTS", tmp_path)
    for name in ("small", tmp_path / "small"):
        assert load_schedule(name) == noise_schedule(card["shift"], 0.3, card["guidance_bound"])
    assert load_schedule("syncdreamer").guidance_interval is None
    (tmp_path / "small-live").mkdir()
    (tmp_path / "small-live/card.json").write_text(json.dumps(card | {"kind": "small-live"}))
    assert load_schedule("small-live").guidance_interval == (0, 0)
    (tmp_path / "small/card.json").write_text('{"kind": "small"}')
    with pytest.raises(ValueError, match="not a model card"):
        load_schedule("small")
    with pytest.raises(ValueError, match="There is no model"):
        load_schedule("large")
