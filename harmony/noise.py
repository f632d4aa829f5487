"""Seeded noise: one CPU generator for each seed.

Seed k draws the same numbers alone, in any batch, and for every device.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

MAX_SEED = 2**63 - 1


def validate_seeds(seeds: Sequence[int]) -> tuple[int, ...]:
    """Return the seeds as a tuple.

    Raises:
        ValueError: There is none, one is negative or too large, or one stands twice.
    """
    if not seeds:
        raise ValueError("At least one seed is needed.")
    for seed in seeds:
        if not 0 <= seed <= MAX_SEED:
            raise ValueError(f"Seed {seed} is out of range; seeds go from 0 to {MAX_SEED}.")
    if len(set(seeds)) != len(seeds):
        raise ValueError("Every seed may stand only once.")
    return tuple(int(seed) for seed in seeds)


class SeededNoise:
    """Standard normal noise for several samples, one independent stream for each seed."""

    def __init__(
        self,
        seeds: Sequence[int],
        device: torch.device | str = "cpu",
        *,
        first: Mapping[int, Tensor] | None = None,
    ) -> None:
        """Open one stream for each of `seeds`; drawn noise is moved to `device`.

        Args:
            seeds: One for each sample.
            device: Where the noise is wanted.
            first: What a stream's first draw gave before, by seed, on any device; it is not
                drawn again.
        """
        self.seeds = validate_seeds(seeds)
        self.device = torch.device(device)
        self._streams = [_Stream(seed, (first or {}).get(seed)) for seed in self.seeds]

    def draw(self, shape: Sequence[int]) -> Float[Tensor, "S ..."]:
        """Draw the next N(0, 1) tensor of `shape` from every stream, float32."""
        samples = [stream.draw(tuple(shape)).to(self.device) for stream in self._streams]
        return torch.stack(samples)


class _Stream:
    """The numbers of one seed; those that are known already are drawn only if more follow."""

    def __init__(self, seed: int, first: Tensor | None) -> None:
        self._generator = torch.Generator("cpu").manual_seed(seed)
        self._first = first
        self._behind: tuple[int, ...] | None = None

    def draw(self, shape: tuple[int, ...]) -> Float[Tensor, "..."]:
        first, self._first = self._first, None
        if first is not None and tuple(first.shape) == shape:
            self._behind = shape
            return first
        if self._behind is not None:
            torch.randn(self._behind, generator=self._generator)
            self._behind = None
        return torch.randn(shape, generator=self._generator)
