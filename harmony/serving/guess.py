"""A rough guess of how long sampling takes, before any step was measured on this machine."""

from __future__ import annotations

import time
from collections.abc import Callable

import torch

OPERATIONS = {"small": 81e9, "syncdreamer": 2.8e12}
"""Floating-point operations of one branch of one step, for the sixteen views of one sample.

Counted by `torch.utils.flop_counter`; SyncDreamer's is a third of its three branches together.
"""
EFFICIENCY = 0.5
"""Share of a matrix product's speed that a network reaches, roughly."""
PROBE_SIDE, PROBES = 768, 3


def guess_seconds(
    model: str,
    branch_steps: float,
    device: torch.device,
    clock: Callable[[], float] = time.perf_counter,
) -> float | None:
    """Return the seconds that so many branches of a step may take, or None where nothing is known.

    A matrix product is timed for a moment and set against the network's operations. Only
    processors are guessed at: a GPU reaches too different a share of its speed.

    Args:
        model: A key of `OPERATIONS`; for any other None is returned.
        branch_steps: Branches x steps x samples.
        device: Where the model will run.
        clock: Seconds.
    """
    if device.type != "cpu" or model not in OPERATIONS:
        return None
    matrix = torch.ones(PROBE_SIDE, PROBE_SIDE)
    fastest = float("inf")
    for _ in range(1 + PROBES):
        started = clock()
        torch.mm(matrix, matrix)
        fastest = min(fastest, clock() - started)
    speed = EFFICIENCY * 2 * PROBE_SIDE**3 / max(fastest, 1e-9)
    return branch_steps * OPERATIONS[model] / speed
