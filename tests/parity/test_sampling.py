"""Guidance, schedule and whole samples against the released code (ARCHITECTURE section 8)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from typing import cast

import pytest
import torch
from diffusers.schedulers.scheduling_ddim import DDIMScheduler
from torch import Tensor

from harmony.guidance import branch_weights, guide
from harmony.models.syncdreamer.branches import BRANCH_INPUTS, plan_branches, unet_input
from harmony.models.syncdreamer.model import SyncDreamer
from harmony.models.syncdreamer.network import ViewInputs
from harmony.models.syncdreamer.schedule import alphas_cumprod, noise_schedule
from harmony.noise import SeededNoise
from harmony.records import Branch, Guidance, SamplerSettings
from harmony.sampling import SAMPLERS, respaced_alphas_cumprod, sample_steps, timesteps
from tests.parity.conftest import ParitySet

OFFICIAL_ORDER = {
    "none": (Branch.FULL,),
    "dg": (Branch.FULL, Branch.NO_REFERENCE, Branch.NO_VIEWS_OFFICIAL),
    "cfg": (Branch.FULL, Branch.UNCONDITIONAL),
}


def _guidance(rule: str, scale: float | list[float]) -> Guidance:
    """Translate the released code's scale: w of CFG is 1 + s."""
    if rule == "none":
        return Guidance(rule="none")
    if isinstance(scale, list):
        name = {"dg": "decomposed-official", "dg_paper": "decomposed"}[rule]
        return Guidance(rule=name, s1=scale[0], s2=scale[1])
    return Guidance(rule="cfg", cfg_scale=scale - 1.0)


def _predict(parity: ParitySet, branches: tuple[Branch, ...]) -> dict[Branch, Tensor]:
    """Run all branches in one batch for each timestep, with the recorded volumes."""
    unet, plan = parity.network.unet, plan_branches(branches)
    residuals = unet.zero_volume_residuals(parity.config.latent_size)
    out = torch.empty(len(branches), *parity["guidance.x"].shape)
    for t in parity["guidance.t"].unique():
        rows = parity["guidance.t"] == t
        context = parity["cond.context"][rows, 0]
        attended = tuple(
            layer.attend_single_token(context) for layer in unet.spatial_transformers()
        )
        view = torch.zeros(len(context), 4)
        inputs = ViewInputs(view, parity["cond.x_concat"][rows], attended, residuals)
        contexts = unet.depth_contexts([volume[rows] for volume in parity.volumes])
        x = parity["guidance.x"][rows]
        noise = parity.network.predict_rows(x, t[None], contexts, inputs, plan)
        out[:, rows] = noise.unflatten(0, (len(branches), -1))
    return dict(zip(plan.order, out, strict=True))


@pytest.mark.parametrize("rule", ["none", "dg", "cfg"])
def test_guidance(parity: ParitySet, rule: str) -> None:
    scales = parity.recorded["info"]["guidance"]
    guidance = _guidance(rule, {"dg": scales["scales_dg"]}.get(rule, scales["scale_cfg"]))
    branches = OFFICIAL_ORDER[rule]
    assert set(branch_weights(guidance)) == set(branches)
    predictions = _predict(parity, branches)
    stacked = torch.cat([predictions[branch] for branch in branches])
    parity.check(f"guidance.{rule}.eps_branches", stacked)
    parity.check(f"guidance.{rule}.eps", guide(predictions, guidance))
    if rule != "none":
        x, concat = parity["guidance.x"], parity["cond.x_concat"]
        inputs = [unet_input(x, concat, BRANCH_INPUTS[b].latent_factor) for b in branches]
        parity.check(f"guidance.{rule}.unet_x", torch.cat(inputs))


@pytest.mark.parametrize("rule", ["none", "dg", "cfg"])
def test_guidance_conditions(parity: ParitySet, rule: str) -> None:
    inputs = [BRANCH_INPUTS[branch] for branch in OFFICIAL_ORDER[rule]]
    context = parity["cond.context"].abs().mean()
    expected = torch.stack([context * given.context for given in inputs])
    parity.check(f"guidance.{rule}.unet_context_absmean_per_branch", expected)
    means = torch.stack([volume.abs().mean() for volume in parity.volumes])
    expected = torch.stack([means * given.volume for given in inputs], dim=1)
    parity.check(f"guidance.{rule}.unet_volume_absmean_per_branch", expected)


def test_guidance_of_the_paper(parity: ParitySet) -> None:
    guidance = _guidance("dg_paper", parity.recorded["info"]["guidance"]["scales_dg"])
    predictions = _predict(parity, tuple(branch_weights(guidance)))
    parity.check("guidance.dg_paper.eps", guide(predictions, guidance))


