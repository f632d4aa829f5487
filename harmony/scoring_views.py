"""Measures of generated views that need no ground truth, beside the CD score."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from harmony.cameras import ELEVATION_DEG
from harmony.evaluation.metrics import psnr, ssim, to_side
from harmony.records import ReferenceImage, Views

ELEVATION_TOLERANCE_DEG = 0.5


@dataclass(frozen=True)
class ReferenceAgreement:
    """How well generated view 0 repeats the input picture.

    Attributes:
        psnr: In dB.
        ssim: At most 1.
    """

    psnr: float
    ssim: float


def reference_agreement(views: Views, reference: ReferenceImage) -> list[ReferenceAgreement] | None:
    """Compare view 0 of each sample with the input picture.

    Args:
        views: The generated views.
        reference: The input picture, brought to the views' size when it has another.

    Returns:
        One agreement for each sample, or None where the input camera is not at 30 deg of
        elevation: view 0 then shows the object from another camera.
    """
    if abs(reference.elevation_deg - ELEVATION_DEG) > ELEVATION_TOLERANCE_DEG:
        return None
    target = to_side((reference.pixels[None] + 1) / 2, views.pixels.shape[-1])[0]
    target = target.to(views.pixels.device)
    first_views = [sample[0] for sample in views.pixels]
    return [ReferenceAgreement(psnr(view, target), ssim(view, target)) for view in first_views]


def neighbour_consistency(
    embeddings: Float[Tensor, "S N d"],
) -> tuple[Float[Tensor, " S"], Float[Tensor, "S N"]]:
    """Return how alike neighbouring views are to the encoder.

    C = 1/N sum_n cos(I(x_n), I(x_{n+1})), cyclically; 1 means that no view stands out.

    Args:
        embeddings: Unit vectors, as `CDScorer.embed` returns them.

    Returns:
        C of each sample, and for each view the mean cosine with its two neighbours, whose
        smallest value points at the outlier.
    """
    following = (embeddings * embeddings.roll(-1, dims=1)).sum(dim=-1)
    return following.mean(dim=1), (following + following.roll(1, dims=1)) / 2


def seed_diversity(embeddings: Float[Tensor, "S N d"]) -> Float[Tensor, "S S"]:
    """Return how much the samples of two seeds differ.

    V_st = 1/N sum_n [1 - cos(I(x_n of s), I(x_n of t))]: same camera, other seed. The diagonal
    is 0 up to rounding.

    Args:
        embeddings: Unit vectors, as `CDScorer.embed` returns them.
    """
    return 1 - torch.einsum("snd,tnd->st", embeddings, embeddings) / embeddings.shape[1]


def mean_seed_diversity(embeddings: Float[Tensor, "S N d"]) -> float | None:
    """Return the mean of `seed_diversity` over pairs of different seeds, None for one seed."""
    count = len(embeddings)
    if count < 2:  # noqa: PLR2004
        return None
    pairs = torch.triu_indices(count, count, offset=1)
    return float(seed_diversity(embeddings)[pairs[0], pairs[1]].mean())
