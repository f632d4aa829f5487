import math

import pytest
import torch

from harmony.records import ReferenceImage, Views
from harmony.scoring_views import (
    mean_seed_diversity,
    neighbour_consistency,
    reference_agreement,
    seed_diversity,
)


def on_circle(*angles_deg: float) -> torch.Tensor:
    radians = torch.tensor(angles_deg).deg2rad()
    return torch.stack([radians.cos(), radians.sin()], dim=-1)


def reference(value: float, elevation_deg: float = 30.0, side: int = 16) -> ReferenceImage:
    return ReferenceImage(
        torch.full((3, side, side), value), torch.ones(1, side, side), elevation_deg
    )


def test_view_0_is_compared_with_the_input() -> None:
    pixels = torch.full((2, 3, 3, 16, 16), 0.5)
    pixels[1, 0] = 0.6
    pixels[:, 1:] = 0.0
    agreement = reference_agreement(Views(pixels, pixels[:, :, :1]), reference(0.0))
    assert agreement is not None
    assert agreement[0].psnr == math.inf
    assert agreement[0].ssim == pytest.approx(1)
    assert agreement[1].psnr == pytest.approx(20, abs=1e-4)


def test_larger_reference_is_brought_to_the_views_size() -> None:
    pixels = torch.full((1, 2, 3, 16, 16), 0.25)
    agreement = reference_agreement(Views(pixels, pixels[:, :, :1]), reference(-0.5, side=40))
    assert agreement is not None
    assert agreement[0].psnr > 100


def test_other_elevations_cannot_be_compared() -> None:
    pixels = torch.zeros(1, 2, 3, 16, 16)
    assert reference_agreement(Views(pixels, pixels[:, :, :1]), reference(0.0, 10.0)) is None


def test_neighbour_consistency_is_cyclic_and_finds_the_outlier() -> None:
    # Steps of 0, 0, 60 and 60 deg: cosines 1, 1, 1/2, 1/2.
    mean, of_views = neighbour_consistency(on_circle(0, 0, 0, 60)[None])
    assert mean[0] == pytest.approx(0.75)
    assert of_views[0].tolist() == pytest.approx([0.75, 1.0, 0.75, 0.5])
    assert int(of_views[0].argmin()) == 3


def test_seed_diversity_compares_views_of_one_camera() -> None:
    samples = torch.stack([on_circle(0, 90), on_circle(60, 90), on_circle(0, 90)])
    table = seed_diversity(samples)
    assert table[0, 1] == pytest.approx(0.25)
    assert table[0, 2] == pytest.approx(0, abs=1e-6)
    assert torch.allclose(table, table.T)
    assert mean_seed_diversity(samples) == pytest.approx((0.25 + 0 + 0.25) / 3, abs=1e-6)
    assert mean_seed_diversity(samples[:1]) is None
