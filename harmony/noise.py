"""Seeded noise: one CPU generator for each seed.

Seed k draws the same numbers alone, in any batch, and for every device.
"""

from __future__ import annotations

from collections.abc import Sequence

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

    def __init__(self, seeds: Sequence[int], device: torch.device | str = "cpu") -> None:
        """Open one stream for each of `seeds`; drawn noise is moved to `device`."""
        self.seeds = validate_seeds(seeds)
        self.device = torch.device(device)
        self._generators = [torch.Generator("cpu").manual_seed(seed) for seed in self.seeds]

    def draw(self, shape: Sequence[int]) -> Float[Tensor, "S ..."]:
        """Draw the next N(0, 1) tensor of `shape` from every stream, float32."""
        samples = [torch.randn(tuple(shape), generator=g) for g in self._generators]
        return torch.stack(samples).to(self.device)
