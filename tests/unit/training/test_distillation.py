"""Distillation: the teacher's way in four numbers, and the student's walk beside it."""

import dataclasses

import pytest
import torch

from harmony.models.base import ModelDefaults
from harmony.models.small import SmallConfig, SmallDenoiser, SmallNetwork
from harmony.models.small.schedule import signal_shares
from harmony.models.small_live import LiveNetwork
from harmony.models.small_live.dials import dial_values
from harmony.noise import SeededNoise
from harmony.records import Guidance, ReferenceImage, SamplerSettings
from harmony.sampling import sample
from harmony.training.distillation import (
    EstimateError,
    Trajectories,
    Walk,
    dial_inputs,
    draw_dials,
)
from harmony.training.trajectories import Dials, Teacher, ddim_steps, merged

TINY = SmallConfig(
    image_size=32, view_count=3, width=16, depth=2, heads=2, reference_depth=1, stem=(8, 8, 16)
)
CPU = torch.device("cpu")
SETTINGS = SamplerSettings("ddim", 12, 0.0)
RULES = (
    Guidance("decomposed", 1.5, 0.5, 1.0),
    Guidance("decomposed", 0.0, 0.0, 1.0),
    Guidance("cfg", 1.0, 1.0, 2.0),
)


def scales_of(guidance: Guidance) -> list[float]:
    if guidance.rule == "cfg":
        return [0.0, 0.0, guidance.cfg_scale]
    return [guidance.s1, guidance.s2, 0.0]


@pytest.fixture(scope="module", name="model")
def make_model() -> SmallDenoiser:
    torch.manual_seed(0)
    network = SmallNetwork(TINY)
    for parameter in network.parameters():
        parameter.data.normal_(std=0.2)
    defaults = ModelDefaults(Guidance(), SETTINGS)
    return SmallDenoiser(
        network,
        name="tiny",
        weights_sha256="0" * 64,
        shift=6.0,
        guided_share=0.12,
        defaults=defaults,
    )


@pytest.fixture(scope="module", name="teacher")
def make_teacher(model) -> Teacher:
    return Teacher(model.network, model.schedule, signal_shares(6.0).float(), 12)


@pytest.fixture(scope="module", name="given")
def make_given(teacher) -> Trajectories:
    """One trajectory for each rule, all from the same picture and noise."""
    generator = torch.Generator().manual_seed(1)
    reference = torch.randint(0, 256, (1, 4, 32, 32), generator=generator, dtype=torch.uint8)
    noise = SeededNoise([5], CPU).draw((3, 4, 32, 32))
    scales = torch.tensor([scales_of(rule) for rule in RULES])
    batch = (
        reference.expand(3, -1, -1, -1),
        torch.full((3,), 20.0),
        noise.expand(3, *noise[0].shape),
    )
    estimates = teacher.estimates(*batch, Dials(scales, 2), 4)
    return Trajectories(batch[0], batch[1], scales, batch[2], estimates)


def walked(given: Trajectories, teacher: Teacher, num_steps: int) -> torch.Tensor:
    fine = ddim_steps(teacher.schedule, 4)
    estimates = merged(fine, given.estimates, num_steps)
    x = given.noise
    for index, step in enumerate(ddim_steps(teacher.schedule, num_steps)):
        x = step.ratio * x + step.gain * estimates[:, index]
    return x


@pytest.mark.parametrize("num_steps", [4, 2, 1])
def test_long_steps_end_where_the_sampler_of_the_page_ends(model, teacher, given, num_steps):
    pixels = given.reference[0].float() / 127.5 - 1
    reference = ReferenceImage(pixels[:3], (pixels[3:] + 1) / 2, 20.0)
    condition = model.encode_reference(reference)
    arrived = walked(given, teacher, num_steps)
    for row, guidance in enumerate(RULES):
        views = sample(model, condition, SeededNoise([5], CPU), guidance, SETTINGS)
        torch.testing.assert_close(arrived[row], views[0], atol=2e-4, rtol=1e-3)
    assert (arrived[0] - arrived[1]).abs().max() > 1e-2
    assert (arrived[1] - arrived[2]).abs().max() > 1e-2


def test_estimates_stay_in_range(given):
    assert given.estimates.abs().max() <= 1 + 1e-5


class Scripted(Walk):
    """A student that misses its first step and hits every later one."""

    def _estimate(self, step):
        target = self._target(step)
        missed = 0.3 * torch.randn(target.shape, generator=torch.Generator().manual_seed(2))
        return (target + missed * (self._index == 0)).requires_grad_()


def live_network() -> LiveNetwork:
    torch.manual_seed(1)
    return LiveNetwork(TINY)


@pytest.mark.parametrize("num_steps", [4, 2])
def test_a_walk_on_its_own_is_sent_back_to_the_teachers_way(teacher, given, num_steps):
    walk = Scripted(live_network(), teacher, EstimateError("squared"), given, num_steps, own=True)
    losses = []
    while not walk.over:
        losses.append(walk.loss().item())
    assert losses[0] == pytest.approx(0.09, rel=0.05)
    assert max(losses[1:]) == 0
    torch.testing.assert_close(walk._x, walked(given, teacher, num_steps), atol=1e-4, rtol=1e-3)


def test_a_walk_on_the_teachers_way_starts_each_step_there(teacher, given):
    walk = Walk(live_network(), teacher, EstimateError("squared"), given, 4, own=False)
    while not walk.over:
        walk.loss()
    torch.testing.assert_close(walk._x, walked(given, teacher, 4), atol=1e-4, rtol=1e-3)


def test_the_loss_reaches_dials_and_trunk(teacher, given):
    network = live_network()
    network.dials.leave.weight.data.normal_(std=0.1)
    network.decoder.head.weight.data.normal_(std=0.1)
    walk = Walk(network, teacher, EstimateError("absolute"), given, 2, own=True)
    walk.loss().backward()
    for part in (network.dials.enter, network.blocks[0].mlp_in, network.reference.to_tokens):
        assert part.weight.grad.abs().max() > 0


def test_the_network_is_told_the_same_in_training_and_sampling():
    scales = torch.tensor([scales_of(rule) for rule in RULES])
    for num_steps in (4, 2):
        told = dial_inputs(scales, num_steps)
        for row, guidance in enumerate(RULES):
            torch.testing.assert_close(told[row], dial_values(guidance, num_steps))


def test_drawn_dials_fill_their_ranges():
    dials = draw_dials(4000, torch.Generator().manual_seed(0))
    s1, s2, s = dials.scales.unbind(dim=1)
    parted = dials.decomposed
    assert parted == 3400
    assert s[:parted].abs().max() == s1[parted:].max() == s2[parted:].max() == 0
    for values, largest in ((s1[:parted], 4.0), (s2[:parted], 1.5), (s[parted:], 4.0)):
        assert 0.98 * largest < values.max() < largest
        assert values.min() >= 0
    assert (s1[:parted] == 0).float().mean() == pytest.approx(0.15, abs=0.02)
    assert (s2[:parted] == 0).float().mean() == pytest.approx(0.25, abs=0.02)
    weights = dials.branch_weights().sum(dim=0)
    torch.testing.assert_close(weights, torch.ones(4000))


def test_trajectories_are_chosen_and_replaced(given):
    kept = given.choose(torch.tensor([0, 0, 0, 0]))
    kept.replace(slice(2, 4), given.choose(torch.tensor([1, 2])))
    for name in (field.name for field in dataclasses.fields(Trajectories)):
        assert torch.equal(getattr(kept, name)[3], getattr(given, name)[2])
        assert torch.equal(getattr(kept, name)[1], getattr(given, name)[0])
