"""How long work takes here: seconds for one unit of it, as measured."""

from __future__ import annotations

from collections import deque
from statistics import median

REMEMBERED = 7
"""The median of so few forgets the first run, which also loads the model, after two more."""


class Pace:
    """Seconds for each unit of work, by kind of unit."""

    def __init__(self) -> None:
        """Know nothing yet."""
        self._measured: dict[str, deque[float]] = {}

    def measure(self, unit: str, units: float, seconds: float) -> None:
        """Learn that so many units took so many seconds."""
        if units > 0:
            self._measured.setdefault(unit, deque(maxlen=REMEMBERED)).append(seconds / units)

    def seconds(self, unit: str, units: float) -> float | None:
        """Return how long so many units may take, or None before one was measured."""
        measured = self._measured.get(unit)
        return None if not measured else median(measured) * units
