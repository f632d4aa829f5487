"""The teacher's way from noise to views, in few numbers: what a student's steps must add up to.

The teacher walks DDIM (eta = 0) over fine levels. In terms of its clean estimates x0_j a step is
x_{j+1} = r_j x_j + d_j x0_j with r = sigma' / sigma and d = a' - r a, so several steps are one
step of the same form whose estimate is a weighted mean of theirs (progressive distillation,
Salimans and Ho, arXiv 2202.00512, App. G, for any number of steps). Those means are all that is
kept of a trajectory, besides its noise.

"Ends" say how steps are put together: after how many of the teacher's each long step ends.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from harmony.ddim import DdimStep
from harmony.ddim import ddim_steps as steps_through
from harmony.guidance import bounded_scale
from harmony.models.base import NoiseSchedule
from harmony.models.small.network import ReferenceFeatures, SmallNetwork
from harmony.sampling import timesteps
from harmony.training.loss import to_signal

Ends = tuple[int, ...]


def ddim_steps(schedule: NoiseSchedule, num_steps: int) -> tuple[DdimStep, ...]:
    """Return the steps of DDIM (eta = 0) that `sampling.sample` makes.

    Raises:
        ValueError: There are too many steps for the schedule.
    """
    return steps_through(schedule.alphas_cumprod, timesteps(schedule, num_steps))


def long_steps(steps: Sequence[DdimStep], ends: Ends) -> tuple[DdimStep, ...]:
    """Return the steps that go where these go, a few at a time."""
    return tuple(_composed(steps[first:last]) for first, last in pairwise((0, *ends)))


def _composed(steps: Sequence[DdimStep]) -> DdimStep:
    ratio, gain = 1.0, 0.0
    for step in steps:
        ratio, gain = step.ratio * ratio, step.ratio * gain + step.gain
    return DdimStep(steps[0].timestep, ratio, gain)


def merged(
    steps: Sequence[DdimStep], clean: Float[Tensor, "B k ..."], ends: Ends
) -> Float[Tensor, "B n ..."]:
    """Return the estimates of the n long steps that go where these k steps go.

    Args:
        steps: k steps.
        clean: Their clean estimates.
        ends: Of the n long steps.
    """
    estimates = []
    for first, last in pairwise((0, *ends)):
        total = torch.zeros_like(clean[:, 0])
        for index in range(first, last):
            total = steps[index].ratio * total + steps[index].gain * clean[:, index]
        estimates.append(total / _composed(steps[first:last]).gain)
    return torch.stack(estimates, dim=1)


@dataclass(frozen=True)
class Dials:
    """Where the dials of B samples stand, those of Eq. 7 first, then those of Eq. 3.

    Attributes:
        scales: (B, 3) s1, s2 and the s of Eq. 3; what does not act is 0.
        decomposed: How many samples (from the front) follow Eq. 7.
    """

    scales: Float[Tensor, "B 3"]
    decomposed: int

    def repeated(self, count: int) -> Dials:
        """Return each sample `count` times in a row."""
        scales = self.scales.repeat_interleave(count, dim=0)
        return Dials(scales, count * self.decomposed)


class Teacher:
    """The guided small model as a map from noise to the estimates of long steps."""

    def __init__(
        self, network: SmallNetwork, schedule: NoiseSchedule, shares: Tensor, num_steps: int
    ) -> None:
        """Wrap a network on its device.

        Args:
            network: Frozen.
            schedule: Its forward process, with the interval in which guidance acts.
            shares: (T,) the signal's share at every timestep.
            num_steps: Of its DDIM walk.
        """
        self.network, self.schedule = network, schedule
        self.shares = shares.to(network.places.device)
        self.steps = ddim_steps(schedule, num_steps)
        bound = schedule.guidance_bound
        self._bound = math.inf if bound is None else bound

    @torch.no_grad()
    def estimates(
        self,
        reference: UInt8[Tensor, "B 4 H W"],
        elevation_deg: Float[Tensor, " B"],
        noise: Float[Tensor, "B N 4 H W"],
        dials: Dials,
        ends: Ends,
    ) -> Float[Tensor, "B n N 4 H W"]:
        """Walk from the noise and return the estimates of long steps, in [-1, 1]."""
        features, joint = self._features(reference, elevation_deg, dials)
        x = noise.float()
        estimates = []
        for first, last in pairwise((0, *ends)):
            steps, clean = self.steps[first:last], []
            for step in steps:
                guided = self._guided(x, step.timestep, features, joint, dials)
                clean.append(guided)
                x = step.ratio * x + step.gain * guided
            estimates.append(merged(steps, torch.stack(clean, dim=1), (len(steps),))[:, 0])
        return torch.stack(estimates, dim=1)

    def _features(
        self, reference: Tensor, elevation_deg: Tensor, dials: Dials
    ) -> tuple[ReferenceFeatures, int]:
        """Encode what every branch is given; return it and how many look across views."""
        index, keep = _branch_order(len(reference), dials.decomposed, reference.device)
        features = self.network.reference(to_signal(reference[index]), elevation_deg[index], keep)
        return features, len(reference) + dials.decomposed

    def _guided(
        self, x: Tensor, timestep: int, features: ReferenceFeatures, joint: int, dials: Dials
    ) -> Float[Tensor, "B N 4 H W"]:
        """Return the clipped estimate of Eq. 7 or Eq. 3, or the plain one outside the interval."""
        batch, parted = len(x), dials.decomposed
        if not self.schedule.guides(timestep):
            full = self._predict(x, timestep, _first(features, batch), batch)
            return full.clamp(-1, 1)
        index, _ = _branch_order(batch, parted, x.device)
        out = self._predict(x[index], timestep, features, joint)
        full, without_reference, without_views, neither = out.split(
            [batch, parted, parted, batch - parted]
        )
        front, back = slice(parted), slice(parted, None)
        terms = ((front, without_reference), (front, without_views), (back, neither))
        guided = full.clone()
        for number, (samples, other) in enumerate(terms):
            if len(other):
                difference, scales = full[samples] - other, dials.scales[samples, number]
                guided[samples] += bounded_scale(scales, difference, self._bound) * difference
        return guided.clamp(-1, 1)

    def _predict(
        self, x: Tensor, timestep: int, features: ReferenceFeatures, joint: int
    ) -> Float[Tensor, "B N 4 H W"]:
        share = self.shares[timestep].expand(len(x))
        with autocast(x.device):
            return self.network(x.to(noise_dtype(x.device)), share, features, joint).float()


def autocast(device: torch.device) -> torch.autocast:
    """Return the arithmetic of training: bfloat16 products on CUDA."""
    return torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda")


def noise_dtype(device: torch.device) -> torch.dtype:
    """Return the number type in which noise is drawn and handed to a network."""
    return torch.bfloat16 if device.type == "cuda" else torch.float32


def _branch_order(
    batch: int, parted: int, device: torch.device
) -> tuple[Int[Tensor, " n"], Float[Tensor, " n"]]:
    """Return for full, no_reference, no_views, unconditional: sample, and reference kept or not."""
    every = torch.arange(batch, device=device)
    groups = (every, every[:parted], every[:parted], every[parted:])
    kept = (1.0, 0.0, 1.0, 0.0)
    keep = [torch.full((len(g),), k, device=device) for g, k in zip(groups, kept, strict=True)]
    return torch.cat(groups), torch.cat(keep)


def _first(features: ReferenceFeatures, count: int) -> ReferenceFeatures:
    return ReferenceFeatures(
        keys_values=tuple((k[:count], v[:count]) for k, v in features.keys_values),
        feature_map=features.feature_map[:count],
        pixels=features.pixels[:count],
        elevation=features.elevation[:count],
    )
