"""The denoiser's branches, schedule and file format."""

import itertools
import json

import pytest
import torch

from harmony.models.base import ModelDefaults
from harmony.models.small import SmallConfig, SmallDenoiser, SmallNetwork, load
from harmony.models.small.denoiser import write_defaults
from harmony.models.small.schedule import add_noise, noise_schedule, signal_shares
from harmony.models.small.weights import dequantise, load_state, quantise, save_model
from harmony.records import Branch, Guidance, ReferenceImage, SamplerSettings

TINY = SmallConfig(
    image_size=32, view_count=3, width=16, depth=2, heads=2, reference_depth=1, stem=(8, 8, 16)
)
DEFAULTS = ModelDefaults(Guidance(), SamplerSettings("ddim", 4, 0.0))
BRANCHES = (Branch.FULL, Branch.NO_REFERENCE, Branch.NO_VIEWS, Branch.UNCONDITIONAL)


def tiny_network() -> SmallNetwork:
    torch.manual_seed(0)
    network = SmallNetwork(TINY)
    for parameter in network.parameters():
        parameter.data.normal_(std=0.2)
    return network


def tiny_denoiser() -> SmallDenoiser:
    return SmallDenoiser(
        tiny_network(), name="tiny", weights_sha256="0" * 64, shift=2.0, defaults=DEFAULTS
    )


def tiny_reference() -> ReferenceImage:
    generator = torch.Generator().manual_seed(3)
    pixels = torch.rand(3, 32, 32, generator=generator) * 2 - 1
    return ReferenceImage(pixels, torch.ones(1, 32, 32), 10.0)


def test_branches_alone_equal_branches_together():
    model = tiny_denoiser()
    condition = model.encode_reference(tiny_reference())
    latents = torch.randn(2, 3, 4, 32, 32, generator=torch.Generator().manual_seed(0))
    together = model.predict(latents, 500, condition, BRANCHES)
    assert set(together) == set(BRANCHES)
    for branch in BRANCHES:
        alone = model.predict(latents, 500, condition, [branch])
        assert set(alone) == {branch}
        torch.testing.assert_close(alone[branch], together[branch], atol=1e-5, rtol=1e-4)
    for one, other in itertools.pairwise(BRANCHES):
        assert (together[one] - together[other]).abs().max() > 1e-4


def test_foreign_branch_and_wrong_size_are_refused():
    model = tiny_denoiser()
    condition = model.encode_reference(tiny_reference())
    latents = torch.zeros(1, 3, 4, 32, 32)
    with pytest.raises(ValueError, match="no branch"):
        model.predict(latents, 5, condition, [Branch.NO_VIEWS_OFFICIAL])
    wrong = ReferenceImage(torch.zeros(3, 64, 64), torch.zeros(1, 64, 64), 0.0)
    with pytest.raises(ValueError, match="needs"):
        model.encode_reference(wrong)


def test_decode_splits_pictures_and_masks():
    views = tiny_denoiser().decode(torch.full((1, 3, 4, 32, 32), 3.0))
    assert views.pixels.shape == (1, 3, 3, 32, 32)
    assert views.alpha.shape == (1, 3, 1, 32, 32)
    assert views.pixels.min() == views.alpha.max() == 1.0


@pytest.mark.parametrize("shift", [1.0, 2.0])
def test_schedule_is_the_flow(shift):
    share = signal_shares(shift)
    abar = torch.tensor(noise_schedule(shift).alphas_cumprod, dtype=torch.float64)
    assert (share.diff() < 0).all()
    assert noise_schedule(shift).clip_sample_range == 1.0
    assert 0 < share[-1] < 1e-3
    torch.testing.assert_close(abar.sqrt() / (abar.sqrt() + (1 - abar).sqrt()), share)
    clean, noise = torch.ones(1, 1, 1, 1, 1), torch.full((1, 1, 1, 1, 1), 2.0)
    k = 300
    expected = abar[k].sqrt() * 1 + (1 - abar[k]).sqrt() * 2
    actual = add_noise(clean, noise, share[k : k + 1].float())
    assert actual.item() == pytest.approx(expected.item(), rel=1e-5)


