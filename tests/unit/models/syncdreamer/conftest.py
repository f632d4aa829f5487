"""A SyncDreamer of a few channels with random weights."""

from __future__ import annotations

import pytest
import torch

from harmony.models.syncdreamer.config import (
    AutoencoderConfig,
    ImageEncoderConfig,
    SyncDreamerConfig,
    UNetConfig,
    VolumeConfig,
)
from harmony.models.syncdreamer.model import SyncDreamer
from harmony.models.syncdreamer.network import SyncDreamerNetwork
from harmony.models.syncdreamer.runtime import RuntimeSettings

TINY = SyncDreamerConfig(
    unet=UNetConfig(model_channels=32, channel_mult=(1, 1, 1, 2), num_heads=2, context_dim=24),
    volume=VolumeConfig(dims=(8, 16, 24, 32), spatial_size=8, frustum_depth=8),
    autoencoder=AutoencoderConfig(channels=32, channel_mult=(1, 1, 1, 2)),
    image_encoder=ImageEncoderConfig(28, 14, 16, 32, 2, 2, 20),
    image_size=64,
    latent_size=8,
)


def build_network(config: SyncDreamerConfig = TINY, seed: int = 0) -> SyncDreamerNetwork:
    """Return networks whose every weight is random, norms and biases too."""
    torch.manual_seed(seed)
    network = SyncDreamerNetwork(config).eval().requires_grad_(False)
    for parameter in network.parameters():
        if parameter.dim() == 1:
            parameter.add_(0.3 * torch.randn_like(parameter))
    return network


@pytest.fixture(scope="session")
def network() -> SyncDreamerNetwork:
    return build_network()


@pytest.fixture(scope="session")
def syncdreamer(network: SyncDreamerNetwork) -> SyncDreamer:
    return SyncDreamer(network, weights_sha256="0" * 64, settings=RuntimeSettings())
