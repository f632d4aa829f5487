"""The two losses: pictures against captions, pictures against every name."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor


def contrastive_loss(
    image_features: Float[Tensor, "B d"],
    text_features: Float[Tensor, "B d"],
    groups: Int[Tensor, " B"],
    logit_scale: Float[Tensor, ""],
) -> Float[Tensor, ""]:
    """Symmetric InfoNCE (CLIP, arXiv 2103.00020) in which no group is its own negative.

    Args:
        image_features: Unit vectors.
        text_features: Unit vectors; row i describes picture i.
        groups: What each picture shows; other pairs of one group take no part.
        logit_scale: Inverse temperature.
    """
    logits = logit_scale * image_features @ text_features.T
    same = groups[:, None] == groups[None, :]
    same.fill_diagonal_(fill_value=False)
    logits = logits.masked_fill(same, float("-inf"))
    target = torch.arange(len(logits), device=logits.device)
    return (F.cross_entropy(logits, target) + F.cross_entropy(logits.T, target)) / 2


def name_loss(
    image_features: Float[Tensor, "B d"],
    name_features: Float[Tensor, "G d"],
    groups: Int[Tensor, " B"],
    logit_scale: Float[Tensor, ""],
) -> Float[Tensor, ""]:
    """Cross-entropy of each picture over all names.

    Every name is a negative at every step, so the hard ones (other objects of the category) too.
    """
    logits = logit_scale * image_features @ name_features.T
    return F.cross_entropy(logits, groups, label_smoothing=0.05)
