"""The distilled denoiser: dials as inputs, one pass a step, and what it refuses."""

import dataclasses
from itertools import pairwise

import pytest
import torch

from harmony.ddim import ShortDdim
from harmony.models.base import DistilledDenoiser, ModelDefaults
from harmony.models.registry import load_model
from harmony.models.small import SmallConfig, SmallDenoiser, SmallNetwork
from harmony.models.small.denoiser import write_defaults
from harmony.models.small.weights import save_model
from harmony.models.small_live import LiveDenoiser, LiveNetwork
from harmony.models.small_live.dials import dial_values
from harmony.models.small_live.network import S1_KNOTS
from harmony.noise import SeededNoise
from harmony.records import Branch, Guidance, ReferenceImage, SamplerSettings
from harmony.sampling import SAMPLERS, passes_by_step, sample, timesteps

TINY = SmallConfig(
    image_size=32, view_count=3, width=16, depth=2, heads=2, reference_depth=1, stem=(8, 8, 16)
)
FOUR, TWO = SamplerSettings("ddim", 4, 0.0), SamplerSettings("ddim", 2, 0.0)
DEFAULTS = ModelDefaults(Guidance("decomposed", 1.0, 0.5), FOUR)
CPU = torch.device("cpu")


def tiny_network(*, dials: bool = True) -> LiveNetwork:
    torch.manual_seed(0)
    network = LiveNetwork(TINY)
    for parameter in network.parameters():
        parameter.data.normal_(std=0.2)
    if not dials:
        network.dials.leave.weight.data.zero_()
        network.dials.leave.bias.data.zero_()
    return network


def live(network: LiveNetwork) -> LiveDenoiser:
    return LiveDenoiser(network, name="tiny", weights_sha256="0" * 64, shift=6.0, defaults=DEFAULTS)


def tiny_reference() -> ReferenceImage:
    pixels = torch.rand(3, 32, 32, generator=torch.Generator().manual_seed(3)) * 2 - 1
    return ReferenceImage(pixels, torch.ones(1, 32, 32), 10.0)


def painted(model: LiveDenoiser, guidance: Guidance, settings=FOUR, seeds=(5,)) -> torch.Tensor:
    condition = model.encode_reference(tiny_reference())
    return sample(model, condition, SeededNoise(seeds, CPU), guidance, settings)


def test_untrained_dials_leave_the_small_network_as_it_is():
    network = tiny_network(dials=False)
    plain = SmallNetwork(TINY)
    plain.load_state_dict(
        {k: v for k, v in network.state_dict().items() if not k.startswith("dials.")}
    )
    small = SmallDenoiser(plain, name="tiny", weights_sha256="0" * 64, shift=6.0, defaults=DEFAULTS)
    model = live(network)
    latents = torch.randn(2, 3, 4, 32, 32, generator=torch.Generator().manual_seed(0))
    condition = model.encode_reference(tiny_reference())
    dialled = model.with_dials(condition, Guidance("decomposed", 2.0, 1.0), 4)
    mine = model.predict(latents, 749, dialled, [Branch.FULL])[Branch.FULL]
    theirs = small.predict(latents, 749, condition, [Branch.FULL])[Branch.FULL]
    assert torch.equal(mine, theirs)


@pytest.mark.parametrize(
    "other",
    [
        Guidance("decomposed", 2.0, 0.5),
        Guidance("decomposed", 1.0, 1.5),
        Guidance("none"),
        Guidance("cfg", cfg_scale=1.0),
    ],
)
def test_every_dial_moves_the_views(other):
    model = live(tiny_network())
    assert not torch.equal(painted(model, DEFAULTS.guidance), painted(model, other))


def test_the_stride_is_told_to_the_network():
    two, four = dial_values(Guidance("none"), 2), dial_values(Guidance("none"), 4)
    assert two.tolist() == [0.0, 0.0, 0.0, 1.0]
    assert four.tolist() == [0.0, 0.0, 0.0, 0.0]
    assert dial_values(Guidance("decomposed", 4.0, 1.5), 4).tolist() == [1.0, 1.0, 0.0, 0.0]
    assert dial_values(Guidance("cfg", 4.0, 1.5, 2.0), 4).tolist() == [0.0, 0.0, 0.5, 0.0]


def test_at_its_knots_the_network_is_asked_and_between_them_nothing_else():
    encoder, time = tiny_network().dials, torch.tensor([0.3])

    def added(s1: float) -> torch.Tensor:
        return encoder(time, torch.tensor([[s1, 0.4, 0.0, 0.0]]))

    for knot in S1_KNOTS:
        assert torch.equal(added(knot), encoder._at(time, torch.tensor([[knot, 0.4, 0.0, 0.0]])))
    for low, high in pairwise(S1_KNOTS):
        start, end = added(low), added(high)
        ways = [added(low + share * (high - low)) for share in (0.2, 0.5, 0.8)]
        shares = [((way - start) / (end - start)).median().item() for way in ways]
        assert 0 < shares[0] < shares[1] < shares[2] < 1
        # s1 acts the more the nearer to 0: half of a way brings more than half of the change.
        assert shares[1] > 0.5
        for way, share in zip(ways, shares, strict=True):
            torch.testing.assert_close(way, torch.lerp(start, end, share), atol=1e-4, rtol=1e-3)