def test_guidance_acts_below_the_guided_share():
    share, schedule = signal_shares(6.0), noise_schedule(6.0, 0.3)
    guided = [schedule.guides(timestep) for timestep in range(len(share))]
    assert guided == (share < 0.3).tolist()
    assert 0 < sum(guided) < len(share)
    assert noise_schedule(6.0).guidance_interval is None
    assert not any(noise_schedule(6.0, 0.0).guides(t) for t in range(len(share)))
    for wrong in (-0.1, 1.1, float("nan")):
        with pytest.raises(ValueError, match="guided share"):
            noise_schedule(6.0, wrong)


def test_quantised_weights_round_trip_within_half_a_step():
    state = {"matrix": torch.randn(64, 80), "vector": torch.randn(7)}
    back = dequantise(quantise(state))
    step = state["matrix"].abs().amax(dim=1, keepdim=True) / 127
    assert ((back["matrix"] - state["matrix"]).abs() <= 0.51 * step + 1e-3).all()
    torch.testing.assert_close(back["vector"], state["vector"], atol=1e-3, rtol=1e-3)


def test_saved_model_loads_strictly(tmp_path):
    network = tiny_network()
    card = {
        "name": "tiny",
        "shift": 2.0,
        "config": TINY.to_json(),
        "defaults": write_defaults(DEFAULTS),
    }
    save_model(tmp_path, network.state_dict(), card)
    model = load(tmp_path)
    assert model.defaults == DEFAULTS
    assert model.schedule == noise_schedule(2.0)
    save_model(tmp_path, network.state_dict(), {**card, "guided_share": 0.3})
    assert load(tmp_path).schedule == noise_schedule(2.0, 0.3)
    condition = model.encode_reference(tiny_reference())
    latents = torch.randn(1, 3, 4, 32, 32, generator=torch.Generator().manual_seed(0))
    loaded = model.predict(latents, 500, condition, [Branch.FULL])[Branch.FULL]
    original = tiny_denoiser()
    wanted = original.predict(
        latents, 500, original.encode_reference(tiny_reference()), [Branch.FULL]
    )[Branch.FULL]
    assert (loaded - wanted).abs().mean() < 0.05 * wanted.abs().mean()

    state, _ = load_state(tmp_path)
    state.pop("norm_out.bias")
    save_model(tmp_path, state, card)
    with pytest.raises(ValueError, match=r"norm_out\.bias"):
        load(tmp_path)


def test_damaged_or_missing_files_are_named(tmp_path):
    with pytest.raises(ValueError, match=r"model\.safetensors is missing"):
        load_state(tmp_path)
    save_model(tmp_path, {"a": torch.zeros(3)}, {})
    (tmp_path / "model.safetensors").write_bytes(b"\0" * 100)
    with pytest.raises(ValueError, match="damaged"):
        load_state(tmp_path)
    (tmp_path / "card.json").write_text(json.dumps([1]))
    with pytest.raises(ValueError, match="not a model card"):
        load_state(tmp_path)


def test_several_references_equal_each_alone():
    model = tiny_denoiser()
    one, other = (
        tiny_reference(),
        ReferenceImage(-tiny_reference().pixels, torch.ones(1, 32, 32), 0),
    )
    latents = torch.randn(2, 3, 4, 32, 32, generator=torch.Generator().manual_seed(0))
    both = model.predict(latents, 500, model.encode_references([one, other]), BRANCHES)
    for index, reference in enumerate((one, other)):
        condition = model.encode_reference(reference)
        alone = model.predict(latents[index : index + 1], 500, condition, BRANCHES)
        for branch in BRANCHES:
            torch.testing.assert_close(alone[branch][0], both[branch][index], atol=1e-5, rtol=1e-4)
