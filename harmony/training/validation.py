"""The small model against ground truth on objects that training never sees."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import fmean

import torch
from jaxtyping import Float
from torch import Tensor

from harmony.models.small import SmallDenoiser
from harmony.noise import SeededNoise
from harmony.records import Guidance, ReferenceImage, SamplerSettings
from harmony.sampling import sample

SEED_STRIDE = 100_003


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
        psnr_by_seed: Mean over objects and views for each seed.
        diversity_by_seed: The CD score's D (official scaling), mean over objects, for each seed;
            empty where nothing embedded the views.
        standard_error: Of `psnr`, over objects; 0 for one object.
    """

    psnr: float
    psnr_by_view: tuple[float, ...]
    spread: float
    psnr_by_seed: tuple[float, ...] = ()
    diversity_by_seed: tuple[float, ...] = ()
    standard_error: float = 0.0

    @property
    def psnr_first_view(self) -> float:
        """PSNR of view 0, which shows the input's side."""
        return self.psnr_by_view[0]

    @property
    def psnr_other_views(self) -> float:
        """Mean PSNR of the views that the input does not show."""
        return fmean(self.psnr_by_view[1:])

    @property
    def diversity(self) -> float | None:
        """Mean D, or None where nothing embedded the views."""
        return fmean(self.diversity_by_seed) if self.diversity_by_seed else None


Embed = Callable[[Float[Tensor, "B 3 H W"]], Float[Tensor, "B d"]]
"""Pictures in [0, 1] to unit vectors on the CPU, as `ClipEncoder.embed_images` does."""


def psnr(
    pixels: Float[Tensor, "... 3 H W"], truth: Float[Tensor, "... 3 H W"]
) -> Float[Tensor, "..."]:
    """Return 10 log10(1 / mean squared error) of every picture in [0, 1]."""
    error = (pixels - truth).square().mean(dim=(-3, -2, -1)).clamp(min=1e-10)
    return -10.0 / math.log(10.0) * error.log()


def view_diversity(pixels: Float[Tensor, "B N 3 H W"], embed: Embed) -> Float[Tensor, " B"]:
    """Return D of the CD score (official scaling): sum over views of 1 - cos to view 0."""
    embedded = embed(pixels.flatten(0, 1)).unflatten(0, pixels.shape[:2]).double()
    return (1 - (embedded * embedded[:, :1]).sum(dim=-1)).sum(dim=1)


def validate(
    model: SmallDenoiser,
    objects: Sequence[ValidationObject],
    *,
    guidance: Guidance,
    settings: SamplerSettings,
    seeds: Sequence[int] = (0,),
    batch: int = 16,
    embed: Embed | None = None,
    on_progress: Callable[[int], None] | None = None,
) -> ValidationScore:
    """Sample every object for every seed and compare with the truth.

    Args:
        model: On its device.
        objects: At the model's picture size.
        guidance: Rule and scales.
        settings: Sampler.
        seeds: Object k uses the stream of seed * 100003 + k, however objects are batched.
        batch: Samples made together: objects times seeds.
        embed: Measures D where given.
        on_progress: Told the number of objects done.

    Raises:
        ValueError: There is no object or no seed.
    """
    if not objects or not seeds:
        raise ValueError("Validation needs at least one object and one seed.")
    together = max(1, batch // len(seeds))
    scores, spreads, diversities = [], [], []
    for start in range(0, len(objects), together):
        chosen = objects[start : start + together]
        pixels = paint(model, chosen, start, guidance, settings, seeds)
        truth = torch.stack([item.views for item in chosen]).to(model.device)
        scores.append(psnr(pixels, truth[:, None]).cpu())
        if len(seeds) > 1:
            spreads.append(pixels.std(dim=1).flatten(1).mean(dim=1).cpu())
        if embed is not None:
            flat = view_diversity(pixels.flatten(0, 1), embed)
            diversities.append(flat.unflatten(0, pixels.shape[:2]).cpu())
        if on_progress is not None:
            on_progress(start + len(chosen))
    every = torch.cat(scores)  # (objects, seeds, views)
    by_object = every.mean(dim=(1, 2))
    error = float(by_object.std() / math.sqrt(len(objects))) if len(objects) > 1 else 0.0
    return ValidationScore(
        psnr=every.mean().item(),
        psnr_by_view=tuple(every.mean(dim=(0, 1)).tolist()),
        spread=torch.cat(spreads).mean().item() if spreads else 0.0,
        psnr_by_seed=tuple(every.mean(dim=(0, 2)).tolist()),
        diversity_by_seed=tuple(torch.cat(diversities).mean(dim=0).tolist()) if embed else (),
        standard_error=error,
    )


def paint(
    model: SmallDenoiser,
    chosen: Sequence[ValidationObject],
    first: int,
    guidance: Guidance,
    settings: SamplerSettings,
    seeds: Sequence[int],
) -> Float[Tensor, "O S N 3 H W"]:
    """Return every object's pictures for every seed, made in one batch."""
    pairs = [(k, seed) for k in range(len(chosen)) for seed in seeds]
    condition = model.encode_references([chosen[k].reference for k, _ in pairs])
    streams = [seed * SEED_STRIDE + first + k for k, seed in pairs]
    latents = sample(model, condition, SeededNoise(streams, model.device), guidance, settings)
    return model.decode(latents).pixels.unflatten(0, (len(chosen), len(seeds)))
