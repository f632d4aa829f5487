"""Stable Diffusion's KL-f8 autoencoder: diffusers' class at SyncDreamer's sizes."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.models.autoencoders.vae import DiagonalGaussianDistribution
from jaxtyping import Float
from torch import Tensor

from harmony.models.syncdreamer.config import LATENT_SCALE, AutoencoderConfig

LATENT_RGB = (
    (0.298, 0.207, 0.208),
    (0.187, 0.286, 0.173),
    (-0.158, 0.189, 0.264),
    (-0.184, -0.271, -0.473),
)
"""Linear estimate of a picture in [-1, 1] from a scaled Stable Diffusion 1.x latent, channel by
channel (the factors in common use for latent previews)."""


def build_autoencoder(config: AutoencoderConfig) -> AutoencoderKL:
    """Return the autoencoder with random weights."""
    widths = [config.channels * mult for mult in config.channel_mult]
    build = cast(Callable[..., AutoencoderKL], AutoencoderKL)
    return build(
        down_block_types=("DownEncoderBlock2D",) * len(widths),
        up_block_types=("UpDecoderBlock2D",) * len(widths),
        block_out_channels=tuple(widths),
        layers_per_block=2,
        latent_channels=config.latent_channels,
        scaling_factor=LATENT_SCALE,
    )


def encode_posterior(
    autoencoder: AutoencoderKL, image: Float[Tensor, "B 3 H H"]
) -> DiagonalGaussianDistribution:
    """Return the distribution of unscaled latents of a picture in [-1, 1]."""
    encode = cast(Callable[..., tuple[DiagonalGaussianDistribution]], autoencoder.encode)
    return encode(image, return_dict=False)[0]


def encode_image(
    autoencoder: AutoencoderKL,
    image: Float[Tensor, "B 3 H H"],
    noise: Float[Tensor, "B 4 h h"] | None = None,
) -> Float[Tensor, "B 4 h h"]:
    """Return the scaled latent of a picture in [-1, 1].

    Args:
        autoencoder: Built by `build_autoencoder`.
        image: Pictures in [-1, 1].
        noise: Standard normal noise for a posterior sample, which the official code draws.
            None takes the posterior's mode: the same for every seed.
    """
    posterior = encode_posterior(autoencoder, image)
    latent = posterior.mean if noise is None else posterior.mean + posterior.std * noise
    return LATENT_SCALE * latent


def decode_latents(
    autoencoder: AutoencoderKL, latents: Float[Tensor, "B 4 h h"]
) -> Float[Tensor, "B 3 H H"]:
    """Return the pictures of scaled latents; nominally in [-1, 1], not clamped."""
    decode = cast(Callable[..., tuple[Tensor]], autoencoder.decode)
    return decode(latents / LATENT_SCALE, return_dict=False)[0]


def preview_latents(latents: Float[Tensor, "*B 4 h w"]) -> Float[Tensor, "*B 3 h w"]:
    """Return small pictures in [0, 1] of scaled latents by one matrix product."""
    factors = torch.tensor(LATENT_RGB, dtype=torch.float32, device=latents.device)
    rgb = torch.einsum("...chw,cr->...rhw", latents.float(), factors)
    return (rgb / 2 + 0.5).clamp(0, 1)
