"""Our form of the weights: a folder of safetensors shards and one JSON card."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from harmony.models.syncdreamer.config import (
    SyncDreamerConfig,
    config_from_dict,
    config_to_dict,
)
from harmony.models.syncdreamer.network import SyncDreamerNetwork

CARD_NAME = "config.json"
KIND = "syncdreamer"
SHARD_BYTES = 512 << 20
DTYPES = {"float16": torch.float16, "bfloat16": torch.bfloat16, "float32": torch.float32}
HASH_BLOCK = 8 << 20
OnProgress = Callable[[str, int, int], None]
"""Called with what is being done, the bytes done and the bytes in all; it may raise to stop."""


@dataclass(frozen=True)
class WeightsCard:
    """What a folder of weights holds.

    Attributes:
        source_name: File name of the official checkpoint.
        source_sha256: Of that file.
        dtype: Number type of every tensor.
        shards: File name -> sha256.
        config: The networks' sizes.
    """

    source_name: str
    source_sha256: str
    dtype: str
    shards: dict[str, str]
    config: SyncDreamerConfig

    @property
    def weights_sha256(self) -> str:
        """One hash for all shards: of their hashes in the order of their names."""
        joined = "".join(self.shards[name] for name in sorted(self.shards))
        return hashlib.sha256(joined.encode()).hexdigest()


def file_sha256(path: Path, on_progress: OnProgress | None = None) -> str:
    """Return a file's sha256 in hexadecimal, read block by block."""
    digest, total, done = hashlib.sha256(), path.stat().st_size, 0
    with path.open("rb") as file:
        while block := file.read(HASH_BLOCK):
            digest.update(block)
            done += len(block)
            if on_progress is not None:
                on_progress(f"checking {path.name}", done, total)
    return digest.hexdigest()


def plan_shards(sizes: Iterable[tuple[str, int]], limit: int = SHARD_BYTES) -> list[list[str]]:
    """Cut named tensors of the given byte sizes, in order, into shards of about `limit` bytes."""
    shards: list[list[str]] = []
    filled = limit
    for name, size in sizes:
        if filled + size > limit:
            shards.append([])
            filled = 0
        shards[-1].append(name)
        filled += size
    return shards


def save_shard(folder: Path, index: int, count: int, tensors: dict[str, Tensor]) -> tuple[str, str]:
    """Write one shard; returns its file name and sha256."""
    name = f"model-{index + 1:05d}-of-{count:05d}.safetensors"
    save_file(tensors, folder / name)
    return name, file_sha256(folder / name)


def write_card(folder: Path, card: WeightsCard) -> None:
    """Write the card, last of all: a folder with a card is complete."""
    values: dict[str, Any] = {"kind": KIND} | asdict(card)
    values["config"] = config_to_dict(card.config)
    (folder / CARD_NAME).write_text(json.dumps(values, indent=2) + "\n")


def read_card(folder: Path) -> WeightsCard:
    """Read a folder's card.

    Raises:
        ValueError: There is none, or it cannot be read.
    """
    path = folder / CARD_NAME
    if not path.is_file():
        raise ValueError(
            f"{folder} holds no converted SyncDreamer weights ({CARD_NAME} is missing); make them "
            "with: python -m harmony.models.syncdreamer.convert CHECKPOINT --output FOLDER"
        )
    try:
        values = json.loads(path.read_text())
        if values.pop("kind") != KIND:
            raise ValueError("it names another kind of model")
        values["config"] = config_from_dict(values["config"])
        card = WeightsCard(**values)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{path} is damaged ({error}); convert the weights again.") from error
    if card.dtype not in DTYPES or any(Path(name).name != name for name in card.shards):
        raise ValueError(f"{path} is damaged; convert the weights again.")
    return card


def empty_network(config: SyncDreamerConfig) -> SyncDreamerNetwork:
    """Return the networks without memory for their weights (on PyTorch's meta device)."""
    with torch.device("meta"):
        return SyncDreamerNetwork(config)


def load_network(
    folder: Path,
    dtype: torch.dtype | None = None,
    *,
    verify: bool = True,
    on_progress: OnProgress | None = None,
) -> SyncDreamerNetwork:
    """Load a folder of weights strictly, shard by shard, on the CPU.

    Args:
        folder: Written by `convert`.
        dtype: Number type to load into; None keeps the stored one.
        verify: Whether to check every shard's sha256 first.
        on_progress: Called after every block and shard.

    Raises:
        ValueError: A shard is missing, damaged, or does not fit the networks.
    """
    card = read_card(folder)
    network = empty_network(card.config)
    loaded: list[str] = []
    for index, (name, sha256) in enumerate(sorted(card.shards.items())):
        path = folder / name
        if not path.is_file() or (verify and file_sha256(path, on_progress) != sha256):
            raise ValueError(f"{path} is missing or damaged; convert the weights again.")
        tensors = {key: t.to(dtype or t.dtype) for key, t in load_file(path).items()}
        loaded += assign_tensors(network, tensors)
        if on_progress is not None:
            on_progress("loading weights", index + 1, len(card.shards))
    finish_loading(network, loaded)
    return network


def assign_tensors(network: SyncDreamerNetwork, tensors: dict[str, Tensor]) -> list[str]:
    """Put some of the tensors into an empty network; returns their keys.

    Raises:
        ValueError: A key is unknown or a shape differs.
    """
    try:
        unexpected = network.load_state_dict(tensors, strict=False, assign=True).unexpected_keys
    except RuntimeError as error:
        raise ValueError(f"The weights do not fit the networks: {error}") from error
    if unexpected:
        raise ValueError(f"The weights hold unknown tensors, such as {unexpected[0]}.")
    return list(tensors)


def finish_loading(network: SyncDreamerNetwork, loaded: list[str]) -> None:
    """Check that every tensor was loaded once, and make the only buffer that no file holds.

    Raises:
        ValueError: A tensor is missing or stands twice.
    """
    wanted = set(network.state_dict())
    if set(loaded) != wanted or len(loaded) != len(wanted):
        missing = sorted(wanted - set(loaded))
        raise ValueError(f"The weights lack {len(missing)} tensors, such as {missing[:1]}.")
    embeddings = network.image_encoder.vision_model.embeddings
    positions = torch.arange(embeddings.num_positions)[None]
    embeddings.register_buffer("position_ids", positions, persistent=False)
    network.eval().requires_grad_(False)
