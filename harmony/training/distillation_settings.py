"""How the small model is distilled: which steps, by which method, from which trajectories."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from harmony.training.trajectories import DdimStep, Ends, long_steps

METHODS = ("own", "teacher")
ERRORS = ("squared", "absolute")
MIN_TRAJECTORIES = 4  # two pairs: one by Eq. 7, one by Eq. 3


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
    spread_weight: float = 1.0

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
