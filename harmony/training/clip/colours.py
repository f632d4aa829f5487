"""Which of twelve colour words a picture shows."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from harmony.training.clip.captions import COLOUR_WORDS

MAX_BLACK_VALUE = 0.2
MAX_GREY_SATURATION = 0.14
MIN_WHITE_VALUE = 0.82
MAX_BROWN_VALUE = 0.68
MAX_PINK_SATURATION = 0.5
HUE_LIMITS_DEG = (
    (15.0, "red"),
    (42.0, "orange"),
    (70.0, "yellow"),
    (160.0, "green"),
    (195.0, "turquoise"),
    (255.0, "blue"),
    (290.0, "purple"),
    (340.0, "pink"),
    (math.inf, "red"),
)
"""Upper end of each hue range; what lies above 340 deg is red again."""


def hue_saturation_value(
    rgb: Float[Tensor, "B 3 H W"],
) -> tuple[Float[Tensor, "B H W"], Float[Tensor, "B H W"], Float[Tensor, "B H W"]]:
    """Return hue in degrees [0, 360), saturation and value in [0, 1] of colours in [0, 1]."""
    value, _ = rgb.max(dim=1)
    chroma = value - rgb.min(dim=1).values
    red, green, blue = rgb.unbind(dim=1)
    safe = chroma.clamp(min=1e-6)
    hue = torch.where(
        value == red,
        ((green - blue) / safe) % 6,
        torch.where(value == green, (blue - red) / safe + 2, (red - green) / safe + 4),
    )
    return hue * 60, chroma / value.clamp(min=1e-6), value


def colour_shares(rgba: UInt8[Tensor, "B 4 H W"]) -> Float[Tensor, "B 12"]:
    """Return the share of the foreground that each of `COLOUR_WORDS` takes.

    Args:
        rgba: Pictures; pixels with alpha of at most 127 are background.

    Returns:
        Shares that sum to 1, or zeros where there is no foreground.
    """
    hue, saturation, value = hue_saturation_value(rgba[:, :3].float() / 255)
    number = {word: index for index, word in enumerate(COLOUR_WORDS)}
    upper_ends = torch.tensor([end for end, _ in HUE_LIMITS_DEG], device=rgba.device)
    of_range = torch.tensor([number[word] for _, word in HUE_LIMITS_DEG], device=rgba.device)
    labels = of_range[torch.bucketize(hue, upper_ends)]
    is_warm = (labels == number["orange"]) | (labels == number["red"])
    is_pale_red = (labels == number["red"]) & (saturation < MAX_PINK_SATURATION)
    labels = torch.where(
        (labels == number["orange"]) & (value < MAX_BROWN_VALUE), number["brown"], labels
    )
    labels = torch.where(is_pale_red & (value > MAX_BROWN_VALUE), number["pink"], labels)
    labels = torch.where(
        is_warm & is_pale_red & (value <= MAX_BROWN_VALUE), number["brown"], labels
    )
    is_grey = saturation < MAX_GREY_SATURATION
    grey = torch.where(value > MIN_WHITE_VALUE, number["white"], number["grey"])
    labels = torch.where(is_grey, grey, labels)
    labels = torch.where(value < MAX_BLACK_VALUE, number["black"], labels)
    foreground = (rgba[:, 3] > 127).float()  # noqa: PLR2004
    counts = torch.zeros(len(rgba), len(COLOUR_WORDS), device=rgba.device)
    counts.scatter_add_(1, labels.flatten(1), foreground.flatten(1))
    return counts / counts.sum(dim=1, keepdim=True).clamp(min=1)
