"""How much of a run is done and how long the rest will take."""

from __future__ import annotations

import time
from collections.abc import Callable

from harmony.ui.events import Step


class Clock:
    """Guesses the time that is left from the steps that are done."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        """Start counting."""
        self._now = now
        self._started = now()
        self._first: float | None = None

    @property
    def elapsed(self) -> float:
        """Seconds since the start."""
        return self._now() - self._started

    def left(self, step: Step) -> float:
        """Return the seconds that are left.

        The first step also warms up and loads; it stands in only until the second one is done.
        """
        done, total = steps_done(step)
        if self._first is None:
            self._first = self._now()
        if done == 1:
            return self.elapsed * (total - 1)
        return (self._now() - self._first) / (done - 1) * (total - done)


def steps_done(step: Step) -> tuple[int, int]:
    """Return the steps that are done and those of the whole run."""
    return step.pass_index * step.num_steps + step.step, step.num_passes * step.num_steps


class ShareClock:
    """Guesses the time that is left from the share that is done."""

    LEAST_SHARE = 0.1

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        """Start counting."""
        self._now = now
        self._started = now()

    def left(self, share: float) -> float | None:
        """Return the seconds that are left, or None while too little is done to tell."""
        if share < self.LEAST_SHARE:
            return None
        return (self._now() - self._started) * (1 - share) / share
