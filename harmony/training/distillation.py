"""Distillation of the guided small model into few steps of one pass each.

A student's step k of a walk of 4 (or 2) starts at x_k and ends at r x_k + d f(x_k, t, dials). The
teacher says where it must end. Two ways are built, to be compared (`distillation_settings`):

- "own": the student walks from the teacher's noise on its own; step k shall come back to the
  teacher's way, so an earlier miss delta = x_k - x_k* moves its target by -(r / d) delta. Training
  sees the states that sampling will see.
- "teacher": every step starts on the teacher's way (progressive distillation, arXiv 2202.00512,
  in one stage).

What one pass cannot foresee of the noise's fate it paints as a mean, so that two seeds come out
more alike than the teacher's. Against that samples can be made in pairs that differ in their
noise only: `EstimateError` then also compares how far the two of a pair lie apart.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from harmony.models.small_live.dials import MAX_CFG_SCALE, MAX_S1, MAX_S2, stride
from harmony.models.small_live.network import LiveFeatures, LiveNetwork
from harmony.training.distillation_settings import DistillationSettings
from harmony.training.loop import LoopSettings, step_generator
from harmony.training.loss import ALPHA_WEIGHT, to_signal
from harmony.training.parallel import Processes
from harmony.training.state import TrainingState
from harmony.training.trajectories import (
    DdimStep,
    Teacher,
    autocast,
    long_steps,
    merged,
    noise_dtype,
)
from harmony.training.trajectory_ring import Trajectories, TrajectoryRing

WALKS = (4, 4, 2)
"""Steps of the walks between two productions of trajectories; one update of weights a step."""
UPDATES = sum(WALKS)
PATCH = 16
"""Side in pixels of the squares over which the distance of a pair is averaged."""


class EstimateError(nn.Module):
    """Mean error of estimates; colour counts 3, the mask half as much as a colour.

    For pairs the distances within them, averaged over squares of `PATCH` pixels, are compared with
    the targets' as well.
    """

    def __init__(self, error: str, spread_weight: float = 0.0) -> None:
        """Measure squares or absolute values; distances count where they have a weight."""
        super().__init__()
        self.squared, self.spread_weight = error == "squared", spread_weight

    def forward(
        self, estimate: Float[Tensor, "B N 4 H W"], target: Float[Tensor, "B N 4 H W"]
    ) -> Float[Tensor, ""]:
        """Return the mean over the batch; with a weight of the spread, of pairs in turn."""
        estimate = estimate.float()
        loss = self._mean(estimate - target)
        if self.spread_weight:
            loss = loss + self.spread_weight * self._mean(distances(estimate) - distances(target))
        return loss

    def _mean(self, error: Float[Tensor, "B N 4 H W"]) -> Float[Tensor, ""]:
        error = error.square() if self.squared else error.abs()
        channels = error.mean(dim=(0, 1, 3, 4))
        return (channels[:3].sum() + ALPHA_WEIGHT * channels[3]) / (3 + ALPHA_WEIGHT)


def distances(estimate: Float[Tensor, "B N 4 H W"]) -> Float[Tensor, "pairs N 4 h w"]:
    """Return how far the two of each pair lie apart, averaged over squares of `PATCH` pixels."""
    apart = (estimate[0::2] - estimate[1::2]).abs()
    views = rearrange(apart, "p n c h w -> (p n) c h w")
    return rearrange(F.avg_pool2d(views, PATCH), "(p n) c h w -> p n c h w", p=len(apart))


class Walk:
    """One walk of the student beside the teacher's; each call of `advance` is one step."""

    def __init__(
        self,
        student: LiveNetwork,
        teacher: Teacher,
        error: nn.Module,
        trajectories: Trajectories,
        settings: DistillationSettings,
        num_steps: int,
    ) -> None:
        """Begin at the noise, to go in `num_steps`."""
        self._student, self._error, self._own = student, error, settings.method == "own"
        self._shares = teacher.shares
        self._trajectories = trajectories
        kept = long_steps(teacher.steps, settings.ends)
        ends = settings.ends_of_kept(num_steps)
        self._steps = long_steps(kept, ends)
        self._estimates = merged(kept, trajectories.estimates.float(), ends)
        self._dials = dial_inputs(trajectories.scales, num_steps)
        self._x = trajectories.noise.float()
        self._miss: Tensor | None = None
        self._index = 0

    @property
    def over(self) -> bool:
        """Whether the walk has arrived."""
        return self._index == len(self._steps)

    def loss(self) -> Float[Tensor, ""]:
        """Return the loss of the next step, with its graph, and go on to where it ends."""
        step = self._steps[self._index]
        target = self._target(step)
        estimate = self._estimate(step)
        loss = self._error(estimate, target)
        self._go(step, estimate.detach().float(), target)
        self._index += 1
        return loss

    def _target(self, step: DdimStep) -> Float[Tensor, "B N 4 H W"]:
        target = self._estimates[:, self._index]
        if self._miss is None:
            return target
        return target - (step.ratio / step.gain) * self._miss

    def _estimate(self, step: DdimStep) -> Float[Tensor, "B N 4 H W"]:
        given, device = self._trajectories, self._x.device
        batch = len(self._x)
        with autocast(device):
            plain = self._student.reference(
                to_signal(given.reference), given.elevation_deg, torch.ones(batch, device=device)
            )
            features = LiveFeatures(**vars(plain), dials=self._dials)
            share = self._shares[step.timestep].expand(batch)
            return self._student(self._x.to(noise_dtype(device)), share, features, batch)

    def _go(self, step: DdimStep, estimate: Tensor, target: Tensor) -> None:
        if self._own:
            self._miss = step.gain * (estimate - target)
            self._x = step.ratio * self._x + step.gain * estimate
        else:
            self._x = step.ratio * self._x + step.gain * target


