"""Depth of each view by sweeping a surface along its rays (plane-sweep stereo).

A hypothesis is the current surface of the view (hull or mesh) moved by an offset along the rays,
so that windows are compared along the surface's own slant. Neighbouring views are compared by
normalised cross-correlation; semi-global matching (Hirschmueller, 2008) joins the pixels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from harmony.cameras import Cameras


@dataclass(frozen=True)
class SweepSettings:
    """How one sweep searches.

    Attributes:
        offsets: Displacements of the surface along the optical axis in world units, evenly
            spaced, positive away from the camera.
        window: Side of the compared window in pixels, odd.
        neighbours: Steps along the ring to the views that are compared.
        best: Of the neighbours' scores the mean of so many best is taken: a part that one
            neighbour does not see is still seen by others.
        small_step: Penalty of semi-global matching for a step of one offset between pixels.
        large_step: Penalty for any larger step.
        noise: Variance added to each window's: plain windows correlate with nothing.
    """

    offsets: tuple[float, ...]
    window: int = 7
    neighbours: tuple[int, ...] = (-2, -1, 1, 2)
    best: int = 3
    small_step: float = 0.1
    large_step: float = 0.6
    noise: float = 1e-4


@dataclass(frozen=True)
class DepthMap:
    """Depth of one view by stereo.

    Attributes:
        depth: (H, W) z along the optical axis; inf where there is none.
        score: (H, W) correlation with the neighbours at that depth, -1 to 1.
    """

    depth: Float[Tensor, "H W"]
    score: Float[Tensor, "H W"]


def _window_sum(values: Float[Tensor, "*lead n"], window: int) -> Float[Tensor, "*lead n"]:
    """Return sums of `window` neighbours along the last axis, zeros outside.

    Runs of 1, 2, 4, ... are doubled and put together as the window's binary digits say.
    """
    half = window // 2
    run = F.pad(values, (half, window - 1 - half))
    length = values.shape[-1]
    total, start, width = torch.zeros_like(values), 0, 1
    while True:
        if window & width:
            total = total + run[..., start : start + length]
            start += width
        if 2 * width > window:
            return total
        run = run[..., : run.shape[-1] - width] + run[..., width:]
        width *= 2


def _box(values: Float[Tensor, "B H W"], window: int) -> Float[Tensor, "B H W"]:
    """Return sums over a square window, zeros outside."""
    rows = _window_sum(values, window)
    return _window_sum(rows.transpose(1, 2), window).transpose(1, 2)


def _warp(
    picture: Float[Tensor, "C H W"],
    depth: Float[Tensor, "D h w"],
    rays: Float[Tensor, "3 h w"],
    shift: Float[Tensor, " 3"],
) -> Float[Tensor, "D C h w"]:
    """Read a neighbour's picture where the points depth * rays + shift fall in it."""
    height, width = picture.shape[-2:]
    z = (depth * rays[2] + shift[2]).clamp_min(1e-3)
    u = (depth * rays[0] + shift[0]) / z * (2.0 / width) - 1.0
    v = (depth * rays[1] + shift[1]) / z * (2.0 / height) - 1.0
    count, rows, columns = depth.shape
    grid = torch.stack([u, v], dim=-1).reshape(1, count * rows, columns, 2)
    read = F.grid_sample(picture[None], grid, padding_mode="border", align_corners=False)
    return read[0].reshape(-1, count, rows, columns).transpose(0, 1)


def correlate(
    pictures: Float[Tensor, "N C H W"],
    cameras: Cameras,
    view: int,
    base: Float[Tensor, "h w"],
    corner: tuple[int, int],
    settings: SweepSettings,
) -> Float[Tensor, "D h w"]:
    """Return the correlation of a view's window with its neighbours for every offset.

    Args:
        pictures: Pictures of all views, any number of channels.
        cameras: Their cameras.
        view: Reference view.
        base: Depth of the current surface in a crop of the view; inf where there is none.
        corner: (row, column) of the crop.
        settings: The sweep.
    """
    rows, columns = base.shape
    solid = torch.isfinite(base).float()
    top, left = corner
    window, count = settings.window, len(cameras.poses)
    share = _box(solid[None], window).clamp_min(1e-6)[0]

    def mean(values: Float[Tensor, "*lead h w"]) -> Float[Tensor, "*lead h w"]:
        flat = (values * solid).reshape(-1, rows, columns)
        return (_box(flat, window) / share).reshape(values.shape)

    reference = pictures[view, :, top : top + rows, left : left + columns]
    centre = mean(reference)
    variance = (mean(reference**2) - centre**2).mean(dim=0).clamp_min(0) + settings.noise
    offsets = torch.tensor(settings.offsets, dtype=torch.float32)
    depth = torch.where(solid > 0, base, 1.5)[None] + offsets[:, None, None]
    scores = []
    for step in settings.neighbours:
        rays, shift = relative_rays(cameras, view, (view + step) % count, corner, base.shape)
        warped = _warp(pictures[(view + step) % count], depth, rays, shift)
        other = mean(warped)
        spread = (mean(warped**2) - other**2).mean(dim=1).clamp_min(0) + settings.noise
        cross = (mean(warped * reference) - centre * other).mean(dim=1)
        scores.append(cross / (variance * spread).sqrt())
    stacked = torch.stack(scores)
    return stacked.topk(min(settings.best, len(scores)), dim=0).values.mean(dim=0)


