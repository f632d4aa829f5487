"""SyncDreamer's weights after the formula of the full-size parity set, made in memory."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import torch
from torch import Tensor

from harmony.models.syncdreamer.checkpoint import empty_network
from harmony.models.syncdreamer.config import SyncDreamerConfig
from harmony.models.syncdreamer.key_entry import KeyEntry
from harmony.models.syncdreamer.keys import key_table
from tests.parity.fullsize import formula

SEED = 5


def formula_weights(config: SyncDreamerConfig, device: torch.device) -> dict[str, Tensor]:
    """Return every tensor of the networks, float32; CLIP's are 0, as in `tests.parity.fullsize`."""
    shapes = {name: tensor.shape for name, tensor in empty_network(config).state_dict().items()}

    def make(entry: KeyEntry) -> Tensor:
        shape = list(shapes[entry.ours])
        if entry.official.startswith("clip_image_encoder."):
            return torch.zeros(shape, device=device)
        # Our shapes differ from the official ones in trailing ones only, which change nothing.
        return formula(entry.official, shape, SEED).to(device)

    entries = key_table(config)
    with ThreadPoolExecutor() as pool:
        made = pool.map(make, entries)
        return {entry.ours: tensor for entry, tensor in zip(entries, made, strict=True)}


def formula_input(name: str, *shape: int) -> Tensor:
    """Return an input that the formula prescribes."""
    return formula(f"input:{name}", list(shape), SEED, is_input=True)
