"""Random numbers that depend on a counter only, not on what was drawn before.

Number k of scene s is a hash of (seed, rank, s, k), so a resumed run continues exactly and a
scene is the same in any batch and on any device.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int, UInt64

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def _splitmix64(state: UInt64[np.ndarray, "..."]) -> UInt64[np.ndarray, "..."]:
    """Return the finaliser of SplitMix64 (Steele, Lea and Flood, 2014) of `state`."""
    with np.errstate(over="ignore"):
        z = state + _GOLDEN
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return z ^ (z >> np.uint64(31))


class CounterRandom:
    """Independent streams, one for each row; every call moves all of them on together."""

    def __init__(self, seed: int, rank: int, rows: Int[np.ndarray, " n"]) -> None:
        """Open one stream for each number in `rows`."""
        key = _splitmix64(np.array([seed], np.uint64)) ^ np.uint64(rank)
        self._key = _splitmix64(_splitmix64(key) ^ np.asarray(rows).astype(np.uint64))
        self._column = 0

    def uniform(
        self, low: float = 0.0, high: float = 1.0, columns: int | None = None
    ) -> Float[np.ndarray, "n ..."]:
        """Return numbers in [low, high): (n,) or, with `columns`, (n, columns)."""
        width = 1 if columns is None else columns
        place = np.arange(self._column, self._column + width, dtype=np.uint64)
        self._column += width
        with np.errstate(over="ignore"):
            bits = _splitmix64(self._key[:, None] + place * _GOLDEN)
        unit = (bits >> np.uint64(11)).astype(np.float64) * 2.0**-53
        values = low + (high - low) * unit
        return values[:, 0] if columns is None else values

    def chance(self, probability: float) -> np.ndarray:
        """Return (n,) booleans, true with `probability`."""
        return self.uniform() < probability

    def integers(self, high: int | Int[np.ndarray, " n"]) -> Int[np.ndarray, " n"]:
        """Return (n,) integers in [0, high)."""
        return np.floor(self.uniform() * high).astype(np.int64)
