"""Picture metrics of the published protocol, as pure functions.

Pictures are in [0, 1], composited on white.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

SSIM_SIGMA = 1.5
SSIM_TAPS = 11
SSIM_K1, SSIM_K2 = 0.01, 0.03


def psnr(prediction: Float[Tensor, "... 3 H W"], target: Float[Tensor, "... 3 H W"]) -> float:
    """Return the peak signal-to-noise ratio in dB, -10 log10(mean squared error).

    The error is averaged over all pixels and channels; equal pictures give infinity.

    Raises:
        ValueError: The shapes differ.
    """
    _check_shapes(prediction, target)
    error = float((prediction.double() - target.double()).square().mean())
    return math.inf if error == 0 else -10 * math.log10(error)


def ssim(
    prediction: Float[Tensor, "C H W"],
    target: Float[Tensor, "C H W"],
    *,
    data_range: float | None = 1.0,
) -> float:
    """Return the structural similarity (Wang et al. 2004) with 11 Gaussian taps, sigma 1.5.

    Args:
        prediction: Picture, at least 11 pixels wide and high.
        target: Picture.
        data_range: Span of the values. None takes the larger span of the two pictures, which is
            what torchmetrics does when it is told nothing, and with it the published tables.

    Returns:
        Mean over channels and over the pixels whose window lies inside the picture.

    Raises:
        ValueError: The shapes differ or the pictures are too small.
    """
    _check_shapes(prediction, target)
    if min(prediction.shape[-2:]) < SSIM_TAPS:
        raise ValueError(f"SSIM needs pictures of at least {SSIM_TAPS} x {SSIM_TAPS} pixels.")
    x, y = prediction.double()[:, None], target.double()[:, None]
    span = max(float(x.max() - x.min()), float(y.max() - y.min()))
    span = span if data_range is None else data_range
    c1, c2 = (SSIM_K1 * span) ** 2, (SSIM_K2 * span) ** 2
    moments = _windowed(torch.cat([x, y, x * x, y * y, x * y], dim=1))
    mean_x, mean_y, mean_xx, mean_yy, mean_xy = moments.unbind(dim=1)
    variance_x = (mean_xx - mean_x**2).clamp(min=0)
    variance_y = (mean_yy - mean_y**2).clamp(min=0)
    covariance = mean_xy - mean_x * mean_y
    if span == 0:
        # Two plain pictures without a given range leave 0 / 0.
        return 1.0 if torch.equal(x, y) else 0.0
    similarity = ((2 * mean_x * mean_y + c1) * (2 * covariance + c2)) / (
        (mean_x**2 + mean_y**2 + c1) * (variance_x + variance_y + c2)
    )
    return float(similarity.mean())


def flow_error(flow: Float[Tensor, "N D 2 H W"], true_flow: Float[Tensor, "N D 2 H W"]) -> float:
    """Return E_flow: the mean absolute difference of optical flows, in pixels.

    Args:
        flow: For each of N generated views the flow to the next view (D = 0) and to the
            previous one (D = 1), cyclically.
        true_flow: The same between ground-truth views.

    Returns:
        Mean over views, both directions, both components and all pixels. As all of them have
        equally many elements, this is the released code's
        mean_n 0.5 (mean |df_next| + mean |df_prev|).

    Raises:
        ValueError: The shapes differ.
    """
    _check_shapes(flow, true_flow)
    return float((flow.double() - true_flow.double()).abs().mean())


def lpips_distance(
    features: list[Float[Tensor, "B c h w"]],
    target_features: list[Float[Tensor, "B c h w"]],
    weights: list[Float[Tensor, " c"]],
) -> Float[Tensor, " B"]:
    """Return LPIPS (Zhang et al. 2018, Eq. 1) from the layers of a network.

    sum over layers of the mean over pixels of sum_c w_c (f_c - g_c)^2, where f and g are unit
    vectors over the channels.

    Args:
        features: One tensor for each layer.
        target_features: The same for the other pictures.
        weights: One weight for each channel of each layer, not negative.
    """
    total = torch.zeros(len(features[0]), device=features[0].device)
    for one, other, weight in zip(features, target_features, weights, strict=True):
        difference = (_unit_channels(one) - _unit_channels(other)).square()
        total = total + (difference * weight.view(1, -1, 1, 1)).sum(dim=1).mean(dim=(1, 2))
    return total


def to_side(pictures: Float[Tensor, "B C H W"], side: int) -> Float[Tensor, "B C s s"]:
    """Return pictures of `side` pixels: bicubic, with antialiasing when they shrink."""
    if pictures.shape[-1] == side:
        return pictures
    resized = F.interpolate(pictures, size=(side, side), mode="bicubic", antialias=True)
    return resized.clamp(0, 1)


def _unit_channels(features: Float[Tensor, "B c h w"]) -> Float[Tensor, "B c h w"]:
    return features / (features.square().sum(dim=1, keepdim=True).sqrt() + 1e-10)


def _windowed(values: Float[Tensor, "C M H W"]) -> Float[Tensor, "C M H-10 W-10"]:
    """Return Gaussian means; the window is separable, so two passes of 11 taps do."""
    distance = torch.arange(SSIM_TAPS, dtype=torch.float64) - SSIM_TAPS // 2
    taps = torch.exp(-((distance / SSIM_SIGMA) ** 2) / 2)
    weights = (taps / taps.sum()).tolist()
    # Sums of shifted views; a copy of every window takes six times as long.
    for axis in (-1, -2):
        length = values.shape[axis] - SSIM_TAPS + 1
        total = values.narrow(axis, 0, length) * weights[0]
        for shift, weight in enumerate(weights[1:], start=1):
            total.add_(values.narrow(axis, shift, length), alpha=weight)
        values = total
    return values


def _check_shapes(prediction: Tensor, target: Tensor) -> None:
    if prediction.shape != target.shape:
        raise ValueError(
            f"Both sides must have one shape; they have {tuple(prediction.shape)} and "
            f"{tuple(target.shape)}."
        )
