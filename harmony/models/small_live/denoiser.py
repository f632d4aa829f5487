"""The distilled network behind the interface that sampler and page know."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from harmony.models.base import ModelDefaults
from harmony.models.small.denoiser import (
    SmallDenoiser,
    read_defaults,
    read_features,
    read_network,
)
from harmony.models.small.packing import pack_for_cpu
from harmony.models.small_live.dials import SCALES, STEP_COUNTS, check_request, dial_values
from harmony.models.small_live.graph import Capture, Compute, GraphedPass, capture_graph
from harmony.models.small_live.network import LiveFeatures, LiveNetwork
from harmony.models.small_live.schedule import Walks, distilled, walks_of
from harmony.records import Branch, Condition, Guidance, Predictions, SamplerSettings

DIALS = "dials"


class LiveDenoiser(SmallDenoiser):
    """A `DistilledDenoiser`: guidance happens inside the network's one pass.

    Attributes:
        step_counts: Numbers of steps that it was distilled for.
    """

    guidance_rules: tuple[str, ...] = tuple(SCALES)
    step_counts: tuple[int, ...] = STEP_COUNTS

    def __init__(
        self,
        network: LiveNetwork,
        *,
        name: str,
        weights_sha256: str,
        shift: float,
        defaults: ModelDefaults,
        walks: Walks = (),
        dtype: torch.dtype = torch.float32,
        capture: Capture | None = None,
    ) -> None:
        """Wrap a network; see `SmallDenoiser`, and `distilled` for the walks.

        `capture` makes the pass of a single sample one that is replayed (`GraphedPass`), and the
        weights must stay where they are then. Left out, a CUDA device captures a graph, and any
        other computes every pass anew.
        """
        super().__init__(
            network,
            name=name,
            weights_sha256=weights_sha256,
            shift=shift,
            defaults=defaults,
            dtype=dtype,
        )
        network.dials.float()  # small, and a small move of a dial must not be rounded away
        self.schedule = distilled(self.schedule, walks)
        if capture is None and self.device.type == "cuda":
            capture = partial(capture_graph, self.device)
        compute = _single_sample(network, dtype)
        self._graphed = None if capture is None else GraphedPass(compute, capture)

    def check_request(self, guidance: Guidance, settings: SamplerSettings) -> None:
        """Refuse what was not distilled; see `dials.check_request`."""
        check_request(guidance, settings)

    def with_dials(self, condition: Condition, guidance: Guidance, num_steps: int) -> Condition:
        """Return the condition with the dials in it."""
        values = dial_values(guidance, num_steps)[None].to(self.device)
        return Condition({**condition.tensors, DIALS: values})

    def predict(
        self,
        latents: Float[Tensor, "S N 4 H W"],
        timestep: int,
        condition: Condition,
        branches: Sequence[Branch],
    ) -> Predictions:
        """Predict what takes a DDIM step of the condition's stride where the teacher arrives.

        Raises:
            ValueError: Another branch than the full one is asked for, or `with_dials` was not.
        """
        if tuple(branches) != (Branch.FULL,):
            raise ValueError("The live model has one branch only; guidance is inside it.")
        if DIALS not in condition.tensors:
            raise ValueError("The condition does not say where the dials stand; call with_dials.")
        if self._graphed is None or latents.shape != (1, self.view_count, *self.latent_shape):
            return super().predict(latents, timestep, condition, branches)
        share = self._shares[timestep].expand(1)
        return {Branch.FULL: self._graphed(latents, share, condition.tensors)}

    def features(self, prefix: str, condition: Condition, branches: int) -> LiveFeatures:
        """Read features back from a condition, with the dials."""
        return read_live_features(prefix, condition, branches)


def read_live_features(prefix: str, condition: Condition, branches: int) -> LiveFeatures:
    """Read features back from a condition, with the dials; see `read_features`."""
    plain = read_features(prefix, condition, branches)
    return LiveFeatures(**vars(plain), dials=condition.tensors[DIALS])


def _single_sample(network: LiveNetwork, dtype: torch.dtype) -> Compute:
    """Return the pass of one sample; the denoiser is not in it, so that both go at once."""

    def compute(latents: Tensor, share: Tensor, condition: Mapping[str, Tensor]) -> Tensor:
        features = read_live_features("given", Condition(condition), branches=1)
        return network(latents.to(dtype), share, features, joint=1)

    return compute


def load(
    folder: Path,
    device: torch.device | str = "cpu",
    *,
    dtype: torch.dtype = torch.float32,
    packed: bool = True,
) -> LiveDenoiser:
    """Load weights and card from `folder`, strictly.

    Args:
        folder: Holds both.
        device: Where the weights go.
        dtype: Arithmetic; latents stay float32.
        packed: Whether a CPU may rearrange layers and multiply 8-bit integers.

    Raises:
        ValueError: A file is damaged, or does not fit the network.
    """
    network, card = read_network(folder, LiveNetwork)
    if packed and torch.device(device).type == "cpu":
        pack_for_cpu(network, dtype)
    return LiveDenoiser(
        network.to(device),
        name=card["name"],
        weights_sha256=card["weights_sha256"],
        shift=card["shift"],
        defaults=read_defaults(card["defaults"]),
        walks=walks_of(card),
        dtype=dtype,
    )
