"""What every multi-view denoiser offers; the sampler and the page know nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from harmony.records import (
    Branch,
    Condition,
    Guidance,
    Predictions,
    ReferenceImage,
    SamplerSettings,
    Views,
)


@dataclass(frozen=True)
class NoiseSchedule:
    """The forward process as diffusers' schedulers describe it.

    Attributes:
        alphas_cumprod: (T,) strictly falling in (0, 1), index = timestep.
        prediction_type: diffusers' word: "epsilon", "sample" or "v_prediction".
        timestep_spacing: diffusers' word: "leading" or "trailing".
        steps_offset: Added to timesteps with leading spacing.
        set_alpha_to_one: Whether the last DDIM step goes to a noise-free picture.
        clip_sample_range: Bound r of clean values, where they are known to lie in [-r, r]: the
            guided estimate is clipped to it (diffusers' `clip_sample` with
            `use_clipped_model_output`, for every sampler). None clips nothing; only the
            prediction type "sample" can be clipped.
        guidance_interval: Timesteps (low, high) with low <= t < high at which guidance acts; at
            the others the full prediction is taken as it is (Kynkaanniemi et al., arXiv
            2404.07724). None guides at every step, as the paper does.
        guidance_bound: Of the root mean square of each guidance term; see
            `guidance.bounded_scale`. None leaves Eq. 3 and Eq. 7 as they are, as the paper does.
        walks: Each takes the spacing's place for its number of steps: the timesteps that are
            visited, falling (diffusers' `timesteps`).
    """

    alphas_cumprod: tuple[float, ...]
    prediction_type: str
    timestep_spacing: str
    steps_offset: int = 0
    set_alpha_to_one: bool = True
    clip_sample_range: float | None = None
    guidance_interval: tuple[int, int] | None = None
    guidance_bound: float | None = None
    walks: tuple[tuple[int, ...], ...] = ()

    def __post_init__(self) -> None:
        """Refuse a range for a prediction that is not the clean sample, and walks that rise."""
        if self.guidance_bound is not None and not self.guidance_bound > 0:
            raise ValueError(f"The guidance bound is {self.guidance_bound}; it must be above 0.")
        if self.clip_sample_range is not None and self.prediction_type != "sample":
            raise ValueError('Only the prediction type "sample" can be clipped.')
        for walk in self.walks:
            ends = (len(self.alphas_cumprod), *walk, -1)
            if any(after >= before for before, after in pairwise(ends)):
                raise ValueError(f"The timesteps {list(walk)} do not fall within the schedule.")

    def guides(self, timestep: int) -> bool:
        """Return whether guidance acts at a timestep."""
        if self.guidance_interval is None:
            return True
        low, high = self.guidance_interval
        return low <= timestep < high


@dataclass(frozen=True)
class ModelDefaults:
    """Settings at which a model is best value; the page and the command line start here."""

    guidance: Guidance
    sampler: SamplerSettings


class MultiviewDenoiser(Protocol):
    """A network that denoises sixteen views of one object together.

    Attributes:
        name: "small", "syncdreamer" or the folder that it was loaded from.
        weights_sha256: Of the weight file(s).
        view_count: N.
        image_size: Side of the reference it wants and of the views it paints.
        latent_shape: Per view, (C, h, w).
        schedule: Its forward process.
        defaults: Its recommended guidance and sampler.
        guidance_rules: Keys of `harmony.guidance.RULES` that it can serve.
        device: Where its weights are.
        dtype: Number type of its arithmetic.
    """

    name: str
    weights_sha256: str
    view_count: int
    image_size: int
    latent_shape: tuple[int, int, int]
    schedule: NoiseSchedule
    defaults: ModelDefaults
    guidance_rules: tuple[str, ...]

    @property
    def dtype(self) -> torch.dtype:
        """Number type of its arithmetic."""
        ...

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        ...

    def encode_reference(self, reference: ReferenceImage) -> Condition:
        """Encode the reference once; every seed and step shares the result."""
        ...

    def predict(
        self,
        latents: Float[Tensor, "S N C h w"],
        timestep: int,
        condition: Condition,
        branches: Sequence[Branch],
    ) -> Predictions:
        """Predict (`schedule.prediction_type`) for the named branches, nothing more."""
        ...

    def decode(self, latents: Float[Tensor, "S N C h w"]) -> Views:
        """Turn clean latents into views with masks."""
        ...

    def preview(self, predicted_clean: Float[Tensor, "S N C h w"]) -> Float[Tensor, "S N 3 p p"]:
        """Return a cheap picture in [0, 1] of the current estimate, p <= image_size."""
        ...


@runtime_checkable
class DistilledDenoiser(MultiviewDenoiser, Protocol):
    """A denoiser that takes the guidance as an input (Meng et al., arXiv 2210.03142).

    Its `schedule.guidance_interval` is empty, so that each step is one pass of the full branch.

    Attributes:
        step_counts: Numbers of steps that it was distilled for.
    """

    step_counts: tuple[int, ...]

    def check_request(self, guidance: Guidance, settings: SamplerSettings) -> None:
        """Refuse guidance and sampler settings that were not distilled.

        Raises:
            ValueError: The sentence says what is served.
        """
        ...

    def with_dials(self, condition: Condition, guidance: Guidance, num_steps: int) -> Condition:
        """Return the condition with guidance and number of steps in it."""
        ...
