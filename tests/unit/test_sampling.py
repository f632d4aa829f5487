from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from diffusers.schedulers.scheduling_ddim import DDIMScheduler
from safetensors.torch import load_file

from harmony.models.base import NoiseSchedule
from harmony.noise import SeededNoise
from harmony.records import Branch, Condition, Guidance, SamplerSettings
from harmony.sampling import (
    SAMPLERS,
    passes_by_step,
    predict_clean,
    sample,
    sample_steps,
    timesteps,
    validate_settings,
)
from tests.fakes import FakeDenoiser, fake_schedule

# diffusers builds its arrays in a way that NumPy 2 will stop to accept.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

CONDITION = Condition({"tint": torch.tensor([0.2, -0.1, 0.3])})
OFF = Guidance("decomposed", 0.0, 0.0)
DIALS = Guidance("decomposed", 2.0, 1.0)


def run(model: FakeDenoiser, settings: SamplerSettings, seeds=(0,), guidance: Guidance = OFF):
    return sample(model, CONDITION, SeededNoise(seeds), guidance, settings)


@pytest.mark.parametrize("num_steps", [1, 2, 4, 5, 8, 10, 20, 25, 40, 50, 100, 200, 250, 500])
def test_leading_timesteps_are_the_released_ones(num_steps):
    rising = [t + 1 for t in range(0, 1000, 1000 // num_steps)]
    assert timesteps(fake_schedule(), num_steps) == tuple(reversed(rising))


@pytest.mark.parametrize("num_steps", [1, 3, 12, 50, 333, 1000])
def test_trailing_timesteps_begin_in_noise_and_keep_their_number(num_steps):
    visited = timesteps(fake_schedule(spacing="trailing"), num_steps)
    assert visited[0] == 999
    assert len(set(visited)) == num_steps
    assert visited[-1] == round(1000 / num_steps) - 1


def test_a_walk_of_the_schedule_s_own_takes_the_place_of_the_spacing():
    schedule = replace(fake_schedule(spacing="trailing"), walks=((999, 832, 666, 499), (999, 499)))
    assert timesteps(schedule, 4) == (999, 832, 666, 499)
    assert timesteps(schedule, 2) == (999, 499)
    assert timesteps(schedule, 3) == timesteps(fake_schedule(spacing="trailing"), 3)


@pytest.mark.parametrize("walk", [(499, 999), (999, 999), (1000, 10), (5, -1)])
def test_a_walk_that_does_not_fall_within_the_schedule_is_refused(walk):
    with pytest.raises(ValueError, match="do not fall within"):
        replace(fake_schedule(), walks=(walk,))


def test_a_thousand_steps_with_an_offset_leave_the_schedule():
    with pytest.raises(ValueError, match="999 steps or fewer"):
        timesteps(fake_schedule(), 1000)


@pytest.mark.parametrize(
    "settings",
    [
        SamplerSettings("euler", 10, 1.0),
        SamplerSettings("ddim", 0, 1.0),
        SamplerSettings("ddim", 1001, 1.0),
        SamplerSettings("ddim", 10**9, 1.0),
        SamplerSettings("ddim", 2.5, 1.0),  # pyright: ignore[reportArgumentType]
        SamplerSettings("ddim", True, 1.0),
        SamplerSettings("ddim", 10, -0.1),
        SamplerSettings("ddim", 10, 1.1),
        SamplerSettings("ddim", 10, math.nan),
        SamplerSettings("ddim", 10, math.inf),
    ],
)
def test_invalid_settings_are_refused_before_the_first_step(model, settings):
    with pytest.raises(ValueError, match="must be"):
        validate_settings(settings)
    with pytest.raises(ValueError, match="must be"):
        sample_steps(model, CONDITION, SeededNoise([0]), OFF, settings)
    assert model.calls == []


def test_a_rule_that_the_model_does_not_serve_is_refused(model):
    with pytest.raises(ValueError, match="cannot serve"):
        sample_steps(
            model, CONDITION, SeededNoise([0]), Guidance("decomposed-official"), SamplerSettings()
        )


@pytest.mark.parametrize("prediction_type", ["epsilon", "sample", "v_prediction"])
def test_ddim_equals_diffusers_where_steps_divide_the_schedule(prediction_type):
    model = FakeDenoiser(prediction_type)
    seed, steps, eta = 3, 20, 0.7
    reference = DDIMScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        clip_sample=False,
        set_alpha_to_one=False,
        steps_offset=1,
        prediction_type=prediction_type,
    )
    reference.set_timesteps(steps)
    noise = SeededNoise([seed])
    latents = noise.draw((16, 3, 8, 8))
    for index, t in enumerate(reference.timesteps):
        prediction = model.predict(latents, int(t), CONDITION, [Branch.FULL])[Branch.FULL]
        last = index == steps - 1
        fresh = torch.zeros_like(latents) if last else noise.draw((16, 3, 8, 8))
        latents = reference.step(
            prediction, int(t), latents, eta=eta, variance_noise=fresh, return_dict=False
        )[0]
    ours = run(model, SamplerSettings("ddim", steps, eta), [seed])
    torch.testing.assert_close(ours, latents, atol=2e-4, rtol=1e-4)


class _OneObject(FakeDenoiser):
    """Always sees the same clean object, so that every exact sampler must arrive at it."""

    def _clean(self, latents, condition, branch):
        return torch.full_like(latents, 0.25)


@pytest.mark.parametrize("sampler", list(SAMPLERS))
@pytest.mark.parametrize("prediction_type", ["epsilon", "sample", "v_prediction"])
@pytest.mark.parametrize("num_steps", [1, 2, 7, 30])
def test_samplers_arrive_at_the_only_object(sampler, prediction_type, num_steps):
    model = _OneObject(prediction_type, "trailing")
    result = run(model, SamplerSettings(sampler, num_steps, 0.0))
    torch.testing.assert_close(result, torch.full_like(result, 0.25), atol=2e-3, rtol=0)


@pytest.mark.parametrize("num_steps", [30, 150, 600])
def test_ddim_keeps_its_noise_level_where_steps_do_not_divide_the_schedule(num_steps):
    model = _OneObject("sample", "trailing")
    settings = SamplerSettings("ddim", num_steps, 0.0)
    noise = SeededNoise([0]).draw((16, 3, 8, 8))
    steps = sample_steps(model, CONDITION, SeededNoise([0]), OFF, settings)
    visited = timesteps(model.schedule, num_steps)
    for step in steps:
        if step.index == num_steps // 2:
            alpha = model.schedule.alphas_cumprod[visited[step.index + 1]]
            start = model.schedule.alphas_cumprod[visited[0]]
            epsilon = (noise - math.sqrt(start) * 0.25) / math.sqrt(1 - start)
            expected = math.sqrt(alpha) * 0.25 + math.sqrt(1 - alpha) * epsilon
            torch.testing.assert_close(step.latents, expected, atol=1e-3, rtol=1e-3)
            return
    pytest.fail("the middle step never came")


def test_ddim_at_eta_one_stays_finite_with_almost_no_signal_at_the_start():
    betas = torch.linspace(1e-4, 0.9, 1000, dtype=torch.float64)
    schedule = NoiseSchedule(
        tuple((1 - betas.pow(3)).cumprod(0).clamp(min=1e-9).tolist()), "sample", "trailing"
    )
    model = FakeDenoiser("sample", "trailing")
    model.schedule = schedule
    for steps in (2, 3, 5, 9):
        assert torch.isfinite(run(model, SamplerSettings("ddim", steps, 1.0))).all()


def test_branches_with_scale_zero_are_never_computed(model):
    settings = SamplerSettings("ddim", 3, 1.0)
    expected = {
        (0.0, 0.0): {Branch.FULL},
        (2.0, 0.0): {Branch.FULL, Branch.NO_REFERENCE},
        (0.0, 1.0): {Branch.FULL, Branch.NO_VIEWS},
        (2.0, 1.0): {Branch.FULL, Branch.NO_REFERENCE, Branch.NO_VIEWS},
    }
    for (s1, s2), branches in expected.items():
        model.calls.clear()
        run(model, settings, guidance=Guidance("decomposed", s1, s2))
        assert [set(call[1]) for call in model.calls] == [branches] * 3


def test_zero_scales_are_no_guidance(model):
    settings = SamplerSettings("ddim", 5, 1.0)
    plain = run(model, settings, guidance=Guidance("none"))
    assert torch.equal(run(model, settings, guidance=OFF), plain)
    assert torch.equal(run(model, settings, guidance=Guidance("cfg", cfg_scale=0.0)), plain)
    assert not torch.equal(run(model, settings, guidance=DIALS), plain)


@pytest.mark.parametrize("sampler", list(SAMPLERS))
def test_equal_seeds_give_equal_bytes(sampler):
    settings = SamplerSettings(sampler, 4, 1.0)
    first = run(FakeDenoiser(), settings, [5], DIALS)
    again = run(FakeDenoiser(), settings, [5], DIALS)
    other = run(FakeDenoiser(), settings, [6], DIALS)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_eta_zero_draws_only_the_start():
    noise = SeededNoise([0])
    sample(FakeDenoiser(), CONDITION, noise, OFF, SamplerSettings("ddim", 4, 0.0))
    fresh = SeededNoise([0])
    fresh.draw((16, 3, 8, 8))
    assert torch.equal(noise.draw((2,)), fresh.draw((2,)))


def test_eta_one_draws_once_a_step_but_the_last():
    noise = SeededNoise([0])
    sample(FakeDenoiser(), CONDITION, noise, OFF, SamplerSettings("ddim", 4, 1.0))
    fresh = SeededNoise([0])
    for _ in range(1 + 3):
        fresh.draw((16, 3, 8, 8))
    assert torch.equal(noise.draw((2,)), fresh.draw((2,)))


def test_steps_report_the_guided_estimate(model):
    steps = list(
        sample_steps(model, CONDITION, SeededNoise([0, 1]), OFF, SamplerSettings("ddim", 4, 1.0))
    )
    assert [step.index for step in steps] == [0, 1, 2, 3]
    assert [step.timestep for step in steps] == [751, 501, 251, 1]
    assert {step.predicted_clean.shape for step in steps} == {torch.Size((2, 16, 3, 8, 8))}
    expected = model._clean(steps[1].latents, CONDITION, Branch.FULL)
    torch.testing.assert_close(steps[2].predicted_clean, expected, atol=1e-4, rtol=1e-4)


def test_a_closed_walk_asks_the_network_no_more(model):
    walk = sample_steps(model, CONDITION, SeededNoise([0]), OFF, SamplerSettings("ddim", 50, 1.0))
    next(walk)
    next(walk)
    walk.close()
    assert len(model.calls) == 2
    assert torch.is_inference_mode_enabled() is False


def test_on_step_sees_every_step(model):
    seen = []
    settings = SamplerSettings("unipc", 6, 0.0)
    sample(
        model, CONDITION, SeededNoise([0]), OFF, settings, on_step=lambda s: seen.append(s.index)
    )
    assert seen == list(range(6))


def test_predict_clean_inverts_the_forward_process():
    clean, epsilon, alpha = torch.randn(4), torch.randn(4), 0.3
    signal, noise = math.sqrt(alpha), math.sqrt(1 - alpha)
    latents = signal * clean + noise * epsilon
    for kind, prediction in {
        "sample": clean,
        "epsilon": epsilon,
        "v_prediction": signal * epsilon - noise * clean,
    }.items():
        torch.testing.assert_close(predict_clean(prediction, latents, alpha, kind), clean)
    with pytest.raises(ValueError, match="must be epsilon"):
        predict_clean(clean, latents, alpha, "flow")


def test_unknown_spacing_is_refused():
    with pytest.raises(ValueError, match="leading or trailing"):
        timesteps(replace(fake_schedule(), timestep_spacing="linspace"), 10)


@pytest.mark.shared_data
def test_ddim_equals_the_recorded_updates_of_the_released_code(shared_dir):
    recorded = load_file(shared_dir / "parity" / "small.tensors.safetensors")
    alphas = recorded["schedule.alphas_cumprod"].double().tolist()
    schedule = NoiseSchedule(tuple(alphas), "epsilon", "leading", 1, set_alpha_to_one=False)
    assert list(reversed(timesteps(schedule, 50))) == recorded["schedule.50.timesteps"].tolist()
    assert list(reversed(timesteps(schedule, 200))) == recorded["schedule.200.timesteps"].tolist()
    scheduler = SAMPLERS["ddim"](schedule, 50)
    assert isinstance(scheduler, DDIMScheduler)
    scheduler.set_timesteps(50)
    x, epsilon, noise = (recorded[f"ddim.{name}"] for name in ("x", "eps", "noise"))
    none = torch.zeros_like(noise)
    cases = [
        ("eta1.index49", 49, 1.0, noise),
        ("eta1.index25", 25, 1.0, noise),
        ("eta1.index0.step0", 0, 1.0, none),
        ("eta0.index25", 25, 0.0, none),
    ]
    for name, level, eta, variance_noise in cases:
        ours = scheduler.step(
            epsilon, level, x, eta=eta, variance_noise=variance_noise, return_dict=False
        )[0]
        torch.testing.assert_close(ours, recorded[f"ddim.{name}"], atol=1e-4, rtol=1e-4)


class _Clipped(FakeDenoiser):
    """Overshoots what its pictures can hold."""

    def __init__(self, bound: float | None) -> None:
        super().__init__("sample", "trailing")
        self.schedule = replace(self.schedule, clip_sample_range=bound)

    def predict(self, latents, timestep, condition, branches):
        found = super().predict(latents, timestep, condition, branches)
        return {branch: 3 * prediction for branch, prediction in found.items()}


@pytest.mark.parametrize("sampler", list(SAMPLERS))
def test_the_guided_estimate_is_clipped_for_every_sampler(sampler):
    settings = SamplerSettings(sampler, 6, 0.0)
    steps = {
        bound: list(sample_steps(_Clipped(bound), CONDITION, SeededNoise([0]), DIALS, settings))
        for bound in (None, 1.0)
    }
    assert max(step.predicted_clean.abs().max() for step in steps[None]) > 1.5
    assert max(step.predicted_clean.abs().max() for step in steps[1.0]) == 1.0
    # What is clipped is also what the next step starts from.
    assert (steps[1.0][-1].latents - steps[None][-1].latents).abs().max() > 0.1


def test_clipping_is_diffusers_own_with_the_noise_derived_from_the_clipped_estimate():
    model, steps = _Clipped(1.0), 20
    reference = DDIMScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        clip_sample=True,
        set_alpha_to_one=True,
        timestep_spacing="trailing",
        prediction_type="sample",
    )
    reference.set_timesteps(steps)
    latents = SeededNoise([3]).draw((16, 3, 8, 8))
    for t in reference.timesteps:
        prediction = model.predict(latents, int(t), CONDITION, [Branch.FULL])[Branch.FULL]
        latents = reference.step(
            prediction, int(t), latents, use_clipped_model_output=True, return_dict=False
        )[0]
    ours = run(model, SamplerSettings("ddim", steps, 0.0), [3])
    torch.testing.assert_close(ours, latents, atol=2e-4, rtol=1e-4)


