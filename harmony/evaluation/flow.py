"""Optical flow between neighbouring views, for E_flow.

The published protocol uses RAFT (arXiv 2003.12039) with its "things" weights and 20 updates.
Where those weights cannot be had, OpenCV's DIS flow (arXiv 1603.03590) stands in; its values do
not compare with published ones, so every run names its estimator.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.error import URLError

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

RAFT = "raft-things"
DIS = "dis"
NO_FLOW = "none"
AUTO = "auto"
FLOW_CHOICES = (AUTO, RAFT, DIS, NO_FLOW)
RAFT_UPDATES = 20
FETCH_SECONDS = 15.0  # a machine without a network may not refuse but never answer

Pair = Callable[[Float[Tensor, "B 3 H W"], Float[Tensor, "B 3 H W"]], Float[Tensor, "B 2 H W"]]


@dataclass(frozen=True)
class FlowEstimator:
    """An optical flow method.

    Attributes:
        name: `RAFT` or `DIS`; it is written beside every value.
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
        device: Where RAFT computes; DIS is quick on the CPU.
        on_message: Told what stands in for what.

    Raises:
        ValueError: The choice is unknown, or what it needs cannot be had.
    """
    if choice not in FLOW_CHOICES:
        raise ValueError(f"Flow is {choice!r}; it must be one of {', '.join(FLOW_CHOICES)}.")
    if choice == NO_FLOW:
        return None
    if choice == DIS:
        return FlowEstimator(DIS, _load_dis())
    try:
        return FlowEstimator(RAFT, _load_raft(device))
    except (URLError, OSError, RuntimeError) as error:  # torch raises the last for a wrong hash
        if choice == RAFT:
            raise ValueError(
                f"RAFT's weights could not be fetched ({error}); use --flow {DIS}."
            ) from error
    on_message(
        f"RAFT's weights could not be fetched; E_flow uses OpenCV's {DIS} instead, whose values "
        "do not compare with published ones."
    )
    return FlowEstimator(DIS, _load_dis())


def _load_dis() -> Pair:
    try:
        import cv2
    except ImportError as error:
        raise ValueError(
            "OpenCV is not installed (package opencv-python-headless); use --flow none."
        ) from error
    # One thread, so that a value does not depend on the machine.
    cv2.setNumThreads(1)
    flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)

    def grey(pictures: Tensor) -> list[np.ndarray]:
        pixels = (pictures.cpu().float().clamp(0, 1) * 255).round().to(torch.uint8)
        rgb = pixels.permute(0, 2, 3, 1).numpy()
        return [cv2.cvtColor(np.ascontiguousarray(picture), cv2.COLOR_RGB2GRAY) for picture in rgb]

    def estimate(pictures: Tensor, moved: Tensor) -> Tensor:
        # None: no first guess; the estimator keeps nothing of the pair before.
        start: Any = None
        flows = [
            flow.calc(one, other, start)
            for one, other in zip(grey(pictures), grey(moved), strict=True)
        ]
        return torch.from_numpy(np.stack(flows)).permute(0, 3, 1, 2).contiguous()

    return estimate


@contextmanager
def network_timeout(seconds: float) -> Iterator[None]:
    """Let new connections fail after `seconds` without an answer."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


def _load_raft(device: torch.device) -> Pair:
    from torchvision.models.optical_flow import Raft_Large_Weights, raft_large

    weights = Raft_Large_Weights.C_T_V1  # the original "things" weights
    with network_timeout(FETCH_SECONDS):
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
