"""Optical flow between neighbouring views, for E_flow.

The published protocol uses RAFT (arXiv 2003.12039) with its "things" weights and 20 updates.
Where those weights cannot be had, `lucas_kanade` stands in; its values do not compare with
published ones, so every run names its estimator.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.error import URLError

import torch
from jaxtyping import Float
from torch import Tensor

from harmony.evaluation.lucas_kanade import lucas_kanade_flow

RAFT = "raft-things"
LUCAS_KANADE = "lucas-kanade"
NO_FLOW = "none"
AUTO = "auto"
FLOW_CHOICES = (AUTO, RAFT, LUCAS_KANADE, NO_FLOW)
RAFT_UPDATES = 20

Pair = Callable[[Float[Tensor, "B 3 H W"], Float[Tensor, "B 3 H W"]], Float[Tensor, "B 2 H W"]]


@dataclass(frozen=True)
class FlowEstimator:
    """An optical flow method.

    Attributes:
        name: `RAFT` or `LUCAS_KANADE`; it is written beside every value.
        estimate: From pictures in [0, 1] to flow in pixels (x, y), on the CPU.
    """

    name: str
    estimate: Pair


def neighbour_flows(
    views: Float[Tensor, "N 3 H W"], estimator: FlowEstimator
) -> Float[Tensor, "N 2 2 H W"]:
    """Return each view's flow to the next view and to the previous one, cyclically."""
    to_next = estimator.estimate(views, views.roll(-1, dims=0))
    to_previous = estimator.estimate(views, views.roll(1, dims=0))
    return torch.stack([to_next, to_previous], dim=1)


def load_flow(
    choice: str, device: torch.device, on_message: Callable[[str], None]
) -> FlowEstimator | None:
    """Return the estimator.

    Args:
        choice: One of `FLOW_CHOICES`; "auto" takes RAFT where its weights can be had.
        device: Where it computes.
        on_message: Told what stands in for what.

    Raises:
        ValueError: The choice is unknown, or RAFT's weights cannot be had.
    """
    if choice not in FLOW_CHOICES:
        raise ValueError(f"Flow is {choice!r}; it must be one of {', '.join(FLOW_CHOICES)}.")
    if choice == NO_FLOW:
        return None
    if choice == LUCAS_KANADE:
        return _lucas_kanade(device)
    try:
        return FlowEstimator(RAFT, _load_raft(device))
    except (URLError, OSError, RuntimeError) as error:  # torch raises the last for a wrong hash
        if choice == RAFT:
            raise ValueError(
                f"RAFT's weights could not be fetched ({error}); use --flow {LUCAS_KANADE}."
            ) from error
    on_message(
        f"RAFT's weights could not be fetched; E_flow uses {LUCAS_KANADE} instead, whose values "
        "do not compare with published ones."
    )
    return _lucas_kanade(device)


def _lucas_kanade(device: torch.device) -> FlowEstimator:
    def estimate(pictures: Tensor, moved: Tensor) -> Tensor:
        return lucas_kanade_flow(pictures.to(device), moved.to(device)).cpu()

    return FlowEstimator(LUCAS_KANADE, estimate)


def _load_raft(device: torch.device) -> Pair:
    from torchvision.models.optical_flow import Raft_Large_Weights, raft_large

    weights = Raft_Large_Weights.C_T_V1  # the original "things" weights
    state = weights.get_state_dict(progress=False, check_hash=True, weights_only=True)
    network: Any = raft_large(weights=None, progress=False)
    network.load_state_dict(state)
    network = network.eval().to(device)

    @torch.inference_mode()
    def estimate(pictures: Tensor, moved: Tensor) -> Tensor:
        flows = network(
            pictures.to(device) * 2 - 1, moved.to(device) * 2 - 1, num_flow_updates=RAFT_UPDATES
        )
        return flows[-1].float().cpu().clone()

    return estimate
