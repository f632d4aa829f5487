"""Pyramidal Lucas-Kanade optical flow, the stand-in where RAFT's weights cannot be had.

At each level of a Gaussian pyramid the flow u is improved by the regularised least-squares step

    d = -(W * g g^T + lambda I)^-1 (W * g e),  e(p) = moved(p + u(p)) - picture(p),

with picture gradients g and a Gaussian window W (Lucas and Kanade 1981; Bouguet 2000). Without
lambda, plain background would get a flow that follows the rounding of the pictures.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

GREY_WEIGHTS = (0.299, 0.587, 0.114)
MIN_SIDE = 24
MAX_LEVELS = 4
STEPS_PER_LEVEL = 5
WINDOW_SIGMA = 2.5
PYRAMID_SIGMA = 1.0
REGULARISATION = 1e-4
MAX_STEP = 1.0


def lucas_kanade_flow(
    pictures: Float[Tensor, "B 3 H W"], moved: Float[Tensor, "B 3 H W"]
) -> Float[Tensor, "B 2 H W"]:
    """Return the flow (x, y) in pixels with moved(p + flow(p)) = pictures(p).

    Args:
        pictures: In [0, 1].
        moved: In [0, 1].
    """
    weights = torch.tensor(GREY_WEIGHTS, device=pictures.device).view(1, 3, 1, 1)
    one, other = ((side.float() * weights).sum(1, keepdim=True) for side in (pictures, moved))
    levels = [(one, other)]
    while len(levels) < MAX_LEVELS and min(one.shape[-2:]) >= 2 * MIN_SIDE:
        one, other = (_smooth(side, PYRAMID_SIGMA)[..., ::2, ::2] for side in (one, other))
        levels.append((one, other))
    flow = one.new_zeros(len(one), 2, *one.shape[-2:])
    for one, other in reversed(levels):
        if flow.shape[-2:] != one.shape[-2:]:
            flow = 2 * F.interpolate(flow, size=one.shape[-2:], mode="bilinear")
        for _ in range(STEPS_PER_LEVEL):
            flow = flow + _step(one, other, flow)
    return flow


def _step(
    one: Float[Tensor, "B 1 H W"], other: Float[Tensor, "B 1 H W"], flow: Float[Tensor, "B 2 H W"]
) -> Float[Tensor, "B 2 H W"]:
    warped = _warp(other, flow)
    padded = F.pad((one + warped) / 2, (1, 1, 1, 1), mode="replicate")
    gx = (padded[..., 1:-1, 2:] - padded[..., 1:-1, :-2]) / 2
    gy = (padded[..., 2:, 1:-1] - padded[..., :-2, 1:-1]) / 2
    error = warped - one
    products = torch.cat([gx * gx, gx * gy, gy * gy, gx * error, gy * error], dim=1)
    xx, xy, yy, xe, ye = _smooth(products, WINDOW_SIGMA).unbind(dim=1)
    xx, yy = xx + REGULARISATION, yy + REGULARISATION
    determinant = xx * yy - xy * xy
    step = torch.stack([xy * ye - yy * xe, xy * xe - xx * ye], dim=1) / determinant[:, None]
    return step.clamp(-MAX_STEP, MAX_STEP)


def _warp(
    picture: Float[Tensor, "B 1 H W"], flow: Float[Tensor, "B 2 H W"]
) -> Float[Tensor, "B 1 H W"]:
    """Return picture(p + flow(p)); beyond the border the border goes on."""
    height, width = picture.shape[-2:]
    rows = torch.arange(height, device=picture.device)
    y, x = torch.meshgrid(rows, torch.arange(width, device=picture.device), indexing="ij")
    u = (x + flow[:, 0] + 0.5) * (2 / width) - 1
    v = (y + flow[:, 1] + 0.5) * (2 / height) - 1
    grid = torch.stack([u, v], dim=-1)
    return F.grid_sample(picture, grid, padding_mode="border", align_corners=False)


def _smooth(values: Float[Tensor, "B C H W"], sigma: float) -> Float[Tensor, "B C H W"]:
    radius = round(3 * sigma)
    distance = torch.arange(-radius, radius + 1, device=values.device)
    taps = torch.exp(-((distance / sigma) ** 2) / 2)
    taps = (taps / taps.sum()).view(1, 1, 1, -1)
    flat = values.flatten(0, 1)[:, None]
    flat = F.conv2d(F.pad(flat, (radius, radius, 0, 0), mode="replicate"), taps)
    flat = F.conv2d(F.pad(flat, (0, 0, radius, radius), mode="replicate"), taps.transpose(2, 3))
    return flat[:, 0].unflatten(0, values.shape[:2])
