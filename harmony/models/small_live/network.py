"""The small network with the dials as inputs (guidance distillation, arXiv 2210.03142)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from harmony.models.small.blocks import sinusoids
from harmony.models.small.config import SmallConfig
from harmony.models.small.network import ReferenceFeatures, SmallNetwork
from harmony.models.small_live.dials import DIAL_COUNT

TIME_WIDTH, HIDDEN = 64, 128
OCTAVES = 3  # few, so that a small move of a dial stays a small move of its features


@dataclass(frozen=True)
class LiveFeatures(ReferenceFeatures):
    """What the views read of a reference, and where the dials stand.

    Attributes:
        dials: (B or 1, 4) as `dials.dial_values` has them.
    """

    dials: Float[Tensor, "B 4"]


class DialEncoder(nn.Module):
    """Time and dials -> what they add to every block's shifts, scales and gates."""

    def __init__(self, config: SmallConfig) -> None:
        """Build; a fresh one adds nothing."""
        super().__init__()
        self.blocks = config.depth
        features = TIME_WIDTH + DIAL_COUNT * (1 + 2 * OCTAVES)
        self.enter = nn.Linear(features, HIDDEN)
        self.hidden = nn.Linear(HIDDEN, HIDDEN)
        self.leave = nn.Linear(HIDDEN, config.depth * 6 * config.width)
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.leave.bias)

    def forward(
        self, time: Float[Tensor, " B"], dials: Float[Tensor, "B 4"]
    ) -> Float[Tensor, "B blocks 6 width"]:
        """Return the additions; see `SmallNetwork.modulate`."""
        octaves = math.pi * 2.0 ** torch.arange(OCTAVES, device=dials.device)
        angles = (dials[:, :, None] * octaves).flatten(1)
        features = [sinusoids(1000.0 * time, TIME_WIDTH), dials, angles.sin(), angles.cos()]
        x = torch.cat(features, dim=1).to(self.enter.weight.dtype)
        x = self.leave(F.silu(self.hidden(F.silu(self.enter(x)))))
        return rearrange(x, "b (blocks six c) -> b blocks six c", blocks=self.blocks, six=6)


class LiveNetwork(SmallNetwork):
    """`SmallNetwork` whose one pass gives what guidance makes of several."""

    def __init__(self, config: SmallConfig) -> None:
        """Build with random weights."""
        super().__init__(config)
        self.dials = DialEncoder(config)

    def modulate(
        self, time: Float[Tensor, " B"], reference: ReferenceFeatures
    ) -> Float[Tensor, "B blocks 6 width"]:
        """Return shifts, scales and gates of every block for the features' dials."""
        assert isinstance(reference, LiveFeatures)
        dials = reference.dials.expand(len(time), -1)
        return super().modulate(time, reference) + self.dials(time, dials)
