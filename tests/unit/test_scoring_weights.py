"""CLIP folders and downloads that are missing or damaged."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from harmony.scoring_encoder import (
    DEFAULT_ENCODER,
    PUBLISHED_ENCODER,
    SMALL_ENCODER_DIR,
    WEIGHTS_FILE,
    load_encoder,
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(SMALL_ENCODER_DIR, tmp_path / "clip"))


def test_the_shipped_encoder_is_the_one_of_its_card(folder):
    assert load_encoder(folder).names == load_encoder(DEFAULT_ENCODER).names


@pytest.mark.parametrize("name", [WEIGHTS_FILE, "open_clip_config.json"])
def test_a_missing_file_is_named(folder, name):
    (folder / name).unlink()
    with pytest.raises(ValueError, match=f"has no {name}"):
        load_encoder(folder)


def test_one_flipped_bit_in_the_weights_is_noticed(folder):
    data = bytearray((folder / WEIGHTS_FILE).read_bytes())
    data[-1] ^= 1
    (folder / WEIGHTS_FILE).write_bytes(data)
    with pytest.raises(ValueError, match=rf"{WEIGHTS_FILE} is damaged .* restore it"):
        load_encoder(folder)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("card.json", "{", "card.json is not a model card"),
        ("card.json", "[1]", "card.json is not a model card"),
        ("names.json", "[", "cannot be loaded"),
        ("open_clip_config.json", "{}", "cannot be loaded"),
        ("open_clip_config.json", "", "cannot be loaded"),
    ],
)
def test_a_damaged_text_file_is_said_plainly(folder, name, content, words):
    (folder / name).write_text(content)
    with pytest.raises(ValueError, match=words) as refused:
        load_encoder(folder)
    assert str(refused.value).endswith(".")


def test_weights_of_another_network_are_refused(folder):
    config = json.loads((folder / "open_clip_config.json").read_text())
    config["model_cfg"]["embed_dim"] *= 2
    (folder / "open_clip_config.json").write_text(json.dumps(config))
    with pytest.raises(ValueError, match="cannot be loaded"):
        load_encoder(folder)


def test_without_a_network_the_published_encoder_names_the_shipped_one(monkeypatch, tmp_path):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(ValueError, match=r"go online once, or use \'small\'"):
        load_encoder(PUBLISHED_ENCODER)
