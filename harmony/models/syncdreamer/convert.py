"""Convert the official checkpoint once: `python -m harmony.models.syncdreamer.convert CKPT`.

The checkpoint is a pickle; it is read with `torch.load(weights_only=True, mmap=True)`, which
runs no code from the file and leaves its tensors on the disk until each is needed.
"""

from __future__ import annotations

import argparse
import pickle
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from harmony.cameras import target_cameras
from harmony.models.syncdreamer.checkpoint import (
    DTYPES,
    OnProgress,
    WeightsCard,
    empty_network,
    file_sha256,
    plan_shards,
    save_shard,
    write_card,
)
from harmony.models.syncdreamer.config import SyncDreamerConfig
from harmony.models.syncdreamer.key_entry import KeyEntry, convert_tensor
from harmony.models.syncdreamer.keys import UNUSED_KEYS, key_table
from harmony.models.syncdreamer.schedule import alphas_cumprod

TABLE_TOLERANCE = 1e-5


def convert_checkpoint(
    checkpoint: Path,
    output: Path,
    *,
    dtype: str = "float16",
    config: SyncDreamerConfig | None = None,
    source_sha256: str | None = None,
    on_progress: OnProgress | None = None,
) -> Path:
    """Write an official checkpoint as sharded safetensors and a card; returns `output`.

    The folder appears complete or not at all. Memory stays at about one shard (512 MB).

    Args:
        checkpoint: The official file (`syncdreamer-pretrain.ckpt`).
        output: Folder to make; it must not exist.
        dtype: "float16", "bfloat16" or "float32".
        config: Sizes of the networks; None takes the official ones.
        source_sha256: The checkpoint's hash, if it is known already.
        on_progress: Called after every block and shard.

    Raises:
        ValueError: The file is no SyncDreamer checkpoint, the output exists, the disk is too
            full, or a weight overflows `dtype`.
    """
    if dtype not in DTYPES:
        raise ValueError(f"The number type is {dtype!r}; it must be one of {', '.join(DTYPES)}.")
    if output.exists():
        raise ValueError(f"{output} exists already; name another folder or delete it.")
    config = config or SyncDreamerConfig()
    official = open_checkpoint(checkpoint)
    entries = {entry.ours: entry for entry in key_table(config)}
    _check_state(official, list(entries.values()), config)
    sizes = [
        (name, _elements(official, entry) * DTYPES[dtype].itemsize)
        for name, entry in entries.items()
    ]
    output.parent.mkdir(parents=True, exist_ok=True)
    _check_disk(output.parent, sum(size for _, size in sizes))
    sha256 = source_sha256 or file_sha256(checkpoint, on_progress)
    partial = output.with_name(f"{output.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    try:
        shards = {}
        plan = plan_shards(sizes)
        for index, names in enumerate(plan):
            tensors = {name: _convert(official, entries[name], dtype) for name in names}
            file, digest = save_shard(partial, index, len(plan), tensors)
            shards[file] = digest
            if on_progress is not None:
                on_progress("converting weights", index + 1, len(plan))
        write_card(partial, WeightsCard(checkpoint.name, sha256, dtype, shards, config))
        partial.rename(output)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return output


def open_checkpoint(path: Path) -> Mapping[str, Tensor]:
    """Return the official `state_dict`, its tensors still on the disk.

    Raises:
        ValueError: The file is missing, needs code to load, or has no `state_dict` of tensors.
    """
    if not path.is_file():
        raise ValueError(f"There is no checkpoint at {path}.")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except (RuntimeError, pickle.UnpicklingError, EOFError, ValueError) as error:
        raise ValueError(
            f"{path} cannot be read as a checkpoint of plain tensors: {error}"
        ) from error
    state = content.get("state_dict") if isinstance(content, dict) else None
    if not isinstance(state, Mapping) or not all(isinstance(t, Tensor) for t in state.values()):
        raise ValueError(f"{path} is no SyncDreamer checkpoint: it has no 'state_dict' of tensors.")
    return state


def _check_state(
    official: Mapping[str, Tensor], table: list[KeyEntry], config: SyncDreamerConfig
) -> None:
    """Check keys, shapes and tables before anything is written."""
    known = {entry.official for entry in table}
    missing, unknown = known - set(official), set(official) - known - UNUSED_KEYS
    if missing or unknown:
        raise ValueError(
            f"The checkpoint does not fit: {len(missing)} tensors are missing "
            f"(first: {min(missing, default='-')}) and {len(unknown)} are unknown "
            f"(first: {min(unknown, default='-')})."
        )
    wanted = empty_network(config).state_dict()
    for entry in table:
        shape = convert_tensor(entry, official[entry.official].to("meta")).shape
        if shape != wanted[entry.ours].shape:
            raise ValueError(
                f"{entry.official} has shape {tuple(official[entry.official].shape)}, which does "
                f"not give {tuple(wanted[entry.ours].shape)}; the networks' sizes differ."
            )
    tables = {"alphas_cumprod": alphas_cumprod(), "poses": _poses()}
    for name, ours in tables.items():
        stored = official.get(name)
        if stored is not None and not torch.allclose(stored.float(), ours, atol=TABLE_TOLERANCE):
            raise ValueError(f"The checkpoint's {name} differ from SyncDreamer's.")


def _poses() -> Tensor:
    return torch.from_numpy(target_cameras().poses.astype(np.float32))


def _elements(official: Mapping[str, Tensor], entry: KeyEntry) -> int:
    return convert_tensor(entry, official[entry.official].to("meta")).numel()


def _convert(official: Mapping[str, Tensor], entry: KeyEntry, dtype: str) -> Tensor:
    source = convert_tensor(entry, official[entry.official])
    # A copy also for float32: the source lies in the checkpoint's file.
    tensor = source.to(DTYPES[dtype], copy=True).contiguous()
    if not tensor.isfinite().all():
        raise ValueError(f"{entry.official} is not finite in {dtype}; convert to bfloat16.")
    return tensor


def _check_disk(folder: Path, needed: int) -> None:
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise ValueError(
            f"The converted weights need {needed / 1e9:.1f} GB at {folder}, but only "
            f"{free / 1e9:.1f} GB are free; free some space or name another folder."
        )


def _print_progress(what: str, done: int, total: int) -> None:
    sys.stderr.write(f"\r{what}: {100 * done // total} %   ")


def main(arguments: list[str] | None = None) -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description="Convert SyncDreamer's official checkpoint.")
    parser.add_argument("checkpoint", type=Path, help="syncdreamer-pretrain.ckpt")
    parser.add_argument("--output", type=Path, help="folder to make (default: beside the file)")
    parser.add_argument("--dtype", choices=list(DTYPES), default="float16")
    options = parser.parse_args(arguments)
    output = options.output or options.checkpoint.with_name(f"syncdreamer-{options.dtype}")
    try:
        folder = convert_checkpoint(
            options.checkpoint, output, dtype=options.dtype, on_progress=_print_progress
        )
    except ValueError as error:
        parser.exit(2, f"\n{error}\n")
    sys.stdout.write(f"\n{folder}\n")


if __name__ == "__main__":
    main()
