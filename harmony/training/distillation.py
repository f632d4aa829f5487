"""Distillation of the guided small model into few steps of one pass each.

A student's step k of a walk of 4 (or 2) starts at x_k and ends at r x_k + d f(x_k, t, dials). The
teacher says where it must end. Two ways are built, to be compared (`METHODS`):

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

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from harmony.models.small_live.dials import (
    MAX_CFG_SCALE,
    MAX_S1,
    MAX_S2,
    stride,
)
from harmony.models.small_live.network import LiveFeatures, LiveNetwork
from harmony.training.loop import LoopSettings, SceneSource, step_generator
from harmony.training.loss import ALPHA_WEIGHT, to_signal
from harmony.training.parallel import Processes
from harmony.training.state import TrainingState
from harmony.training.trajectories import (
    DdimStep,
    Dials,
    Ends,
    Teacher,
    autocast,
    long_steps,
    merged,
    noise_dtype,
)

METHODS = ("own", "teacher")
ERRORS = ("squared", "absolute")
WALKS = (4, 4, 2)
"""Steps of the walks between two productions of trajectories; one update of weights a step."""
UPDATES = sum(WALKS)
MIN_TRAJECTORIES = 4  # two pairs: one by Eq. 7, one by Eq. 3
CFG_SHARE = 0.15
S1_OFF, S2_OFF = 0.15, 0.25
"""Shares of samples whose dial stands at 0, where a branch falls away."""
AT_END = 0.15
"""Share of samples whose dial stands at its largest value, where there is no neighbour beyond."""
PATCH = 16
"""Side in pixels of the squares over which the distance of a pair is averaged."""


@dataclass(frozen=True)
class DistillationSettings:
    """How trajectories are made and learned from.

    Attributes:
        teacher_steps: Of the teacher's DDIM walk.
        ends: Of the student's four steps; see `trajectories`.
        fast_ends: Of its two steps, each also one of `ends`.
        trajectories: New ones a production and process.
        kept: Trajectories that a process keeps; a multiple of `trajectories`.
        method: Of `METHODS`.
        error: Of `ERRORS`.
        spread_weight: Of the distances within pairs; 0 makes no pairs.
    """

    teacher_steps: int = 12
    ends: Ends = (2, 4, 6, 12)
    fast_ends: Ends = (6, 12)
    trajectories: int = 36
    kept: int = 288
    method: str = "teacher"
    error: str = "absolute"
    spread_weight: float = 0.0

    def __post_init__(self) -> None:
        """Refuse what does not divide, or is not known."""
        for ends, count in ((self.fast_ends, 2), (self.ends, 4)):
            rising = all(before < after for before, after in pairwise((0, *ends)))
            if len(ends) != count or not rising or ends[-1] != self.teacher_steps:
                raise ValueError(
                    f"{count} ends must rise to the teacher's {self.teacher_steps} steps, "
                    f"not be {ends}."
                )
        if not set(self.fast_ends) <= set(self.ends):
            raise ValueError("Each end of the two steps must be one of the four steps'.")
        if self.trajectories < MIN_TRAJECTORIES or self.trajectories % 2:
            raise ValueError(f"New trajectories must be {MIN_TRAJECTORIES} or more, and even.")
        if self.kept % self.trajectories:
            raise ValueError("The trajectories kept must be a multiple of the new ones.")
        if not self.spread_weight >= 0:
            raise ValueError("The weight of the spread must not be negative.")
        if self.method not in METHODS or self.error not in ERRORS:
            raise ValueError(f"Method must be of {METHODS}, error of {ERRORS}.")

    @property
    def alike(self) -> int:
        """Trajectories in a row that differ in their noise only."""
        return 2 if self.spread_weight else 1

    def ends_of_kept(self, num_steps: int) -> Ends:
        """Return after how many of the four kept steps each step of a walk ends.

        Raises:
            ValueError: No walk has so many steps.
        """
        for ends in (self.ends, self.fast_ends):
            if len(ends) == num_steps:
                return tuple(self.ends.index(end) + 1 for end in ends)
        raise ValueError(f"A student's walk has 4 or 2 steps, not {num_steps}.")

    def walks(self, steps: Sequence[DdimStep]) -> tuple[tuple[int, ...], ...]:
        """Return the timesteps that the student visits; `NoiseSchedule.walks`.

        Args:
            steps: The teacher's.
        """
        return tuple(
            tuple(step.timestep for step in long_steps(steps, ends))
            for ends in (self.ends, self.fast_ends)
        )


def draw_dials(count: int, generator: torch.Generator) -> Dials:
    """Draw the dials of `count` samples: Eq. 7 first, the last 15 % by Eq. 3."""
    device = generator.device
    decomposed = count - max(1, round(CFG_SHARE * count))
    drawn = torch.rand(count, 3, generator=generator, device=device)
    largest = torch.tensor([MAX_S1, MAX_S2, MAX_CFG_SCALE], device=device)
    drawn *= largest
    off = torch.rand(count, 2, generator=generator, device=device)
    drawn[:, :2] *= off >= torch.tensor([S1_OFF, S2_OFF], device=device)
    at_end = torch.rand(count, 3, generator=generator, device=device) < AT_END
    drawn = torch.where(at_end & (drawn > 0), largest, drawn)
    drawn[:decomposed, 2] = 0
    drawn[decomposed:, :2] = 0
    return Dials(drawn, decomposed)


@dataclass(frozen=True)
class Trajectories:
    """Trajectories of B samples.

    Attributes:
        reference: (B, 4, H, W) uint8.
        elevation_deg: (B,).
        scales: (B, 3), see `trajectories.Dials`.
        noise: (B, N, 4, H, W) where they begin.
        estimates: (B, 4, N, 4, H, W) clean estimates of four long steps.
    """

    reference: UInt8[Tensor, "B 4 H W"]
    elevation_deg: Float[Tensor, " B"]
    scales: Float[Tensor, "B 3"]
    noise: Float[Tensor, "B N 4 H W"]
    estimates: Float[Tensor, "B k N 4 H W"]

    def choose(self, index: Tensor) -> Trajectories:
        """Return some of them."""
        return Trajectories(*(tensor[index] for tensor in vars(self).values()))

    def replace(self, slots: slice, new: Trajectories) -> None:
        """Write new ones over some of them."""
        for name, tensor in vars(self).items():
            tensor[slots] = getattr(new, name)


class TrajectoryRing:
    """The newest trajectories of a process; production number p depends on (seed, rank, p)."""

    def __init__(
        self,
        teacher: Teacher,
        scenes: SceneSource,
        loop: LoopSettings,
        settings: DistillationSettings,
        rank: int,
    ) -> None:
        """Begin empty."""
        self._teacher, self._scenes = teacher, scenes
        self._loop, self._settings, self._rank = loop, settings, rank
        self._kept: Trajectories | None = None

    @property
    def productions(self) -> int:
        """Productions that fill the ring."""
        return self._settings.kept // self._settings.trajectories

    def produce(self, number: int) -> None:
        """Make new trajectories over the oldest ones."""
        device = self._teacher.shares.device
        generator = step_generator(self._loop, self._rank, -1 - number, device)
        count, alike = self._settings.trajectories, self._settings.alike
        self._scenes.refill(self._loop.new_scenes)
        batch = self._scenes.batch(count // alike, generator)
        reference = batch.reference.repeat_interleave(alike, dim=0)
        elevation_deg = batch.elevation_deg.repeat_interleave(alike)
        dials = draw_dials(count // alike, generator).repeated(alike)
        noise = torch.randn(
            (count, *batch.views.shape[1:]),
            generator=generator,
            device=device,
            dtype=noise_dtype(device),
        )
        estimates = self._teacher.estimates(
            reference, elevation_deg, noise, dials, self._settings.ends
        ).to(noise.dtype)
        new = Trajectories(reference, elevation_deg, dials.scales, noise, estimates)
        if self._kept is None:
            # Room for all; what is not made yet repeats the first ones.
            places = torch.arange(self._settings.kept, device=device) % count
            self._kept = new.choose(places)
        first = number % self.productions * count
        self._kept.replace(slice(first, first + count), new)

    def draw(self, count: int, generator: torch.Generator) -> Trajectories:
        """Choose `count` of them with replacement, the two of a pair together.

        Raises:
            ValueError: There is none yet.
        """
        if self._kept is None:
            raise ValueError("There are no trajectories yet; call produce first.")
        alike, device = self._settings.alike, generator.device
        groups, size = self._settings.kept // alike, (count // alike, 1)
        first = alike * torch.randint(groups, size, generator=generator, device=device)
        return self._kept.choose((first + torch.arange(alike, device=device)).flatten())


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
