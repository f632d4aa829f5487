"""The network's structure: what each branch may and may not see."""

import pytest
import torch

from harmony.models.small.config import SmallConfig
from harmony.models.small.network import SmallNetwork, noise_parameter

TINY = SmallConfig(
    image_size=32, view_count=3, width=16, depth=2, heads=2, reference_depth=1, stem=(8, 8, 16)
)


@pytest.fixture
def network() -> SmallNetwork:
    torch.manual_seed(0)
    network = SmallNetwork(TINY)
    for parameter in network.parameters():
        parameter.data.normal_(std=0.2)
    return network.eval()


def inputs(batch: int = 2):
    generator = torch.Generator().manual_seed(1)
    noisy = torch.randn(batch, 3, 4, 32, 32, generator=generator)
    picture = torch.rand(batch, 4, 32, 32, generator=generator) * 2 - 1
    return noisy, picture, torch.full((batch,), 0.4), torch.full((batch,), 30.0)


def test_noise_is_drawn_where_there_is_memory_for_it():
    torch.manual_seed(0)
    drawn = noise_parameter(100, 100)
    assert drawn.requires_grad
    assert abs(float(drawn.std()) / 0.02 - 1) < 0.03
    with torch.device("meta"):
        assert noise_parameter(3, 4).shape == (3, 4)


@torch.inference_mode()
def test_fresh_network_predicts_zero():
    noisy, picture, time, elevation = inputs()
    network = SmallNetwork(TINY)
    features = network.reference(picture, elevation, torch.ones(2))
    assert torch.equal(network(noisy, time, features, 2), torch.zeros_like(noisy))


@torch.inference_mode()
def test_dropped_reference_equals_the_single_null_token(network):
    noisy, picture, time, elevation = inputs()
    dropped = network(noisy, time, network.reference(picture, elevation, torch.zeros(2)), 2)
    absent = network(noisy, time, network.reference.without_reference(32), 2)
    torch.testing.assert_close(dropped, absent, atol=1e-5, rtol=1e-4)
    given = network(noisy, time, network.reference(picture, elevation, torch.ones(2)), 2)
    assert (given - dropped).abs().max() > 1e-3


@torch.inference_mode()
def test_only_joint_samples_see_other_views(network):
    noisy, picture, time, elevation = inputs()
    features = network.reference(picture, elevation, torch.ones(2))
    changed = noisy.clone()
    changed[:, 2] += 1.0
    before, after = (network(x, time, features, 1) for x in (noisy, changed))
    assert (before[0, 0] - after[0, 0]).abs().max() > 1e-4
    assert torch.equal(before[1, 0], after[1, 0])
    assert (before[1, 2] - after[1, 2]).abs().max() > 1e-4


@torch.inference_mode()
def test_elevation_and_time_matter(network):
    noisy, picture, time, elevation = inputs()
    base = network(noisy, time, network.reference(picture, elevation, torch.ones(2)), 2)
    low = network(noisy, time, network.reference(picture, elevation - 30, torch.ones(2)), 2)
    late = network(noisy, time + 0.5, network.reference(picture, elevation, torch.ones(2)), 2)
    assert (base - low).abs().max() > 1e-4
    assert (base - late).abs().max() > 1e-4


@pytest.mark.parametrize("change", [{"image_size": 40}, {"heads": 3}, {"stem": (8, 9, 16)}])
def test_config_refuses_sizes_that_cannot_be_folded(change):
    with pytest.raises(ValueError, match="must"):
        SmallConfig(**{**TINY.to_json(), **change})


def test_config_round_trip_and_unknown_fields():
    assert SmallConfig.from_json(TINY.to_json()) == TINY
    with pytest.raises(ValueError, match="exactly"):
        SmallConfig.from_json({**TINY.to_json(), "depht": 3})
