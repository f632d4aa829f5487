"""DDIM with eta = 0 in terms of the clean estimate: x' = r x + d x0 (arXiv 2010.02502, Eq. 12)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True)
class DdimStep:
    """One step x' = ratio x + gain x0 from a level to a later one.

    Attributes:
        timestep: Where the network is asked.
        ratio: sigma' / sigma; 0 when the step ends at the clean picture.
        gain: a' - ratio a.
    """

    timestep: int
    ratio: float
    gain: float


def ddim_steps(alphas_cumprod: Sequence[float], visited: Sequence[int]) -> tuple[DdimStep, ...]:
    """Return the steps through the visited timesteps, falling, to the clean picture."""
    levels = [alphas_cumprod[t] for t in visited] + [1.0]
    steps = []
    for timestep, now, after in zip(visited, levels[:-1], levels[1:], strict=True):
        ratio = ((1 - after) / (1 - now)) ** 0.5
        steps.append(DdimStep(timestep, ratio, after**0.5 - ratio * now**0.5))
    return tuple(steps)


class ShortDdim:
    """What the sampler needs of a diffusers scheduler, for clean predictions and eta = 0.

    diffusers' own takes some eight passes over memory a step, this one two: where a step is one
    network pass on a CPU and somebody drags a dial, that is felt.
    """

    init_noise_sigma = 1.0

    def __init__(self, alphas_cumprod: Sequence[float], visited: Sequence[int]) -> None:
        """Walk through the visited timesteps."""
        self._steps = ddim_steps(alphas_cumprod, visited)
        self.timesteps = torch.arange(len(self._steps))

    def set_timesteps(self, num_steps: int) -> None:
        """Agree to the only number of steps.

        Raises:
            ValueError: It is another one.
        """
        if num_steps != len(self._steps):
            raise ValueError(f"This walk has {len(self._steps)} steps, not {num_steps}.")

    def step(
        self,
        clean: Float[Tensor, "..."],
        level: int,
        latents: Float[Tensor, "..."],
        *,
        return_dict: bool,
    ) -> tuple[Float[Tensor, "..."]]:
        """Return where a step ends, as a tuple, as diffusers does without `return_dict`."""
        assert not return_dict
        step = self._steps[level]
        return (torch.add(step.ratio * latents, clean, alpha=step.gain),)
