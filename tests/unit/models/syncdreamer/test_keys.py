"""The key table is one-to-one and covers the official checkpoint and our networks exactly."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from harmony.models.syncdreamer.checkpoint import empty_network
from harmony.models.syncdreamer.config import SyncDreamerConfig, config_from_dict, config_to_dict
from harmony.models.syncdreamer.key_entry import KeyEntry, convert_tensor
from harmony.models.syncdreamer.keys import UNUSED_KEYS, key_table

from .conftest import TINY


@pytest.mark.parametrize("config", [TINY, SyncDreamerConfig()], ids=["tiny", "official"])
def test_every_tensor_of_ours_is_filled_once(config: SyncDreamerConfig) -> None:
    table = key_table(config)
    ours = [entry.ours for entry in table]
    parts = [(entry.official, entry.change) for entry in table]
    assert len(set(ours)) == len(ours)
    assert len(set(parts)) == len(parts)
    assert set(ours) == set(empty_network(config).state_dict())


@pytest.mark.shared_data
def test_official_checkpoint_is_used_completely(shared_dir: Path) -> None:
    listing = json.loads((shared_dir / "parity" / "syncdreamer-keys.json").read_text())["keys"]
    config = SyncDreamerConfig()
    table, ours = key_table(config), empty_network(config).state_dict()
    used = {entry.official for entry in table}
    assert not used & UNUSED_KEYS
    assert used | UNUSED_KEYS == set(listing)
    for entry in table:
        official = torch.empty(listing[entry.official][0], device="meta")
        assert convert_tensor(entry, official).shape == ours[entry.ours].shape, entry


@pytest.mark.shared_data
def test_recorded_sizes(shared_dir: Path) -> None:
    listing = json.loads((shared_dir / "parity" / "syncdreamer-keys.json").read_text())
    counts = listing["parameters_by_prefix"]
    network = empty_network(SyncDreamerConfig())

    def size(*names: str) -> int:
        modules = [network.get_submodule(name) for name in names]
        return sum(p.numel() for module in modules for p in module.parameters())

    assert size("unet") == counts["model"]
    assert size("autoencoder") == counts["first_stage_model"]
    assert size("context_projection") == counts["cc_projection"]
    assert size("time_embedding") == counts["time_embed"]
    volume = ("target_encoder", "spatial_network", "frustum_network")
    assert size(*volume) == counts["spatial_volume"]


def test_changes() -> None:
    packed = torch.arange(12.0).reshape(6, 2)
    thirds = [convert_tensor(KeyEntry("a", "b", f"third {i}"), packed) for i in range(3)]
    assert torch.equal(torch.cat(thirds), packed)
    assert torch.equal(convert_tensor(KeyEntry("a", "b", "transpose"), packed), packed.T)
    pointwise = packed[:, :, None, None]
    assert torch.equal(convert_tensor(KeyEntry("a", "b", "matrix"), pointwise), packed)


def test_sizes_survive_json() -> None:
    assert config_from_dict(json.loads(json.dumps(config_to_dict(TINY)))) == TINY
    with pytest.raises(ValueError, match="sizes"):
        config_from_dict({"unet": {"channels": 3}})
