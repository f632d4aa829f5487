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


def edge_rows(corners: Float[Tensor, "N 3 3"]) -> Float[Tensor, "N 15"]:
    """Return, for the edge opposite to each corner, its start, direction and sign.

    Edges start at the lower end in one canonical order, so two triangles that share an edge get
    exactly opposite values from `edge_values`, and no sample falls between them.
    """
    a, b = corners[:, [1, 2, 0], :2], corners[:, [2, 0, 1], :2]
    swap = (a[..., 0] > b[..., 0]) | ((a[..., 0] == b[..., 0]) & (a[..., 1] > b[..., 1]))
    start, end = (torch.where(swap[..., None], *pair) for pair in ((b, a), (a, b)))
    sign = torch.where(swap, -1.0, 1.0)
    return torch.cat([start, end - start, sign[..., None]], -1).flatten(1)


def edge_values(
    rows: Float[Tensor, "N 15"], px: Float[Tensor, " N"], py: Float[Tensor, " N"]
) -> tuple[Tensor, Tensor, Tensor]:
    """Return twice the signed area between each edge and the point (px, py)."""

    def value(k: int) -> Tensor:
        sx, sy, dx, dy, sign = (rows[:, 5 * k + i] for i in range(5))
        return (dx * (py - sy) - dy * (px - sx)) * sign

    return value(0), value(1), value(2)


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
    triangles: Triangles, packed: Tensor, rows: Tensor, owner: Tensor, px: Tensor, py: Tensor
) -> None:
    """Merge fragments at samples (px, py) into `packed`.

    Args:
        triangles: All triangles.
        packed: Nearest samples so far.
        rows: Edges of every triangle of every view.
        owner: Each fragment's row of `rows`, view * faces + face.
        px: Column of the sample.
        py: Row of the sample.
    """
    w0, w1, w2 = edge_values(rows.index_select(0, owner), px + 0.5, py + 0.5)
    area = w0 + w1 + w2
    inside = ((w0 >= 0) & (w1 >= 0) & (w2 >= 0)) | ((w0 <= 0) & (w1 <= 0) & (w2 <= 0))
    keep = (inside & (area != 0)).nonzero()[:, 0]
    owner, area, px, py = (t[keep] for t in (owner, area, px, py))
    face, view = owner % len(triangles.faces), owner // len(triangles.faces)
    vertices = triangles.faces.long()[face]
    inverse_depth = triangles.screen[..., 2][view[:, None], vertices]
    p0, p1, p2 = (w[keep] * inverse_depth[:, k] for k, w in enumerate((w0, w1, w2)))
    total = p0 + p1 + p2
    depth = area / total
    value = (depth.view(torch.int32).long() << 32) | face
    picture = triangles.face_scene.long()[face] * triangles.view_count + view
    place = (picture * triangles.sample_size + py) * triangles.sample_size + px
    cut = (triangles.face_cutout[face] >= 0).nonzero()[:, 0]
    if len(cut):
        uv = triangles.uvs[vertices[cut]]
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
    corners = triangles.screen[:, triangles.faces.long()].flatten(0, 1)
    rows = edge_rows(corners)
    x, y = corners[..., 0], corners[..., 1]
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
        _fill(triangles, packed, rows, owner, px, py)
    return packed
