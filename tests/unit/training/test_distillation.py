"""Distillation: the teacher's way in four numbers, and the student's walk beside it."""

import dataclasses

import pytest
import torch

from harmony.models.base import ModelDefaults
from harmony.models.small import SmallConfig, SmallDenoiser, SmallNetwork
from harmony.models.small.schedule import signal_shares
from harmony.models.small_live import LiveNetwork
from harmony.models.small_live.dials import dial_values
from harmony.models.small_live.schedule import distilled
from harmony.noise import SeededNoise
from harmony.records import Guidance, ReferenceImage, SamplerSettings
from harmony.sampling import sample
from harmony.training.distillation import EstimateError, Walk, dial_inputs
from harmony.training.distillation_settings import DistillationSettings
from harmony.training.loop import LoopSettings
from harmony.training.stream import SceneBatch
from harmony.training.trajectories import Dials, Teacher, ddim_steps, long_steps, merged
from harmony.training.trajectory_ring import Trajectories, TrajectoryRing, draw_dials

TINY = SmallConfig(
    image_size=32, view_count=3, width=16, depth=2, heads=2, reference_depth=1, stem=(8, 8, 16)
)
CPU = torch.device("cpu")
SETTINGS = SamplerSettings("ddim", 12, 0.0)
SQUARED = DistillationSettings(method="own", error="squared")
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
        guidance_bound=0.15,
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
    estimates = teacher.estimates(*batch, Dials(scales, 2), SQUARED.ends)
    return Trajectories(batch[0], batch[1], scales, batch[2], estimates)


def walked(given: Trajectories, teacher: Teacher, num_steps: int) -> torch.Tensor:
    """Where the walk that the page's sampler makes of the student's timesteps arrives."""
    kept = long_steps(teacher.steps, SQUARED.ends)
    estimates = merged(kept, given.estimates, SQUARED.ends_of_kept(num_steps))
    schedule = distilled(teacher.schedule, SQUARED.walks(teacher.steps))
    x = given.noise
    for index, step in enumerate(ddim_steps(schedule, num_steps)):
        x = step.ratio * x + step.gain * estimates[:, index]
    return x


@pytest.mark.parametrize("num_steps", [4, 2])
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
    walk = Scripted(live_network(), teacher, EstimateError("squared"), given, SQUARED, num_steps)
    losses = []
    while not walk.over:
        losses.append(walk.loss().item())
    assert losses[0] == pytest.approx(0.09, rel=0.05)
    assert max(losses[1:]) == 0
    torch.testing.assert_close(walk._x, walked(given, teacher, num_steps), atol=1e-4, rtol=1e-3)


def test_a_walk_on_the_teachers_way_starts_each_step_there(teacher, given):
    settings = dataclasses.replace(SQUARED, method="teacher")
    walk = Walk(live_network(), teacher, EstimateError("squared"), given, settings, 4)
    while not walk.over:
        walk.loss()
    torch.testing.assert_close(walk._x, walked(given, teacher, 4), atol=1e-4, rtol=1e-3)


def test_the_loss_reaches_dials_and_trunk(teacher, given):
    network = live_network()
    network.dials.leave.weight.data.normal_(std=0.1)
    network.decoder.head.weight.data.normal_(std=0.1)
    walk = Walk(network, teacher, EstimateError("absolute"), given, SQUARED, 2)
    walk.loss().backward()
    gradients = {name: p.grad for name, p in network.named_parameters()}
    for part in ("dials.enter", "blocks.0.mlp_in", "reference.to_tokens"):
        gradient = gradients[f"{part}.weight"]
        assert gradient is not None
        assert gradient.abs().max() > 0


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
        moved = values[values > 0]
        assert (moved == largest).float().mean() == pytest.approx(0.15, abs=0.04)
        assert 0.97 * largest < moved[moved < largest].max()
        assert 0 <= values.min() <= values.max() == largest
    assert (s1[:parted] == 0).float().mean() == pytest.approx(0.15, abs=0.02)
    assert (s2[:parted] == 0).float().mean() == pytest.approx(0.25, abs=0.02)


def test_trajectories_are_chosen_and_replaced(given):
    kept = given.choose(torch.tensor([0, 0, 0, 0]))
    kept.replace(slice(2, 4), given.choose(torch.tensor([1, 2])))
    for name in (field.name for field in dataclasses.fields(Trajectories)):
        assert torch.equal(getattr(kept, name)[3], getattr(given, name)[2])
        assert torch.equal(getattr(kept, name)[1], getattr(given, name)[0])


class OneScene:
    """Stands for the scenes: every sample is another grey."""

    def refill(self, count):
        pass

    def batch(self, count, generator):
        grey = torch.arange(count, dtype=torch.uint8)[:, None, None, None]
        views = torch.zeros(count, 3, 4, 32, 32, dtype=torch.uint8)
        ids = torch.arange(count)
        return SceneBatch(grey.expand(-1, 4, 32, 32), views, ids.float(), ids)


@pytest.mark.parametrize(("weight", "alike"), [(0.0, 1), (0.5, 2)])
def test_pairs_differ_in_their_noise_only_and_are_drawn_together(teacher, weight, alike):
    settings = DistillationSettings(trajectories=4, kept=8, spread_weight=weight)
    loop = LoopSettings(minutes=1, batch=4, new_scenes=1)
    ring = TrajectoryRing(teacher, OneScene(), loop, settings, 0)
    for number in range(ring.productions):
        ring.produce(number)
    drawn = ring.draw(6, torch.Generator().manual_seed(3))
    assert len(drawn.noise) == 6
    for name in ("reference", "elevation_deg", "scales"):
        given = getattr(drawn, name)
        assert torch.equal(given[0::2], given[1::2]) == (alike == 2)
    assert not torch.equal(drawn.noise[0], drawn.noise[1])
    assert not torch.equal(drawn.estimates[0], drawn.estimates[1])


def test_the_spread_of_pairs_counts_where_it_has_a_weight():
    target = torch.zeros(4, 1, 4, 32, 32)
    target[0::2] = 0.5
    alike = torch.full_like(target, 0.25)
    plain, weighted = EstimateError("absolute"), EstimateError("absolute", 2.0)
    assert plain(alike, target).item() == pytest.approx(0.25)
    assert weighted(alike, target).item() == pytest.approx(0.25 + 2 * 0.5)
    assert weighted(target, target).item() == 0
    moved = target.roll(4, dims=4)  # apart by as much, within the squares
    assert weighted(moved, target).item() == pytest.approx(plain(moved, target).item())


@pytest.mark.parametrize(
    "wrong",
    [
        {"ends": (2, 4, 12)},
        {"ends": (2, 4, 4, 12)},
        {"ends": (2, 4, 6, 11)},
        {"fast_ends": (5, 12)},
        {"trajectories": 5, "kept": 10},
        {"kept": 40},
        {"spread_weight": -1.0},
    ],
)
def test_settings_that_do_not_fit_together_are_refused(wrong):
    with pytest.raises(ValueError, match=r"[.]$"):
        DistillationSettings(**wrong)
    with pytest.raises(ValueError, match="4 or 2 steps"):
        SQUARED.ends_of_kept(3)
