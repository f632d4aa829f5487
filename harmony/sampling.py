"""The reverse process: noise -> clean latents, with diffusers' schedulers.

A sampler is one entry of `SAMPLERS`. Every scheduler is built on the *respaced* schedule
(Nichol and Dhariwal, arXiv 2102.09672, Sec. 4): only the `num_steps` noise levels that are
visited. So every sampler visits the same timesteps, and DDIM steps exactly from one to the next
for every step count (diffusers' own DDIM assumes that they are `T // num_steps` apart).
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Float
from torch import Tensor

from harmony.ddim import ShortDdim
from harmony.guidance import branch_weights, guide
from harmony.models.base import DistilledDenoiser, MultiviewDenoiser, NoiseSchedule
from harmony.noise import SeededNoise
from harmony.records import Condition, Guidance, SamplerSettings

if TYPE_CHECKING:
    from diffusers.schedulers.scheduling_ddim import DDIMScheduler
    from diffusers.schedulers.scheduling_dpmsolver_multistep import DPMSolverMultistepScheduler
    from diffusers.schedulers.scheduling_unipc_multistep import UniPCMultistepScheduler

    Scheduler = DDIMScheduler | DPMSolverMultistepScheduler | UniPCMultistepScheduler

MAX_STEPS = 1000
UNGUIDED = Guidance(rule="none")
VERSION = "5"
"""Goes into recipes; rises whenever the same recipe would paint other pictures than before."""


@dataclass(frozen=True)
class SamplingStep:
    """The state after one step.

    Attributes:
        index: 0 to num_steps - 1.
        num_steps: Steps in all.
        timestep: The timestep at which the network was asked.
        latents: (S, N, C, h, w) after the step.
        predicted_clean: (S, N, C, h, w) the x0 that the guided prediction implies.
    """

    index: int
    num_steps: int
    timestep: int
    latents: Float[Tensor, "S N C h w"]
    predicted_clean: Float[Tensor, "S N C h w"]


def validate_settings(settings: SamplerSettings) -> SamplerSettings:
    """Return the settings unchanged.

    Raises:
        ValueError: Unknown sampler, num_steps not an integer in 1..1000, eta not in [0, 1].
    """
    if settings.sampler not in SAMPLERS:
        raise ValueError(
            f"Sampler is {settings.sampler!r}; it must be one of {', '.join(SAMPLERS)}."
        )
    steps = settings.num_steps
    if isinstance(steps, bool) or not isinstance(steps, int) or not 1 <= steps <= MAX_STEPS:
        raise ValueError(
            f"Number of steps is {steps!r}; it must be a whole number, 1 to {MAX_STEPS}."
        )
    if not math.isfinite(settings.eta) or not 0.0 <= settings.eta <= 1.0:
        raise ValueError(f"Eta is {settings.eta}; it must be a number from 0 to 1.")
    return settings


def timesteps(schedule: NoiseSchedule, num_steps: int) -> tuple[int, ...]:
    """Return the timesteps that are visited, falling.

    "leading": (0, c, 2c, ...) + steps_offset with c = T // num_steps, as the released code has it
    for step counts that divide T. "trailing": T - 1 first, then T / num_steps apart. A walk of
    the schedule's own comes before either.

    Raises:
        ValueError: A timestep would lie beyond the schedule, or the spacing is unknown.
    """
    for walk in schedule.walks:
        if len(walk) == num_steps:
            return walk
    total = len(schedule.alphas_cumprod)
    if schedule.timestep_spacing == "leading":
        ratio = total // num_steps
        rising = [i * ratio + schedule.steps_offset for i in range(num_steps)]
    elif schedule.timestep_spacing == "trailing":
        rising = [round((i + 1) * total / num_steps) - 1 for i in range(num_steps)]
    else:
        raise ValueError(
            f"Timestep spacing is {schedule.timestep_spacing!r}; it must be leading or trailing."
        )
    if num_steps > total or rising[-1] >= total:
        raise ValueError(
            f"{num_steps} steps are too many for this model; use {total - 1} steps or fewer."
        )
    return tuple(reversed(rising))


def passes_by_step(schedule: NoiseSchedule, guidance: Guidance, num_steps: int) -> tuple[int, ...]:
    """Return how many branches each step computes, for one sample.

    Raises:
        ValueError: As `timesteps` and `branch_weights`.
    """
    guided, plain = len(branch_weights(guidance)), len(branch_weights(UNGUIDED))
    visited = timesteps(schedule, num_steps)
    return tuple(guided if schedule.guides(t) else plain for t in visited)


def respaced_alphas_cumprod(schedule: NoiseSchedule, num_steps: int) -> Float[Tensor, " num_steps"]:
    """Return alphas_cumprod of the visited timesteps, rising in time, in float64."""
    visited = timesteps(schedule, num_steps)
    return torch.tensor(
        [schedule.alphas_cumprod[t] for t in reversed(visited)], dtype=torch.float64
    )


def _common(schedule: NoiseSchedule, alphas_cumprod: Float[Tensor, " S"]) -> dict[str, Any]:
    previous = torch.cat([torch.ones(1, dtype=torch.float64), alphas_cumprod[:-1]])
    betas = (1.0 - alphas_cumprod / previous).to(torch.float32)
    return {
        "num_train_timesteps": len(alphas_cumprod),
        "trained_betas": betas.numpy(),
        "prediction_type": schedule.prediction_type,
        # With as many steps as there are levels: S - 1, ..., 1, 0.
        "timestep_spacing": "trailing",
        "steps_offset": 0,
    }


def _ddim(schedule: NoiseSchedule, num_steps: int) -> DDIMScheduler:
    """DDIM (arXiv 2010.02502), Eq. 12 and 16."""
    from diffusers.schedulers.scheduling_ddim import DDIMScheduler

    alphas_cumprod = respaced_alphas_cumprod(schedule, num_steps)
    scheduler = DDIMScheduler(
        **_common(schedule, alphas_cumprod),
        clip_sample=False,
        set_alpha_to_one=schedule.set_alpha_to_one,
    )
    # float64, because 1 - abar_prev - sigma^2 comes close to 0 at eta = 1 and is under a root.
    scheduler.alphas_cumprod = alphas_cumprod
    last = 1.0 if schedule.set_alpha_to_one else schedule.alphas_cumprod[0]
    scheduler.final_alpha_cumprod = torch.tensor(last, dtype=torch.float64)
    return scheduler


def _dpm_solver(schedule: NoiseSchedule, num_steps: int) -> DPMSolverMultistepScheduler:
    """DPM-Solver++ (2M) (arXiv 2211.01095)."""
    # Imports SciPy's statistics, which takes longer than a step.
    from diffusers.schedulers.scheduling_dpmsolver_multistep import DPMSolverMultistepScheduler

    alphas_cumprod = respaced_alphas_cumprod(schedule, num_steps)
    return DPMSolverMultistepScheduler(
        **_common(schedule, alphas_cumprod), algorithm_type="dpmsolver++", solver_order=2
    )


def _unipc(schedule: NoiseSchedule, num_steps: int) -> UniPCMultistepScheduler:
    """UniPC (arXiv 2302.04867), order 2, B2(h)."""
    from diffusers.schedulers.scheduling_unipc_multistep import UniPCMultistepScheduler

    alphas_cumprod = respaced_alphas_cumprod(schedule, num_steps)
    return UniPCMultistepScheduler(**_common(schedule, alphas_cumprod), solver_order=2)


SAMPLERS: Mapping[str, Callable[[NoiseSchedule, int], Scheduler]] = {
    "ddim": _ddim,
    "dpm++": _dpm_solver,
    "unipc": _unipc,
}


def predict_clean(
    prediction: Float[Tensor, "..."],
    latents: Float[Tensor, "..."],
    alpha_cumprod: float,
    prediction_type: str,
) -> Float[Tensor, "..."]:
    """Return the x0 that a prediction implies; x_t = sqrt(abar) x0 + sqrt(1 - abar) epsilon.

    Raises:
        ValueError: The prediction type is unknown.
    """
    signal, noise = math.sqrt(alpha_cumprod), math.sqrt(1.0 - alpha_cumprod)
    if prediction_type == "sample":
        return prediction
    if prediction_type == "epsilon":
        return (latents - noise * prediction) / signal
    if prediction_type == "v_prediction":
        return signal * latents - noise * prediction
    raise ValueError(
        f"Prediction type is {prediction_type!r}; it must be epsilon, sample or v_prediction."
    )


def validate_request(
    model: MultiviewDenoiser, guidance: Guidance, settings: SamplerSettings
) -> None:
    """Check that the model can be sampled so.

    Raises:
        ValueError: Settings or guidance are invalid, or the model cannot serve them.
    """
    validate_settings(settings)
    branch_weights(guidance)
    if guidance.rule not in model.guidance_rules:
        raise ValueError(
            f"The model {model.name} cannot serve the guidance rule {guidance.rule!r}; "
            f"it serves {', '.join(model.guidance_rules)}."
        )
    timesteps(model.schedule, settings.num_steps)
    if isinstance(model, DistilledDenoiser):
        model.check_request(guidance, settings)


def sample_steps(
    model: MultiviewDenoiser,
    condition: Condition,
    noise: SeededNoise,
    guidance: Guidance,
    settings: SamplerSettings,
) -> Generator[SamplingStep]:
    """Walk the reverse process; closing the generator stops it between two steps.

    Every seed draws x_T first and then, for DDIM with eta > 0, one tensor for each step except
    the last (the released code adds none there).

    Args:
        model: The denoiser.
        condition: What `model.encode_reference` returned.
        noise: One stream for each sample; drawn on the CPU, used on `model.device`.
        guidance: The rule and its scales.
        settings: Sampler, number of steps, eta.

    Returns:
        A generator over `settings.num_steps` steps; the last one's `latents` are the result.

    Raises:
        ValueError: Settings or guidance are invalid, or the model cannot serve the rule.
    """
    validate_request(model, guidance, settings)
    return _walk(model, condition, noise, guidance, settings)


@torch.inference_mode()
def _walk(
    model: MultiviewDenoiser,
    condition: Condition,
    noise: SeededNoise,
    guidance: Guidance,
    settings: SamplerSettings,
) -> Generator[SamplingStep]:
    visited = timesteps(model.schedule, settings.num_steps)
    if isinstance(model, DistilledDenoiser):
        condition = model.with_dials(condition, guidance, settings.num_steps)
        scheduler = ShortDdim(model.schedule.alphas_cumprod, visited)
    else:
        scheduler = SAMPLERS[settings.sampler](model.schedule, settings.num_steps)
    scheduler.set_timesteps(settings.num_steps)
    shape = (model.view_count, *model.latent_shape)
    last = settings.num_steps - 1
    takes_eta = "eta" in inspect.signature(scheduler.step).parameters
    latents = noise.draw(shape).to(model.device) * scheduler.init_noise_sigma
    # The scheduler counts its own levels; the network is told the timestep behind each.
    for index, (level, timestep) in enumerate(
        zip(scheduler.timesteps.tolist(), visited, strict=True)
    ):
        now = guidance if model.schedule.guides(timestep) else UNGUIDED
        predictions = model.predict(latents, timestep, condition, tuple(branch_weights(now)))
        # In float32, whatever the network computes in: guidance amplifies differences.
        predictions = {name: p.to(latents.dtype) for name, p in predictions.items()}
        guided = guide(predictions, now, model.schedule.guidance_bound)
        if (bound := model.schedule.clip_sample_range) is not None:
            guided = guided.clamp(-bound, bound)  # guidance overshoots what a picture can hold
        clean = predict_clean(
            guided,
            latents,
            model.schedule.alphas_cumprod[timestep],
            model.schedule.prediction_type,
        )
        if takes_eta and settings.eta > 0:
            fresh = torch.zeros_like(latents) if index == last else noise.draw(shape)
            stochastic = {"eta": settings.eta, "variance_noise": fresh.to(latents)}
        else:
            stochastic = {}
        latents = scheduler.step(guided, level, latents, return_dict=False, **stochastic)[0]
        yield SamplingStep(index, settings.num_steps, timestep, latents, clean)


def sample(
    model: MultiviewDenoiser,
    condition: Condition,
    noise: SeededNoise,
    guidance: Guidance,
    settings: SamplerSettings,
    *,
    on_step: Callable[[SamplingStep], None] | None = None,
) -> Float[Tensor, "S N C h w"]:
    """Walk the whole reverse process (see `sample_steps`) and return the clean latents."""
    latents = None
    for step in sample_steps(model, condition, noise, guidance, settings):
        latents = step.latents
        if on_step is not None:
            on_step(step)
    assert latents is not None  # there is at least one step
    return latents
