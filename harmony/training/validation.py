"""The small model against ground truth on objects that training never sees."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from harmony.models.small import SmallDenoiser
from harmony.noise import SeededNoise
from harmony.records import Guidance, ReferenceImage, SamplerSettings
from harmony.sampling import sample


@dataclass(frozen=True)
class ValidationObject:
    """One held-out object: its input picture and the true views (N, 3, H, W) in [0, 1]."""

    name: str
    reference: ReferenceImage
    views: Float[Tensor, "N 3 H W"]


@dataclass(frozen=True)
class ValidationScore:
    """PSNR in dB over objects, seeds and pixels of each view.

    Attributes:
        psnr: Mean over all views.
        psnr_by_view: (N,) mean for each view.
        spread: Standard deviation across seeds of a pixel in [0, 1], averaged; 0 for one seed.
    """

    psnr: float
    psnr_by_view: tuple[float, ...]
    spread: float


def psnr(
    pixels: Float[Tensor, "... 3 H W"], truth: Float[Tensor, "... 3 H W"]
) -> Float[Tensor, "..."]:
    """Return 10 log10(1 / mean squared error) of every picture in [0, 1]."""
    error = (pixels - truth).square().mean(dim=(-3, -2, -1)).clamp(min=1e-10)
    return -10.0 / math.log(10.0) * error.log()


def validate(
    model: SmallDenoiser,
    objects: Sequence[ValidationObject],
    *,
    guidance: Guidance,
    settings: SamplerSettings,
    seeds: Sequence[int] = (0,),
    batch: int = 16,
) -> ValidationScore:
    """Sample every object for every seed and compare with the truth.

    Args:
        model: On its device.
        objects: At the model's picture size.
        guidance: Rule and scales.
        settings: Sampler.
        seeds: Object k of a batch uses the stream of seed * 100003 + k.
        batch: Objects sampled together.
    """
    scores, spreads = [], []
    for start in range(0, len(objects), batch):
        chosen = objects[start : start + batch]
        condition = model.encode_references([item.reference for item in chosen])
        truth = torch.stack([item.views for item in chosen]).to(model.device)
        pictures = []
        for seed in seeds:
            streams = [seed * 100_003 + start + k for k in range(len(chosen))]
            noise = SeededNoise(streams, model.device)
            latents = sample(model, condition, noise, guidance, settings)
            pictures.append(model.decode(latents).pixels)
            scores.append(psnr(pictures[-1], truth))
        if len(seeds) > 1:
            spreads.append(torch.stack(pictures).std(dim=0).mean().item())
    by_view = torch.cat(scores).mean(dim=0)
    return ValidationScore(
        psnr=by_view.mean().item(),
        psnr_by_view=tuple(by_view.tolist()),
        spread=sum(spreads) / len(spreads) if spreads else 0.0,
    )