def test_schedule_tables(parity: ParitySet) -> None:
    levels = alphas_cumprod()
    parity.check("schedule.alphas_cumprod", levels)
    betas = 1 - levels.double() / torch.cat([torch.ones(1), levels[:-1]]).double()
    parity.check("schedule.betas", betas)


@pytest.mark.parametrize("steps", [50, 200])
def test_ddim_schedule(parity: ParitySet, steps: int) -> None:
    schedule = noise_schedule()
    visited = torch.tensor(timesteps(schedule, steps)).flip(0)
    assert torch.equal(visited, parity[f"schedule.{steps}.timesteps"])
    levels = respaced_alphas_cumprod(schedule, steps)
    parity.check(f"schedule.{steps}.alphas", levels)
    parity.check(f"schedule.{steps}.sqrt_one_minus_alphas", (1 - levels).sqrt())
    scheduler = cast(DDIMScheduler, SAMPLERS["ddim"](schedule, steps))
    before = [scheduler.final_alpha_cumprod, *scheduler.alphas_cumprod[:-1]]
    parity.check(f"schedule.{steps}.alphas_prev", torch.stack(before))
    variances = [scheduler._get_variance(level, level - 1) for level in range(steps)]
    parity.check(f"schedule.{steps}.sigmas_eta1", torch.stack(variances).sqrt())


@pytest.mark.parametrize(
    ("name", "index", "eta", "noisy"),
    [
        ("ddim.eta1.index49", 49, 1.0, True),
        ("ddim.eta1.index25", 25, 1.0, True),
        ("ddim.eta1.index0", 0, 1.0, True),
        ("ddim.eta1.index0.step0", 0, 1.0, False),
        ("ddim.eta0.index25", 25, 0.0, True),
    ],
)
def test_ddim_step(parity: ParitySet, name: str, index: int, eta: float, noisy: bool) -> None:
    scheduler = cast(DDIMScheduler, SAMPLERS["ddim"](noise_schedule(), 50))
    scheduler.set_timesteps(50)
    noise = parity["ddim.noise"] if noisy else torch.zeros_like(parity["ddim.noise"])
    eps, x = parity["ddim.eps"], parity["ddim.x"]
    step = partial(scheduler.step, eps, index, x, eta=eta, return_dict=False)
    out = (step(variance_noise=noise) if eta > 0 else step())[0]
    parity.check(name, out)


class RecordedNoise(SeededNoise):
    """Hands out the recorded draws of one sample in their order of use."""

    def __init__(self, draws: list[Tensor]) -> None:
        super().__init__([0])
        self._draws = list(draws)

    def draw(self, shape: Sequence[int]) -> Tensor:
        drawn = self._draws.pop(0)
        assert drawn.shape[1:] == tuple(shape)
        return drawn


@pytest.mark.parametrize("name", ["dg_eta1", "cfg_eta1", "cfg_eta0"])
def test_sample(parity: ParitySet, name: str) -> None:
    recorded = parity.recorded["info"]["sample"][name]
    guidance = _guidance(name.split("_")[0], recorded["scale"])
    steps = len(parity["sample.timesteps_ascending"])
    settings = SamplerSettings(sampler="ddim", num_steps=steps, eta=recorded["eta"])
    model = SyncDreamer(parity.network, weights_sha256="")
    ascending = torch.tensor(timesteps(model.schedule, steps)).flip(0)
    assert torch.equal(ascending, parity["sample.timesteps_ascending"])
    names = ["sample.xT", *(f"sample.noise{i}" for i in range(steps - 1))]
    trajectories = []
    for row in range(len(parity["sample.xT"])):
        one = slice(row, row + 1)
        elevation_deg = math.degrees(parity["spatial.elevation_rad"][row].item())
        clip, latent = parity["cond.clip_embed"][one, 0], parity["cond.x_input"][one]
        condition = model.condition(clip, latent, elevation_deg)
        noise = RecordedNoise([parity[draw][one] for draw in names])
        walk = sample_steps(model, condition, noise, guidance, settings)
        trajectories.append([step.latents for step in walk])
    final = torch.cat([trajectory[-1] for trajectory in trajectories])
    parity.check(f"sample.{name}.final", final)
    if f"sample.{name}.after_step1" in parity.tensors:
        first = torch.cat([trajectory[0] for trajectory in trajectories])
        parity.check(f"sample.{name}.after_step1", first)
