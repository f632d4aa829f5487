"""Several processes that share one piece of work, as `accelerate launch` or `torchrun` start them."""

from __future__ import annotations

import atexit
import importlib
from datetime import timedelta

import torch
import torch.distributed
from accelerate import PartialState

from harmony.devices import choose_device

PATIENCE = timedelta(days=7)
"""One process may be done long before the others; the libraries' own limit is minutes."""


def join_processes(
    device_name: str, *, backend: str | None = None
) -> tuple[PartialState, torch.device]:
    """Join the other processes, if there are any, and choose this one's device.

    This process leaves them when its interpreter ends, or earlier with `leave_processes`.

    Args:
        device_name: One of `harmony.devices.DEVICES`.
        backend: Of the exchange between processes; None takes what suits the device.

    Raises:
        ValueError: This machine has no such device.
    """
    device = choose_device(device_name)
    import_defaults()
    atexit.register(leave_processes)
    state = PartialState(cpu=device.type == "cpu", backend=backend, timeout=PATIENCE)
    if device.type == "cuda" and state.num_processes > 1:
        # More processes than GPUs share them; that is slower, but no reason to fail.
        device = torch.device("cuda", state.local_process_index % torch.cuda.device_count())
    return state, device


def import_defaults() -> None:
    """Import what takes the group of its own import as a default; call it before there is one.

    A group that something still holds is not ended by leaving it. Its threads then outlive the
    interpreter, and one that gives back a tensor after that aborts the process.
    """
    if torch.distributed.is_available():
        importlib.import_module("torch.distributed.nn")


def leave_processes() -> None:
    """Leave the other processes, if there are any, and end gloo's threads that talk to them.

    NCCL's group ends with the process: leaving it may wait for processes that do not leave, because
    this one has failed and they wait for it.
    """
    distributed = torch.distributed
    if not distributed.is_available() or not distributed.is_initialized():
        return
    if distributed.get_backend() == distributed.Backend.GLOO:
        distributed.destroy_process_group()
