"""Optical flow between neighbouring views, for E_flow.

The published protocol uses RAFT (arXiv 2003.12039) with its "things" weights and 20 updates.
Where those weights cannot be had, iterative Lucas-Kanade (`skimage`) stands in; its values do not
compare with published ones, so every record names its estimator.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.error import URLError

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

RAFT = "raft-things"
LUCAS_KANADE = "lucas-kanade"
NO_FLOW = "none"
AUTO = "auto"
FLOW_CHOICES = (AUTO, RAFT, LUCAS_KANADE, NO_FLOW)
RAFT_UPDATES = 20
LUCAS_KANADE_RADIUS = 7
LUCAS_KANADE_WARPS = 10
GREY_WEIGHTS = (0.299, 0.587, 0.114)

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
        device: Where RAFT computes.
        on_message: Told what stands in for what.

    Raises:
        ValueError: The choice is unknown, or RAFT's weights cannot be had.
    """
    if choice not in FLOW_CHOICES:
        raise ValueError(f"Flow is {choice!r}; it must be one of {', '.join(FLOW_CHOICES)}.")
    if choice == NO_FLOW:
        return None
    if choice == LUCAS_KANADE:
        return FlowEstimator(LUCAS_KANADE, lucas_kanade_flow)
    try:
        return FlowEstimator(RAFT, _load_raft(device))
    except (URLError, OSError) as error:
        if choice == RAFT:
            raise ValueError(
                f"RAFT's weights could not be fetched ({error}); use --flow {LUCAS_KANADE}."
            ) from error
    on_message(
        f"RAFT's weights could not be fetched; E_flow uses {LUCAS_KANADE} instead, whose values "
        "do not compare with published ones."
    )
    return FlowEstimator(LUCAS_KANADE, lucas_kanade_flow)


def lucas_kanade_flow(
    pictures: Float[Tensor, "B 3 H W"], moved: Float[Tensor, "B 3 H W"]
) -> Float[Tensor, "B 2 H W"]:
    """Return iterative Lucas-Kanade flow: moved(p + flow(p)) = pictures(p)."""
    from skimage.registration import optical_flow_ilk

    weights = torch.tensor(GREY_WEIGHTS).view(1, 3, 1, 1)
    greys = [(side.cpu() * weights).sum(dim=1).numpy() for side in (pictures, moved)]
    flows = [
        optical_flow_ilk(one, other, radius=LUCAS_KANADE_RADIUS, num_warp=LUCAS_KANADE_WARPS)[::-1]
        for one, other in zip(*greys, strict=True)
    ]
    return torch.from_numpy(np.stack(flows).astype(np.float32))


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
