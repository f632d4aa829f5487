"""Stable Diffusion's forward process as SyncDreamer uses it."""

from __future__ import annotations

import torch

from harmony.models.base import NoiseSchedule

TIMESTEPS = 1000
BETA_START = 0.00085
BETA_END = 0.012


def alphas_cumprod() -> torch.Tensor:
    """Return abar of beta = linspace(sqrt(0.00085), sqrt(0.012), 1000)^2, (1000,) float32.

    In float32 like SyncDreamer's own code; the original latent-diffusion code took float64.
    """
    betas = torch.linspace(BETA_START**0.5, BETA_END**0.5, TIMESTEPS, dtype=torch.float32) ** 2
    return (1.0 - betas).cumprod(0)


def noise_schedule() -> NoiseSchedule:
    """Return the schedule; DDIM ends at abar_0, not at a noise-free latent (ARCHITECTURE 8.2)."""
    return NoiseSchedule(
        alphas_cumprod=tuple(alphas_cumprod().tolist()),
        prediction_type="epsilon",
        timestep_spacing="leading",
        steps_offset=1,
        set_alpha_to_one=False,
    )
