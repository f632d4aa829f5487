"""The rasteriser in plain torch, for the CPU and as the reference of the CUDA kernels.

Every triangle's bounding box becomes fragments, chunk by chunk; the nearest of a sample is the
minimum of depth and face packed into one integer. The arithmetic is that of kernels.cu.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from harmony.training.rasterizer.geometry import Triangles

MAX_FRAGMENTS = 1 << 21


def edge(
    a: Float[Tensor, "... 3"],
    b: Float[Tensor, "... 3"],
    px: Float[Tensor, "..."],
    py: Float[Tensor, "..."],
) -> Float[Tensor, "..."]:
    """Return twice the signed area of (a, b, p).

    Endpoints are taken in one canonical order, so two triangles that share an edge get exactly
    opposite values and no sample falls between them.
    """
    swap = (a[..., 0] > b[..., 0]) | ((a[..., 0] == b[..., 0]) & (a[..., 1] > b[..., 1]))
    start = torch.where(swap[..., None], b, a)
    end = torch.where(swap[..., None], a, b)
    value = (end[..., 0] - start[..., 0]) * (py - start[..., 1]) - (end[..., 1] - start[..., 1]) * (
        px - start[..., 0]
    )
    return torch.where(swap, -value, value)


def edges(
    corners: Float[Tensor, "N 3 3"], px: Float[Tensor, " N"], py: Float[Tensor, " N"]
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the edge function opposite to each corner at points (px, py)."""
    a, b, c = corners.unbind(1)
    return edge(b, c, px, py), edge(c, a, px, py), edge(a, b, px, py)


def wrap(value: Tensor) -> Tensor:
    """Return the fractional part, in [0, 1]."""
    return value - value.floor()


def is_hole(
    triangles: Triangles,
    texture: Int[Tensor, " N"],
    u: Float[Tensor, " N"],
    v: Float[Tensor, " N"],
) -> Bool[Tensor, " N"]:
    """Return whether the nearest texel is more than half transparent."""
    first, width, height, _ = triangles.texture_table[texture.long()].unbind(-1)
    column = torch.minimum((wrap(u) * width).int(), width - 1)
    row = torch.minimum((wrap(1 - v) * height).int(), height - 1)
    return triangles.texels[(first + row * width + column).long(), 3] < 128  # noqa: PLR2004


def _bounds(values: Float[Tensor, "N 3"], size: int) -> tuple[Tensor, Tensor]:
    first = (values.amin(-1) - 0.5).ceil().int().clamp(min=0)
    last = (values.amax(-1) - 0.5).floor().int().clamp(max=size - 1)
    return first.long(), last.long()


def _fill(
    triangles: Triangles, packed: Tensor, view: Tensor, face: Tensor, px: Tensor, py: Tensor
) -> None:
    """Merge fragments at samples (px, py) of `face` seen by `view` into `packed`."""
    vertices = triangles.faces.long()[face]
    corners = triangles.screen[view[:, None], vertices]
    x, y = px + 0.5, py + 0.5
    w0, w1, w2 = edges(corners, x, y)
    area = w0 + w1 + w2
    inside = ((w0 >= 0) & (w1 >= 0) & (w2 >= 0)) | ((w0 <= 0) & (w1 <= 0) & (w2 <= 0))
    keep = (inside & (area != 0)).nonzero()[:, 0]
    face, view, corners, area, px, py = (t[keep] for t in (face, view, corners, area, px, py))
    p0, p1, p2 = (w[keep] * corners[:, k, 2] for k, w in enumerate((w0, w1, w2)))
    total = p0 + p1 + p2
    depth = area / total
    value = (depth.view(torch.int32).long() << 32) | face
    picture = triangles.face_scene.long()[face] * triangles.view_count + view
    place = (picture * triangles.sample_size + py) * triangles.sample_size + px
    cut = (triangles.face_cutout[face] >= 0).nonzero()[:, 0]
    if len(cut):
        uv = triangles.uvs[vertices[keep[cut]]]
        q = [p[cut, None] for p in (p0, p1, p2)]
        mixed = (q[0] * uv[:, 0] + q[1] * uv[:, 1] + q[2] * uv[:, 2]) / total[cut, None]
        hole = is_hole(triangles, triangles.face_cutout[face[cut]], mixed[:, 0], mixed[:, 1])
        value[cut[hole]] = torch.iinfo(torch.int64).max
    packed.view(-1).scatter_reduce_(0, place, value, "amin")


def rasterize_torch(triangles: Triangles) -> Int[Tensor, "P S S"]:
    """Rasterise as `harmony.training.rasterizer.rasterize` describes."""
    size, device = triangles.sample_size, triangles.screen.device
    packed = torch.full(
        (triangles.picture_count, size, size), torch.iinfo(torch.int64).max, device=device
    )
    face_count = len(triangles.faces)
    x, y = triangles.screen[:, triangles.faces.long(), :2].flatten(0, 1).unbind(-1)
    x_first, x_last = _bounds(x, size)
    y_first, y_last = _bounds(y, size)
    width = x_last - x_first + 1
    counts = width.clamp(min=0) * (y_last - y_first + 1).clamp(min=0)
    visible = counts.nonzero()[:, 0]
    chunk = (counts[visible].cumsum(0) - 1) // MAX_FRAGMENTS
    for part in visible.split(torch.unique_consecutive(chunk, return_counts=True)[1].tolist()):
        owner = part.repeat_interleave(counts[part])
        ends = counts[part].cumsum(0)
        local = torch.arange(len(owner), device=device)
        local = local - (ends - counts[part]).repeat_interleave(counts[part])
        px = x_first[owner] + local % width[owner]
        py = y_first[owner] + local // width[owner]
        _fill(triangles, packed, owner // face_count, owner % face_count, px, py)
    return packed
