"""One line of the key table."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class KeyEntry:
    """One of our tensors and where it comes from.

    Attributes:
        official: Key in the official checkpoint.
        ours: Key in `SyncDreamerNetwork.state_dict()`.
        change: "copy"; "matrix" (drop the trailing 1 x 1 of a pointwise convolution);
            "transpose"; or "third 0|1|2" (that third of the rows of a packed q, k, v tensor).
    """

    official: str
    ours: str
    change: str = "copy"


def convert_tensor(entry: KeyEntry, tensor: Tensor) -> Tensor:
    """Return our tensor of an entry from the official one."""
    if entry.change == "copy":
        return tensor
    if entry.change == "matrix":
        return tensor.flatten(1)
    if entry.change == "transpose":
        return tensor.T
    return tensor.chunk(3)[int(entry.change.split()[1])]


def pair(official: str, ours: str, change: str = "copy") -> Iterator[KeyEntry]:
    """Weight and bias; the change applies to the weight."""
    yield KeyEntry(f"{official}.weight", f"{ours}.weight", change)
    yield KeyEntry(f"{official}.bias", f"{ours}.bias")
