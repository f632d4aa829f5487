"""A parity set: weights, inputs and outputs recorded from the released code.

HARMONY_PARITY names a set by its path prefix: PREFIX.json, PREFIX.weights.safetensors,
PREFIX.tensors.safetensors and, if there is one, PREFIX.vae.safetensors.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from harmony.models.syncdreamer.config import (
    AutoencoderConfig,
    ImageEncoderConfig,
    SyncDreamerConfig,
    UNetConfig,
    VolumeConfig,
)
from harmony.models.syncdreamer.key_entry import convert_tensor
from harmony.models.syncdreamer.keys import key_table
from harmony.models.syncdreamer.network import SamplingGrids, SyncDreamerNetwork, sampling_grids

ROOT = Path(__file__).resolve().parent.parent.parent
DEFAULT_PREFIX = ROOT.parent / "shared" / "parity" / "small"
VARIABLE = "HARMONY_PARITY"
MODULE_TOLERANCE = 1e-4
SAMPLE_TOLERANCE = 2e-3
ERRORS = pytest.StashKey[dict[str, tuple[float, float]]]()
NO_AUTOENCODER = pytest.StashKey[bool]()
HERE = Path(__file__).resolve().parent


def pytest_itemcollected(item: pytest.Item) -> None:
    # A set named by the variable needs no reference folder beside the repository.
    if HERE in item.path.parents and VARIABLE not in os.environ:
        item.add_marker(pytest.mark.shared_data)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    # The autoencoder's file is an optional part of a set.
    if VARIABLE in os.environ and not Path(f"{os.environ[VARIABLE]}.vae.safetensors").exists():
        gone = [item for item in items if HERE in item.path.parents and "autoencoder" in item.name]
        config.hook.pytest_deselected(items=gone)
        items[:] = [item for item in items if item not in gone]
        config.stash[NO_AUTOENCODER] = bool(gone)


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    if config.stash.get(NO_AUTOENCODER, False):
        terminalreporter.write_line("deselected the autoencoder's test: the set has no .vae file")
    errors = config.stash.get(ERRORS, {})
    if errors:
        terminalreporter.write_line("parity: largest error / (1 + max|expected|), by group")
    for group, (error, tolerance) in errors.items():
        terminalreporter.write_line(f"  {group:10s} {error:.1e} (allowed {tolerance:.0e})")


@dataclass
class ParitySet:
    """One recorded set and our networks with its weights."""

    config: SyncDreamerConfig
    recorded: dict[str, Any]
    tensors: dict[str, Tensor]
    network: SyncDreamerNetwork
    grids: SamplingGrids
    errors: dict[str, tuple[float, float]] = field(default_factory=dict)

    def __getitem__(self, name: str) -> Tensor:
        return self.tensors[name]

    @property
    def targets(self) -> list[list[int]]:
        return self["frustum.target_index"].tolist()

    @property
    def volumes(self) -> list[Tensor]:
        widths = self.config.volume_widths
        return [self[f"frustum.volume_w{width}"] for width in widths]

    def check(self, name: str, actual: Tensor, expected: Tensor | None = None) -> None:
        """Compare with the recorded tensor `name` at the set's tolerance."""
        expected = self[name] if expected is None else expected
        group = name.split(".")[0]
        tolerance = SAMPLE_TOLERANCE if group == "sample" else MODULE_TOLERANCE
        assert actual.shape == expected.shape, name
        scale = 1 + expected.abs().max().item()
        error = (actual.double() - expected.double()).abs().max().item() / scale
        worst = max(error, self.errors.get(group, (0.0, tolerance))[0])
        self.errors[group] = (worst, tolerance)
        assert error <= tolerance, f"{name}: {error:.2e} > {tolerance:.0e}"


def _config(values: dict[str, Any]) -> SyncDreamerConfig:
    unet = UNetConfig(
        in_channels=values["in_channels"],
        out_channels=values["out_channels"],
        model_channels=values["model_channels"],
        channel_mult=tuple(values["channel_mult"]),
        num_res_blocks=values["num_res_blocks"],
        num_heads=values["num_heads"],
        context_dim=values["context_dim"],
    )
    volume = VolumeConfig(
        dims=tuple(values["volume_dims"]),
        spatial_size=values["spatial_volume_size"],
        frustum_depth=values["frustum_volume_depth"],
    )
    # The sets hold CLIP's output, not CLIP: its tower is as small as can be.
    tower = ImageEncoderConfig(
        hidden_size=16, intermediate_size=16, num_layers=1, num_heads=1, projection_dim=768
    )
    return SyncDreamerConfig(
        unet=unet,
        volume=volume,
        autoencoder=AutoencoderConfig(values["vae_ch"], tuple(values["vae_mult"])),
        image_encoder=tower,
        image_size=values["image_size"],
        latent_size=values["latent_size"],
        view_count=values["view_num"],
    )


def _load_weights(network: SyncDreamerNetwork, official: dict[str, Tensor]) -> None:
    """Fill the networks strictly, all but the image tower."""
    table = [e for e in key_table(network.config) if not e.ours.startswith("image_encoder.")]
    if not any(key.startswith("first_stage_model.") for key in official):
        table = [e for e in table if not e.ours.startswith("autoencoder.")]
    assert {entry.official for entry in table} == set(official)
    state = {e.ours: convert_tensor(e, official[e.official].float()) for e in table}
    missing, unexpected = network.load_state_dict(state, strict=False)
    assert not unexpected
    allowed = ("image_encoder.", "autoencoder.")
    assert all(key.startswith(allowed) and key not in state for key in missing)


@pytest.fixture(scope="session")
def parity(request: pytest.FixtureRequest) -> ParitySet:
    """Load the set that HARMONY_PARITY names."""
    prefix = os.environ.get(VARIABLE, str(DEFAULT_PREFIX))
    recorded = json.loads(Path(f"{prefix}.json").read_text())
    official = load_file(f"{prefix}.weights.safetensors")
    tensors = load_file(f"{prefix}.tensors.safetensors")
    if Path(f"{prefix}.vae.safetensors").exists():
        for name, tensor in load_file(f"{prefix}.vae.safetensors").items():
            (official if name.startswith("first_stage_model.") else tensors)[name] = tensor
    config = _config(recorded["config"])
    torch.manual_seed(0)
    network = SyncDreamerNetwork(config).eval().requires_grad_(False)
    _load_weights(network, official)
    found = ParitySet(config, recorded, tensors, network, sampling_grids(config, "cpu"))
    request.config.stash[ERRORS] = found.errors
    return found
