"""Sizes of SyncDreamer's networks, one frozen record for each.

The defaults are the official checkpoint's; tests build smaller ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

LATENT_SCALE = 0.18215
"""Stable Diffusion's factor from an autoencoder's latent to a diffusion latent."""


@dataclass(frozen=True)
class UNetConfig:
    """The denoising U-Net (Stable Diffusion 1.x with 8 input channels and depth transformers)."""

    in_channels: int = 8
    out_channels: int = 4
    model_channels: int = 320
    channel_mult: tuple[int, int, int, int] = (1, 2, 4, 4)
    num_res_blocks: int = 2
    num_heads: int = 8
    context_dim: int = 768
    depth_heads: int = 4


@dataclass(frozen=True)
class VolumeConfig:
    """The networks between the noisy views and the volumes that the U-Net reads."""

    dims: tuple[int, int, int, int] = (64, 128, 256, 512)
    spatial_size: int = 32
    frustum_depth: int = 48
    feature_dim: int = 16
    time_dim: int = 256
    view_dim: int = 4


@dataclass(frozen=True)
class AutoencoderConfig:
    """The KL autoencoder, f = 8."""

    channels: int = 128
    channel_mult: tuple[int, ...] = (1, 2, 4, 4)
    latent_channels: int = 4


@dataclass(frozen=True)
class ImageEncoderConfig:
    """OpenAI CLIP's image tower (ViT-L/14)."""

    image_size: int = 224
    patch_size: int = 14
    hidden_size: int = 1024
    intermediate_size: int = 4096
    num_layers: int = 24
    num_heads: int = 16
    projection_dim: int = 768


@dataclass(frozen=True)
class SyncDreamerConfig:
    """All networks together."""

    unet: UNetConfig = field(default_factory=UNetConfig)
    volume: VolumeConfig = field(default_factory=VolumeConfig)
    autoencoder: AutoencoderConfig = field(default_factory=AutoencoderConfig)
    image_encoder: ImageEncoderConfig = field(default_factory=ImageEncoderConfig)
    image_size: int = 256
    latent_size: int = 32
    view_count: int = 16

    def __post_init__(self) -> None:
        sizes = (self.latent_size, self.volume.spatial_size, self.volume.frustum_depth)
        if any(size % 8 for size in sizes):
            raise ValueError(
                f"Latent width, volume side and frustum depth are {sizes}; each must be a multiple "
                "of 8, because the networks halve it three times."
            )

    @property
    def volume_widths(self) -> tuple[int, ...]:
        """Width of the U-Net's level that reads each frustum volume, largest first."""
        return tuple(self.latent_size >> level for level in range(len(self.volume.dims)))


def config_to_dict(config: SyncDreamerConfig) -> dict[str, Any]:
    """Return the sizes as plain JSON values."""
    return asdict(config)


def config_from_dict(values: Mapping[str, Any]) -> SyncDreamerConfig:
    """Build the sizes from `config_to_dict`'s values.

    Raises:
        ValueError: A field is unknown or missing its type.
    """
    parts = {
        "unet": UNetConfig,
        "volume": VolumeConfig,
        "autoencoder": AutoencoderConfig,
        "image_encoder": ImageEncoderConfig,
    }
    try:
        nested = {name: kind(**_tuples(values[name])) for name, kind in parts.items()}
        flat = {name: value for name, value in values.items() if name not in parts}
        return SyncDreamerConfig(**nested, **flat)
    except (KeyError, TypeError) as error:
        raise ValueError(f"The network's sizes cannot be read: {error}.") from error


def _tuples(values: Mapping[str, Any]) -> dict[str, Any]:
    return {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
