"""The losses: pictures against captions, pictures against every name, and a common head."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn


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


class NameHead(nn.Module):
    """A linear classifier of names that both towers share in training; it is not part of CLIP.

    Cosine losses start on a plateau: with nothing learnt, equal features for everything cost
    least, and the towers collapse to them. The head reads features whose mean and scale are
    taken out over the batch, so that it teaches the towers to differ from the first step on.
    """

    def __init__(self, width: int, groups: int) -> None:
        """Make a head for features of `width` numbers and `groups` names."""
        super().__init__()
        self._standardise_images = nn.BatchNorm1d(width, affine=False, track_running_stats=False)
        self._standardise_texts = nn.BatchNorm1d(width, affine=False, track_running_stats=False)
        self._classify = nn.Linear(width, groups, bias=False)

    def forward(
        self,
        image_features: Float[Tensor, "B d"],
        image_groups: Int[Tensor, " B"],
        text_features: Float[Tensor, "C d"],
        text_groups: Int[Tensor, " C"],
    ) -> Float[Tensor, ""]:
        """Return the sum of both towers' cross-entropies over all names.

        Args:
            image_features: As the tower gives them, not unit vectors.
            image_groups: What each picture shows.
            text_features: Likewise.
            text_groups: What each caption names.
        """
        of_images = self._classify(self._standardise_images(image_features))
        of_texts = self._classify(self._standardise_texts(text_features))
        return F.cross_entropy(of_images, image_groups, label_smoothing=0.05) + F.cross_entropy(
            of_texts, text_groups
        )