@pytest.mark.parametrize("prediction_type", ["epsilon", "v_prediction"])
def test_only_clean_predictions_can_be_clipped(prediction_type):
    with pytest.raises(ValueError, match="can be clipped"):
        replace(fake_schedule(prediction_type), clip_sample_range=1.0)


class _Interval(FakeDenoiser):
    """Guided at the timesteps 300 to 799 only."""

    def __init__(self) -> None:
        super().__init__("sample", "trailing")
        self.schedule = replace(self.schedule, guidance_interval=(300, 800))


@pytest.mark.parametrize("sampler", list(SAMPLERS))
def test_outside_the_guidance_interval_only_the_full_branch_is_computed(sampler):
    model, settings = _Interval(), SamplerSettings(sampler, 10, 0.0)
    guided = run(model, settings, guidance=DIALS)
    inside = [300 <= timestep < 800 for timestep, _, _ in model.calls]
    assert inside == [False] * 2 + [True] * 5 + [False] * 3
    computed = tuple(len(branches) for _, branches, _ in model.calls)
    assert computed == passes_by_step(model.schedule, DIALS, 10) == tuple(1 + 2 * g for g in inside)
    everywhere = FakeDenoiser("sample", "trailing")
    assert (guided - run(everywhere, settings, guidance=DIALS)).abs().max() > 1e-3
    assert (guided - run(everywhere, settings)).abs().max() > 1e-3


def test_without_an_interval_every_step_is_guided():
    assert passes_by_step(fake_schedule(), DIALS, 4) == (3, 3, 3, 3)
    assert passes_by_step(fake_schedule(), replace(DIALS, s2=0.0), 4) == (2, 2, 2, 2)
    with pytest.raises(ValueError, match="999 steps or fewer"):
        passes_by_step(fake_schedule(), DIALS, 1000)
