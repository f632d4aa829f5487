"""A network's pass as a CUDA graph: one launch in the place of several hundred.

Launched layer by layer, a pass keeps a fast GPU waiting for Python most of the time.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor

Compute = Callable[[Tensor, Tensor, Mapping[str, Tensor]], Tensor]
"""(latents, share, condition) -> prediction, on the device alone: nothing is read on the host."""
Replay = Callable[[], Tensor]
"""Computes a captured pass again and returns its output, which the next replay overwrites."""
Capture = Callable[[Callable[[], Tensor]], Replay]

WARM_UPS = 3
"""Passes before the capture, in which libraries choose kernels and take their workspaces."""
logger = logging.getLogger(__name__)


def capture_graph(device: torch.device, run: Callable[[], Tensor]) -> Replay:
    """Capture a pass as a CUDA graph.

    Args:
        device: Where the pass computes.
        run: The pass; every tensor that it reads must stay where it is for as long as the graph.

    Raises:
        RuntimeError: Memory does not suffice, or a part of the pass cannot be captured.
    """
    caller, side = torch.cuda.current_stream(device), torch.cuda.Stream(device)
    side.wait_stream(caller)
    # Outermost, because a capture that fails leaves its stream the current one.
    with torch.cuda.stream(side):
        for _ in range(WARM_UPS):
            run()
        graph = torch.cuda.CUDAGraph()
        # Other threads may allocate and compute meanwhile.
        with torch.cuda.graph(graph, stream=side, capture_error_mode="thread_local"):
            output = run()
    caller.wait_stream(side)

    def replay() -> Tensor:
        graph.replay()
        return output

    return replay


class GraphedPass:
    """A pass that is captured at its first call and replayed from then on.

    All calls must have the shapes of the first. Where the capture fails, passes are computed as
    if there were none, and a warning is logged once.
    """

    def __init__(self, compute: Compute, capture: Capture) -> None:
        """Remember how to compute and how to capture; see `capture_graph`."""
        self._compute, self._capture = compute, capture
        self._lock = threading.Lock()
        self._captured: _Captured | None = None
        self._refused = False

    @torch.inference_mode()
    def __call__(
        self,
        latents: Float[Tensor, "1 N C h w"],
        share: Float[Tensor, " 1"],
        condition: Mapping[str, Tensor],
    ) -> Float[Tensor, "1 N C h w"]:
        """Return the prediction; threads that share a stream may call at once.

        Args:
            latents: The noisy views.
            share: The signal's share of their noise level.
            condition: What else the pass reads; tensors that were given last time as well are
                taken to hold what they held.
        """
        with self._lock:
            if self._captured is None and not self._refused:
                self._captured = self._try_capture(latents, share, condition)
                self._refused = self._captured is None
            if self._captured is not None:
                return self._captured(latents, share, condition)
        return self._compute(latents, share, condition)

    def _try_capture(
        self, latents: Tensor, share: Tensor, condition: Mapping[str, Tensor]
    ) -> _Captured | None:
        try:
            return _Captured(self._compute, self._capture, latents, share, condition)
        except RuntimeError as error:
            logger.warning("The pass is computed layer by layer; no CUDA graph: %s", error)
            return None


class _Captured:
    """A captured pass and the buffers that it reads."""

    def __init__(
        self,
        compute: Compute,
        capture: Capture,
        latents: Tensor,
        share: Tensor,
        condition: Mapping[str, Tensor],
    ) -> None:
        self._latents, self._share = _buffer(latents), _buffer(share)
        self._condition = {name: _buffer(value) for name, value in condition.items()}
        self._given: dict[str, Tensor] = {}
        self._fill(latents, share, condition)
        self._replay = capture(partial(compute, self._latents, self._share, self._condition))

    def __call__(self, latents: Tensor, share: Tensor, condition: Mapping[str, Tensor]) -> Tensor:
        self._fill(latents, share, condition)
        return self._replay().clone()

    def _fill(self, latents: Tensor, share: Tensor, condition: Mapping[str, Tensor]) -> None:
        self._latents.copy_(latents)
        self._share.copy_(share)
        for name, value in condition.items():
            # A tensor that is kept here cannot be mistaken for a later one in its place.
            if self._given.get(name) is not value:
                self._condition[name].copy_(value)
                self._given[name] = value


def _buffer(like: Tensor) -> Tensor:
    """Return memory with the strides of a tensor, because kernels are chosen by them."""
    return torch.empty_strided(like.shape, like.stride(), dtype=like.dtype, device=like.device)
