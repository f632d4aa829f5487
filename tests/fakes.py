"""A tiny deterministic multi-view denoiser: sixteen coloured discs that honour every setting."""

from __future__ import annotations

import colorsys
import math
from collections.abc import Sequence

import torch
from torch import Tensor

from harmony.models.base import ModelDefaults, NoiseSchedule
from harmony.records import (
    Branch,
    Condition,
    Guidance,
    Predictions,
    ReferenceImage,
    SamplerSettings,
    Views,
)

IMAGE_SIZE = 32
LATENT_SIZE = 8
VIEW_COUNT = 16

KNOWS_REFERENCE = (Branch.FULL, Branch.NO_VIEWS, Branch.NO_VIEWS_OFFICIAL)
KNOWS_VIEWS = (Branch.FULL, Branch.NO_REFERENCE)


def fake_schedule(prediction_type: str = "epsilon", spacing: str = "leading") -> NoiseSchedule:
    """Return Stable Diffusion's schedule (leading, offset 1) or the same with trailing spacing."""
    betas = torch.linspace(0.00085**0.5, 0.012**0.5, 1000, dtype=torch.float64) ** 2
    leading = spacing == "leading"
    return NoiseSchedule(
        alphas_cumprod=tuple((1 - betas).cumprod(0).tolist()),
        prediction_type=prediction_type,
        timestep_spacing=spacing,
        steps_offset=1 if leading else 0,
        set_alpha_to_one=not leading,
    )


class FakeDenoiser:
    """View n is a disc of hue n / 16, tinted by the reference and moved by the noise.

    Every call of `predict` is noted in `calls` as (timestep, branches, number of samples).
    """

    def __init__(
        self, prediction_type: str = "epsilon", spacing: str = "leading", device: str = "cpu"
    ) -> None:
        self.name = "fake"
        self.weights_sha256 = "0" * 64
        self.view_count = VIEW_COUNT
        self.image_size = IMAGE_SIZE
        self.latent_shape: tuple[int, int, int] = (3, LATENT_SIZE, LATENT_SIZE)
        self.guidance_rules: tuple[str, ...] = ("none", "cfg", "decomposed")
        self.device = torch.device(device)
        self.dtype = torch.float32
        self.schedule = fake_schedule(prediction_type, spacing)
        self.defaults = ModelDefaults(
            Guidance("decomposed", 2.0, 1.0), SamplerSettings("ddim", 4, 1.0)
        )
        self.calls: list[tuple[int, tuple[Branch, ...], int]] = []
        self.encoded = 0

    def encode_reference(self, reference: ReferenceImage) -> Condition:
        self.encoded += 1
        tint = reference.pixels.mean(dim=(1, 2)) + math.sin(math.radians(reference.elevation_deg))
        return Condition({"tint": tint.to(self.device, torch.float32)})

    def predict(
        self,
        latents: Tensor,
        timestep: int,
        condition: Condition,
        branches: Sequence[Branch],
    ) -> Predictions:
        self.calls.append((timestep, tuple(branches), len(latents)))
        return {
            branch: self._as_prediction(self._clean(latents, condition, branch), latents, timestep)
            for branch in branches
        }

    def _clean(self, latents: Tensor, condition: Condition, branch: Branch) -> Tensor:
        hues = torch.tensor(
            [colorsys.hsv_to_rgb(n / VIEW_COUNT, 0.8, 0.8) for n in range(VIEW_COUNT)]
        )
        clean = (hues.to(latents) * 2 - 1).view(1, VIEW_COUNT, 3, 1, 1).expand_as(latents)
        if branch in KNOWS_VIEWS:
            clean = clean + 0.3 * torch.tanh(latents)
        if branch in KNOWS_REFERENCE:
            clean = clean + 0.1 * condition.tensors["tint"].view(3, 1, 1)
        return clean

    def _as_prediction(self, clean: Tensor, latents: Tensor, timestep: int) -> Tensor:
        alpha = self.schedule.alphas_cumprod[timestep]
        signal, noise = math.sqrt(alpha), math.sqrt(1 - alpha)
        epsilon = (latents - signal * clean) / noise
        return {
            "sample": clean,
            "epsilon": epsilon,
            "v_prediction": signal * epsilon - noise * clean,
        }[self.schedule.prediction_type]

    def decode(self, latents: Tensor) -> Views:
        colour = self._upsample(self.preview(latents))
        alpha = disc_mask().to(colour).expand(*colour.shape[:2], 1, IMAGE_SIZE, IMAGE_SIZE).clone()
        return Views(colour * alpha + 1 - alpha, alpha)

    def preview(self, predicted_clean: Tensor) -> Tensor:
        return (predicted_clean.clamp(-1, 1) + 1) / 2

    @staticmethod
    def _upsample(pictures: Tensor) -> Tensor:
        factor = IMAGE_SIZE // LATENT_SIZE
        return pictures.repeat_interleave(factor, -1).repeat_interleave(factor, -2)


def disc_mask() -> Tensor:
    """Return (1, 1, 1, H, H): 1 inside a centred disc of 0.8 of the frame."""
    axis = torch.arange(IMAGE_SIZE) + 0.5 - IMAGE_SIZE / 2
    inside = axis[:, None] ** 2 + axis[None, :] ** 2 <= (0.4 * IMAGE_SIZE) ** 2
    return inside.to(torch.float32).view(1, 1, 1, IMAGE_SIZE, IMAGE_SIZE)