def dial_inputs(scales: Float[Tensor, "B 3"], num_steps: int) -> Float[Tensor, "B 4"]:
    """Return what the network is told, as `small_live.dials.dial_values` has it."""
    largest = torch.tensor([MAX_S1, MAX_S2, MAX_CFG_SCALE], device=scales.device)
    strides = torch.full((len(scales), 1), stride(num_steps), device=scales.device)
    return torch.cat([scales / largest, strides], dim=1)


class Distillation:
    """The loop's `advance`: an update of the student's weights for each step of its walks."""

    def __init__(
        self,
        student: LiveNetwork,
        teacher: Teacher,
        ring: TrajectoryRing,
        state: TrainingState,
        processes: Processes,
        loop: LoopSettings,
        settings: DistillationSettings,
    ) -> None:
        """Fill the ring as a run that came this far would have left it."""
        self._student, self._teacher, self._ring = student, teacher, ring
        self._state, self._processes, self._loop = state, processes, loop
        self._settings = settings
        self.error = EstimateError(settings.error, settings.spread_weight)
        self._walk: Walk | None = None
        begun = state.progress.step // UPDATES
        for number in range(begun, begun + ring.productions):
            ring.produce(number)

    def advance(self, rate: float, seconds: float) -> tuple[Tensor, Tensor]:
        """Make one update; see `loop.Advance`."""
        place = self._state.progress.step % UPDATES
        generator = step_generator(
            self._loop, self._processes.rank, self._state.progress.step, self._processes.device
        )
        if place == 0:
            number = self._state.progress.step // UPDATES
            self._ring.produce(number + self._ring.productions)
        if self._walk is None or self._walk.over:
            self._walk = Walk(
                self._student,
                self._teacher,
                self.error,
                self._ring.draw(self._loop.batch, generator),
                self._settings,
                _walk_length(place),
            )
        loss = self._walk.loss()
        loss.backward()
        self._processes.average(self._state.flat.gradients)
        norm = self._state.step(rate, self._loop.batch * self._processes.count, seconds)
        return loss.detach(), norm


def _walk_length(place: int) -> int:
    """Return the length of the walk that begins at an update's place in its round."""
    begin = 0
    for length in WALKS:
        if begin == place:
            return length
        begin += length
    raise ValueError(f"No walk begins at place {place}; resume at a multiple of {UPDATES}.")
