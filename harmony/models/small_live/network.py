"""The small network with the dials as inputs (guidance distillation, arXiv 2210.03142)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

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
S1_KNOTS = (0.0, 0.125, 0.25, 1.0)
"""Shares of the largest s1 at which the network is asked; see `DialEncoder`."""
S1_KNEE = 0.0625
"""Share of it where consistency has done half of all that it can do."""


@dataclass(frozen=True)
class LiveFeatures(ReferenceFeatures):
    """What the views read of a reference, and where the dials stand.

    Attributes:
        dials: (B or 1, 4) as `dials.dial_values` has them.
    """

    dials: Float[Tensor, "B 4"]


def s1_response(share: Float[Tensor, "*B"]) -> Float[Tensor, "*B"]:
    """Return how much of its effect s1 has at a share of its largest value, 1 at that.

    The term of the reference is bounded (`harmony.guidance.bounded_scale`), and comes near its
    bound soon: from s1 = 1 to 4 the teacher's views change a sixth as much as from 0 to 1.
    """
    return share * (1 + S1_KNEE) / (share + S1_KNEE)


def s1_neighbours(
    share: Float[Tensor, "*B"],
) -> tuple[Float[Tensor, "*B"], Float[Tensor, "*B"], Float[Tensor, "*B"]]:
    """Return the knots below and above a share of s1, and how far towards the upper one it acts."""
    lower, upper = torch.zeros_like(share), torch.full_like(share, S1_KNOTS[1])
    for low, high in pairwise(S1_KNOTS[1:]):
        beyond = share >= low
        lower, upper = torch.where(beyond, low, lower), torch.where(beyond, high, upper)
    start = s1_response(lower)
    return lower, upper, (s1_response(share) - start) / (s1_response(upper) - start)


class DialEncoder(nn.Module):
    """Time and dials -> what they add to every block's shifts, scales and gates.

    Along s1 the additions are those at `S1_KNOTS`, and in between they go from one to the next as
    s1 acts (`s1_response`). Asked anywhere, the encoder adds waves of its own, which beyond s1 = 1
    are larger than what the teacher still changes there.
    """

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
        s1, others = dials[:, :1], dials[:, 1:]
        lower, upper, share = s1_neighbours(s1)
        start = self._at(time, torch.cat([lower, others], dim=1))
        end = self._at(time, torch.cat([upper, others], dim=1))
        return torch.lerp(start, end, share[:, :, None, None].to(start.dtype))

    def _at(
        self, time: Float[Tensor, " B"], dials: Float[Tensor, "B 4"]
    ) -> Float[Tensor, "B blocks 6 width"]:
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
