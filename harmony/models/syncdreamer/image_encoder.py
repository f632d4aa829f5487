"""OpenAI CLIP's image tower: transformers' class at SyncDreamer's sizes."""

from __future__ import annotations

from typing import cast

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor
from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

from harmony.models.syncdreamer.config import ImageEncoderConfig

MEAN = (0.48145466, 0.4578275, 0.40821073)
STD = (0.26862954, 0.26130258, 0.27577711)


def build_image_encoder(config: ImageEncoderConfig) -> CLIPVisionModelWithProjection:
    """Return the image tower with random weights; its activation is x * sigmoid(1.702 x)."""
    return CLIPVisionModelWithProjection(
        CLIPVisionConfig(
            hidden_size=config.hidden_size,
            intermediate_size=config.intermediate_size,
            num_hidden_layers=config.num_layers,
            num_attention_heads=config.num_heads,
            image_size=config.image_size,
            patch_size=config.patch_size,
            projection_dim=config.projection_dim,
            hidden_act="quick_gelu",
        )
    )


def preprocess(image: Float[Tensor, "B 3 H H"], size: int) -> Float[Tensor, "B 3 size size"]:
    """Resize and normalise a picture in [-1, 1] as SyncDreamer does.

    Not CLIP's own preprocessing: bicubic with corners aligned and without antialiasing.
    """
    resized = F.interpolate(image.float(), size, mode="bicubic", align_corners=True)
    mean = torch.tensor(MEAN, device=image.device)[:, None, None]
    std = torch.tensor(STD, device=image.device)[:, None, None]
    return ((resized + 1) / 2 - mean) / std


def embed_image(
    encoder: CLIPVisionModelWithProjection, image: Float[Tensor, "B 3 H H"]
) -> Float[Tensor, "B 768"]:
    """Return the projected class token of pictures in [-1, 1]; not normalised to length 1."""
    pixels = preprocess(image, cast(int, encoder.config.image_size))
    weight = encoder.visual_projection.weight
    return encoder(pixel_values=pixels.to(weight)).image_embeds
