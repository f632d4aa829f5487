import math

import numpy as np
import pytest
import torch
from skimage.metrics import structural_similarity

from harmony.evaluation.metrics import flow_error, lpips_distance, psnr, ssim, to_side


def picture(seed: int, side: int = 24) -> torch.Tensor:
    return torch.rand(3, side, side, generator=torch.Generator().manual_seed(seed)) * 0.7


def test_psnr_equals_hand_computation() -> None:
    # Half of the pixels are off by 0.2: mean squared error 0.02.
    target = torch.zeros(3, 2, 2)
    prediction = target.clone()
    prediction[:, 0] = 0.2
    assert psnr(prediction, target) == pytest.approx(-10 * math.log10(0.02), abs=1e-5)
    assert psnr(torch.ones(3, 2, 2), target) == 0
    assert psnr(target, target) == math.inf


@pytest.mark.parametrize("data_range", [1.0, None])
def test_ssim_equals_scikit_image(data_range: float | None) -> None:
    x, y = picture(0), picture(0) * 0.8 + 0.2 * picture(1)
    span = data_range or max(float(x.max() - x.min()), float(y.max() - y.min()))
    expected = structural_similarity(
        x.double().numpy(),
        y.double().numpy(),
        data_range=span,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        channel_axis=0,
    )
    assert ssim(x, y, data_range=data_range) == pytest.approx(expected, abs=1e-9)


def test_ssim_of_plain_pictures_by_hand() -> None:
    # No variance: (2 * 0.2 * 0.6 + c1) / (0.2^2 + 0.6^2 + c1), c1 = 0.01^2.
    x, y = torch.full((3, 12, 12), 0.2), torch.full((3, 12, 12), 0.6)
    assert ssim(x, y) == pytest.approx((0.24 + 1e-4) / (0.4 + 1e-4), abs=1e-6)
    assert ssim(x, x) == pytest.approx(1)
    assert ssim(x, x, data_range=None) == 1
    assert ssim(x, y, data_range=None) == 0


def test_ssim_refuses_tiny_pictures() -> None:
    with pytest.raises(ValueError, match="at least 11"):
        ssim(picture(0, side=10), picture(1, side=10))


def test_flow_error_averages_both_directions() -> None:
    true_flow = torch.zeros(2, 2, 2, 3, 3)
    flow = true_flow.clone()
    flow[0, 0, 0] = 4.0  # one view, to the next, horizontally
    flow[1, 1, 1] = -2.0
    assert flow_error(flow, true_flow) == pytest.approx((4 + 2) / 8)
    assert flow_error(true_flow, true_flow) == 0


def test_lpips_equals_hand_computation() -> None:
    # One pixel: unit vectors (1, 0) and (0.6, 0.8); differences 0.4 and -0.8.
    features = [torch.tensor([3.0, 0.0]).view(1, 2, 1, 1)]
    others = [torch.tensor([0.3, 0.4]).view(1, 2, 1, 1)]
    weights = [torch.tensor([2.0, 0.5])]
    expected = 2 * 0.16 + 0.5 * 0.64
    assert float(lpips_distance(features, others, weights)) == pytest.approx(expected, abs=1e-5)
    assert float(lpips_distance(features * 2, others * 2, weights * 2)) == pytest.approx(
        2 * expected, abs=1e-5
    )
    assert float(lpips_distance(features, features, weights)) == 0


def test_different_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match="one shape"):
        psnr(torch.zeros(3, 4, 4), torch.zeros(3, 4, 5))


def test_small_pictures_are_enlarged_within_range() -> None:
    small = torch.tensor(np.indices((8, 8)).sum(0) % 2, dtype=torch.float32).expand(1, 3, 8, 8)
    large = to_side(small, 32)
    assert large.shape == (1, 3, 32, 32)
    assert large.min() >= 0
    assert large.max() <= 1
    assert to_side(large, 32) is large
