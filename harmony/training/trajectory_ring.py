"""The teacher's trajectories that a process learns from; each is learned from several times."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from harmony.models.small_live.dials import MAX_CFG_SCALE, MAX_S1, MAX_S2
from harmony.training.distillation_settings import DistillationSettings
from harmony.training.loop import LoopSettings, SceneSource, step_generator
from harmony.training.trajectories import Dials, Teacher, noise_dtype

CFG_SHARE = 0.15
S1_OFF, S2_OFF = 0.15, 0.25
"""Shares of samples whose dial stands at 0, where a branch falls away."""
AT_END = 0.15
"""Share of samples whose dial stands at its largest value, where there is no neighbour beyond."""


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