def relative_rays(
    cameras: Cameras, view: int, other: int, corner: tuple[int, int], shape: torch.Size
) -> tuple[Float[Tensor, "3 h w"], Float[Tensor, " 3"]]:
    """Return A, b so that the pixel at depth d of `view` is seen by `other` at A d + b."""
    top, left = corner
    k = cameras.intrinsics
    rotation, translation = cameras.poses[view][:, :3], cameras.poses[view][:, 3]
    other_rotation, other_translation = cameras.poses[other][:, :3], cameras.poses[other][:, 3]
    turn = k @ other_rotation @ rotation.T
    rows, columns = np.mgrid[top : top + shape[0], left : left + shape[1]] + 0.5
    pixels = np.stack([columns, rows, np.ones_like(rows)]).reshape(3, -1)
    rays = turn @ np.linalg.inv(k) @ pixels
    shift = k @ other_translation - turn @ translation
    return (
        torch.from_numpy(rays.reshape(3, *shape)).float(),
        torch.from_numpy(shift).float(),
    )


def semi_global(
    cost: Float[Tensor, "D h w"], small_step: float, large_step: float
) -> Float[Tensor, "D h w"]:
    """Return costs summed along four directions with penalties for steps of the offset.

    Along each direction r: L(p, d) = C(p, d) + min(L(p - r, d), L(p - r, d +- 1) + P1,
    min_i L(p - r, i) + P2) - min_i L(p - r, i).
    """
    total = torch.zeros_like(cost)
    for axis in (1, 2):
        lines = cost.movedim(axis, 0).contiguous()
        # Both senses of the direction run side by side.
        both = torch.stack([lines, lines.flip(0)], dim=1)
        previous = both[0]
        sums = [previous]
        for line in both[1:]:
            least = previous.amin(dim=1, keepdim=True)
            padded = F.pad(previous.transpose(1, 2), (1, 1), value=1e9).transpose(1, 2)
            near = torch.minimum(padded[:, :-2], padded[:, 2:]) + small_step
            best = torch.minimum(torch.minimum(previous, near), least + large_step)
            previous = line + best - least
            sums.append(previous)
        stacked = torch.stack(sums)
        total += (stacked[:, 0] + stacked[:, 1].flip(0)).movedim(0, axis)
    return total


def _parabola(cost: Float[Tensor, "D h w"], index: Tensor) -> Float[Tensor, "h w"]:
    """Return the sub-step position of the minimum around `index`, within half a step."""
    inner = index.clamp(1, cost.shape[0] - 2)
    before, at, after = (cost.gather(0, (inner + step)[None])[0] for step in (-1, 0, 1))
    bend = (before - 2 * at + after).clamp_min(1e-6)
    shift = ((before - after) / (2 * bend)).clamp(-0.5, 0.5)
    return torch.where(inner == index, shift, torch.zeros_like(shift))


def sweep_view(
    pictures: Float[Tensor, "N C H W"],
    cameras: Cameras,
    view: int,
    base: Float[Tensor, "H W"],
    farthest: Float[Tensor, "H W"] | None,
    settings: SweepSettings,
) -> DepthMap:
    """Return one view's depth.

    Args:
        pictures: Pictures of all views, any number of channels.
        cameras: Their cameras.
        view: Reference view.
        base: Depth of the current surface; inf beside it.
        farthest: Largest depth allowed (where the ray leaves the hull), or None.
        settings: The sweep.
    """
    solid = torch.isfinite(base)
    result = torch.full_like(base, torch.inf)
    score = torch.full_like(base, -1.0)
    if not bool(solid.any()):
        return DepthMap(result, score)
    rows, columns = torch.nonzero(solid.any(dim=1)), torch.nonzero(solid.any(dim=0))
    top, bottom = int(rows[0]), int(rows[-1]) + 1
    left, right = int(columns[0]), int(columns[-1]) + 1
    crop = base[top:bottom, left:right]
    correlation = correlate(pictures, cameras, view, crop, (top, left), settings)
    offsets = torch.tensor(settings.offsets, dtype=torch.float32)
    cost = 1.0 - correlation
    if farthest is not None:
        beyond = crop[None] + offsets[:, None, None] > farthest[top:bottom, left:right][None]
        cost = torch.where(beyond, torch.full_like(cost, 2.0), cost)
    cost = torch.where(torch.isfinite(crop)[None], cost, torch.zeros_like(cost))
    total = semi_global(cost, settings.small_step, settings.large_step)
    index = total.argmin(dim=0)
    step = settings.offsets[1] - settings.offsets[0]
    moved = crop + offsets[index] + _parabola(total, index) * step
    result[top:bottom, left:right] = moved
    score[top:bottom, left:right] = correlation.gather(0, index[None])[0]
    return DepthMap(result, torch.where(solid, score, torch.full_like(score, -1.0)))
