"""The small model's forward process: a rectified-flow path written as a diffusers schedule.

With the signal's share t in (0, 1) the path z = t x + (1 - t) noise, divided by its standard
deviation, is variance preserving with abar = t^2 / (t^2 + (1 - t)^2). DDIM with eta = 0 on it
is exactly Euler's method on the flow.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from harmony.models.base import NoiseSchedule

NUM_TRAIN_TIMESTEPS = 1000
MINIMUM_SHARE = 5e-4


def signal_shares(shift: float) -> Float[Tensor, " T"]:
    """Return t for every timestep, falling from nearly 1 to nearly 0, float64.

    Args:
        shift: 1 spaces t evenly; larger values spend more timesteps on high noise, which
            sixteen redundant pictures need (t <- t / (t + shift (1 - t))).
    """
    steps = torch.arange(1, NUM_TRAIN_TIMESTEPS + 1, dtype=torch.float64)
    even = (1.0 - steps / NUM_TRAIN_TIMESTEPS).clamp(min=MINIMUM_SHARE)
    return even / (even + shift * (1.0 - even))


def noise_schedule(
    shift: float, guided_share: float = 1.0, guidance_bound: float | None = None
) -> NoiseSchedule:
    """Return the schedule that diffusers' samplers walk.

    Args:
        shift: See `signal_shares`.
        guided_share: Guidance acts while the signal's share t is below this.
        guidance_bound: Of each guidance term's root mean square; see `NoiseSchedule`.

    Raises:
        ValueError: `guided_share` is not in [0, 1], or the bound is not above 0.
    """
    if not 0 <= guided_share <= 1:
        raise ValueError(f"The guided share is {guided_share}; it must be a number from 0 to 1.")
    share = signal_shares(shift)
    first = int((share >= guided_share).sum())  # shares fall with the timestep
    alphas_cumprod = share**2 / (share**2 + (1.0 - share) ** 2)
    return NoiseSchedule(
        alphas_cumprod=tuple(alphas_cumprod.tolist()),
        prediction_type="sample",
        timestep_spacing="trailing",
        set_alpha_to_one=True,
        clip_sample_range=1.0,  # latents are pictures in [-1, 1]
        guidance_interval=None if first == 0 else (first, NUM_TRAIN_TIMESTEPS),
        guidance_bound=guidance_bound,
    )


def schedule_of(card: Mapping[str, Any]) -> NoiseSchedule:
    """Return the schedule that a model's card describes."""
    return noise_schedule(card["shift"], card.get("guided_share", 1.0), card.get("guidance_bound"))


def add_noise(
    clean: Float[Tensor, "B N C H W"], noise: Float[Tensor, "B N C H W"], share: Float[Tensor, " B"]
) -> Float[Tensor, "B N C H W"]:
    """Return a x + sigma noise with unit variance at signal share t = a / (a + sigma)."""
    t = share[:, None, None, None, None]
    return (t * clean + (1 - t) * noise) * torch.rsqrt(t**2 + (1 - t) ** 2)
