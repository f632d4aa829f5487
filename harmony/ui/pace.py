"""How fast this machine paints, measured while it does."""

from __future__ import annotations

import statistics
import threading
from collections import deque

RECENT = 64
"""Steps that the pace is taken from; what the machine did an hour ago says little."""


class Pace:
    """Seconds that one branch of one sample takes in one step: the median of the last steps."""

    def __init__(self) -> None:
        """Know nothing yet."""
        self._recent: deque[float] = deque(maxlen=RECENT)
        self._lock = threading.Lock()

    def note(self, seconds: float, *, branches: int, samples: int = 1) -> None:
        """Remember how long a step took."""
        with self._lock:
            self._recent.append(seconds / (branches * samples))

    def estimate(self, *, branches: int, steps: int, samples: int = 1) -> float | None:
        """Return the seconds that a run takes, or None where nothing has been measured yet.

        The branches that guidance needs cost about the same, so a run of one branch takes about a
        third of one of three.
        """
        with self._lock:
            if not self._recent:
                return None
            return statistics.median(self._recent) * branches * steps * samples
