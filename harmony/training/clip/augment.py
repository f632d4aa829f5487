"""What a picture goes through before the encoder sees it in training."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from torch import Tensor

PLAIN_WHITE_SHARE = 0.65
MIRROR_SHARE = 0.5
SOFT_SHARE = 0.3
MIN_ZOOM, MAX_ZOOM = 0.7, 1.35
MAX_SHIFT = 0.15
MAX_ROLL_DEG = 8.0


def _uniform(shape: tuple[int, ...], low: float, high: float, generator: torch.Generator) -> Tensor:
    return torch.rand(shape, generator=generator, device=generator.device) * (high - low) + low


def on_background(
    rgba: UInt8[Tensor, "B 4 H W"], background: Float[Tensor, "B 3 #H #W"]
) -> Float[Tensor, "B 3 H W"]:
    """Put pictures whose colours are composited on white on another background.

    With p = a c + (1 - a) the result is a c + (1 - a) b = p - (1 - a) + (1 - a) b.
    """
    pixels = rgba.float() / 255
    colour, transparency = pixels[:, :3], 1 - pixels[:, 3:]
    return (colour - transparency * (1 - background)).clamp(0, 1)


def random_background(count: int, generator: torch.Generator) -> Float[Tensor, "B 3 8 8"]:
    """Draw white for most pictures, a soft pattern of colours for the others."""
    colour = _uniform((count, 3, 1, 1), 0, 1, generator)
    pattern = _uniform((count, 3, 8, 8), -0.25, 0.25, generator)
    is_white = _uniform((count, 1, 1, 1), 0, 1, generator) < PLAIN_WHITE_SHARE
    return torch.where(is_white, 1.0, (colour + pattern).clamp(0, 1))


def _random_affine(count: int, generator: torch.Generator) -> Float[Tensor, "B 2 3"]:
    zoom = 1 / _uniform((count,), MIN_ZOOM, MAX_ZOOM, generator)
    roll = _uniform((count,), -MAX_ROLL_DEG, MAX_ROLL_DEG, generator) * (math.pi / 180)
    mirror = torch.where(_uniform((count,), 0, 1, generator) < MIRROR_SHARE, -1.0, 1.0)
    shift = _uniform((count, 2), -MAX_SHIFT, MAX_SHIFT, generator)
    cosine, sine = zoom * roll.cos(), zoom * roll.sin()
    rows = torch.stack([mirror * cosine, -sine, mirror * sine, cosine], dim=1).view(-1, 2, 2)
    return torch.cat([rows, shift[:, :, None]], dim=2)


def _soften_some(
    pixels: Float[Tensor, "B 3 H W"], generator: torch.Generator
) -> Float[Tensor, "B 3 H W"]:
    """Lower the resolution of some pictures; generated views are soft as well."""
    side = pixels.shape[-1]
    small = F.interpolate(pixels, size=side // 3, mode="bilinear", antialias=True)
    soft = F.interpolate(small, size=side, mode="bilinear")
    chosen = _uniform((len(pixels), 1, 1, 1), 0, 1, generator) < SOFT_SHARE
    return torch.where(chosen, soft, pixels)


def augment(
    rgba: UInt8[Tensor, "B 4 H W"], image_size: int, generator: torch.Generator
) -> Float[Tensor, "B 3 s s"]:
    """Return pictures in [0, 1] with random framing, background, sharpness and exposure.

    Args:
        rgba: Pictures with colours composited on white.
        image_size: Side of the encoder's input.
        generator: Source of every choice, on the pictures' device.
    """
    count = len(rgba)
    background = F.interpolate(
        random_background(count, generator), size=rgba.shape[-2:], mode="bilinear"
    )
    pixels = on_background(rgba, background)
    grid = F.affine_grid(
        _random_affine(count, generator), [count, 3, image_size, image_size], align_corners=False
    )
    # Beyond the edge the background goes on as it is at the edge.
    pixels = F.grid_sample(pixels, grid, padding_mode="border", align_corners=False)
    pixels = _soften_some(pixels, generator)
    exponent = _uniform((count, 1, 1, 1), math.log(0.75), math.log(1.33), generator).exp()
    return pixels.clamp(1e-4, 1) ** exponent


def normalise(
    pixels: Float[Tensor, "B 3 H W"], mean: tuple[float, ...], std: tuple[float, ...]
) -> Float[Tensor, "B 3 H W"]:
    """Return (pixels - mean) / std for each colour."""
    as_row = {"dtype": pixels.dtype, "device": pixels.device}
    return (pixels - torch.tensor(mean, **as_row).view(1, 3, 1, 1)) / torch.tensor(
        std, **as_row
    ).view(1, 3, 1, 1)