def test_each_sample_has_its_own_s1():
    encoder, time = tiny_network().dials, torch.tensor([0.3, 0.3, 0.7])
    dials = torch.tensor([[0.05, 0.4, 0.0, 0.0], [0.6, 0.4, 0.0, 0.0], [0.2, 0.0, 0.0, 1.0]])
    together = encoder(time, dials)
    alone = torch.cat([encoder(time[k : k + 1], dials[k : k + 1]) for k in range(3)])
    torch.testing.assert_close(together, alone, atol=1e-6, rtol=1e-5)


def test_a_small_move_of_a_dial_moves_the_views_a_little():
    model = live(tiny_network())
    base = painted(model, Guidance("decomposed", 1.0, 0.5))
    near = (painted(model, Guidance("decomposed", 1.001, 0.5)) - base).abs().max()
    far = (painted(model, Guidance("decomposed", 2.0, 0.5)) - base).abs().max()
    assert 0 < near < 0.05 * far


def test_a_seed_alone_equals_the_seed_among_others():
    model = live(tiny_network())
    alone = painted(model, DEFAULTS.guidance, seeds=(7,))
    among = painted(model, DEFAULTS.guidance, seeds=(5, 7, 9))
    torch.testing.assert_close(alone[0], among[1])


def test_each_step_is_one_pass():
    model = live(tiny_network())
    assert isinstance(model, DistilledDenoiser)
    assert passes_by_step(model.schedule, DEFAULTS.guidance, 4) == (1, 1, 1, 1)


@pytest.mark.parametrize(
    ("guidance", "settings", "match"),
    [
        (Guidance("decomposed", 4.1, 0.0), FOUR, "up to 4"),
        (Guidance("decomposed", 1.0, 1.6), FOUR, r"up to 1\.5"),
        (Guidance("cfg", cfg_scale=5.0), FOUR, "up to 4"),
        (Guidance("decomposed", float("nan"), 0.0), FOUR, "number from 0"),
        (Guidance("decomposed-official"), FOUR, "cannot serve"),
        (DEFAULTS.guidance, SamplerSettings("ddim", 12, 0.0), "2 or 4 steps"),
        (DEFAULTS.guidance, SamplerSettings("unipc", 4, 0.0), "ddim"),
        (DEFAULTS.guidance, SamplerSettings("ddim", 4, 0.5), "eta 0"),
    ],
)
def test_what_was_not_distilled_is_refused(guidance, settings, match):
    model = live(tiny_network())
    with pytest.raises(ValueError, match=match):
        painted(model, guidance, settings)


def test_scales_of_another_rule_do_not_matter():
    model = live(tiny_network())
    assert torch.equal(
        painted(model, Guidance("decomposed", 1.0, 0.5, cfg_scale=9.0)),
        painted(model, Guidance("decomposed", 1.0, 0.5, cfg_scale=1.0)),
    )


def test_other_branches_and_missing_dials_are_refused():
    model = live(tiny_network())
    condition = model.encode_reference(tiny_reference())
    latents = torch.zeros(1, 3, 4, 32, 32)
    with pytest.raises(ValueError, match="one branch only"):
        model.predict(latents, 749, condition, [Branch.FULL, Branch.NO_VIEWS])
    with pytest.raises(ValueError, match="with_dials"):
        model.predict(latents, 749, condition, [Branch.FULL])


def test_a_folder_of_that_kind_is_loaded(tmp_path):
    card = {
        "name": "small-live",
        "kind": "small-live",
        "shift": 6.0,
        "config": dataclasses.asdict(TINY),
        "defaults": write_defaults(DEFAULTS),
    }
    sha256 = save_model(tmp_path, tiny_network().state_dict(), card)
    model = load_model(tmp_path, CPU)
    assert isinstance(model, LiveDenoiser)
    assert (model.name, model.weights_sha256) == ("small-live", sha256)
    assert model.defaults == DEFAULTS
    assert painted(model, DEFAULTS.guidance, TWO).isfinite().all()


@pytest.mark.parametrize("num_steps", [4, 2])
def test_the_short_walk_is_that_of_diffusers(num_steps):
    schedule = live(tiny_network()).schedule
    theirs = SAMPLERS["ddim"](schedule, num_steps)
    theirs.set_timesteps(num_steps)
    mine = ShortDdim(schedule.alphas_cumprod, timesteps(schedule, num_steps))
    mine.set_timesteps(num_steps)
    generator = torch.Generator().manual_seed(0)
    one = other = clean = torch.randn(2, 3, 8, 8, generator=generator)
    for level, their_level in zip(mine.timesteps.tolist(), theirs.timesteps.tolist(), strict=True):
        clean = torch.rand(2, 3, 8, 8, generator=generator) * 2 - 1
        one = mine.step(clean, level, one, return_dict=False)[0]
        other = theirs.step(clean, their_level, other, return_dict=False)[0]
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(one, clean)
    with pytest.raises(ValueError, match="steps, not"):
        mine.set_timesteps(3)
