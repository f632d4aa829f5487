"""One process or several: the few collective operations that training needs."""

from __future__ import annotations

import os
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor

from harmony.processes import import_defaults


@dataclass(frozen=True)
class Processes:
    """This process among its peers, as `torchrun` set them up; alone without it."""

    rank: int
    count: int
    device: torch.device

    @property
    def is_first(self) -> bool:
        """Whether this process writes files and logs."""
        return self.rank == 0

    def average(self, flat: Tensor) -> None:
        """Replace `flat` by its mean over processes."""
        if self.count > 1:
            dist.all_reduce(flat, op=dist.ReduceOp.AVG if flat.is_cuda else dist.ReduceOp.SUM)
            if not flat.is_cuda:
                flat.div_(self.count)

    def agree(self, value: float) -> float:
        """Return the first process's `value` everywhere."""
        if self.count == 1:
            return value
        box = torch.tensor([value], dtype=torch.float64, device=self.device)
        dist.broadcast(box, src=0)
        return float(box.item())

    def wait(self) -> None:
        """Wait for all processes."""
        if self.count > 1:
            dist.barrier()


def join_processes(device: str) -> Processes:
    """Join the group that `torchrun` announced, or stand alone.

    Args:
        device: "cuda" takes the GPU of the local rank; "cpu" uses gloo.

    Raises:
        ValueError: There are more processes on this machine than GPUs.
    """
    count = int(os.environ.get("WORLD_SIZE", "1"))
    rank = int(os.environ.get("RANK", "0"))
    local = torch.device(device)
    if local.type == "cuda":
        place, gpus = int(os.environ.get("LOCAL_RANK", "0")), torch.cuda.device_count()
        if place >= gpus:
            raise ValueError(f"Process {place + 1} of this machine has no GPU; there are {gpus}.")
        local = torch.device("cuda", place)
        torch.cuda.set_device(local)
    if count > 1:
        import_defaults()
        dist.init_process_group("nccl" if local.type == "cuda" else "gloo")
    return Processes(rank, count, local)


def leave_processes(processes: Processes) -> None:
    """Close the group."""
    if processes.count > 1:
        dist.destroy_process_group()
