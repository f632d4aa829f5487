"""Several processes that share one piece of work, as `accelerate launch` or `torchrun` start them."""

from __future__ import annotations

from datetime import timedelta

import torch
from accelerate import PartialState

from harmony.devices import choose_device

PATIENCE = timedelta(days=7)
"""One process may be done long before the others; the libraries' own limit is minutes."""


def join_processes(
    device_name: str, *, backend: str | None = None
) -> tuple[PartialState, torch.device]:
    """Join the other processes, if there are any, and choose this one's device.

    Args:
        device_name: One of `harmony.devices.DEVICES`.
        backend: Of the exchange between processes; None takes what suits the device.

    Raises:
        ValueError: This machine has no such device.
    """
    device = choose_device(device_name)
    state = PartialState(cpu=device.type == "cpu", backend=backend, timeout=PATIENCE)
    if device.type == "cuda" and state.num_processes > 1:
        # More processes than GPUs share them; that is slower, but no reason to fail.
        device = torch.device("cuda", state.local_process_index % torch.cuda.device_count())
    return state, device
