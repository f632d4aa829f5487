"""Shading normals for every corner of every face, smooth up to a crease."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

CREASE_COSINE = 0.7
MAX_NEIGHBOURS = 64
GRID = 65535


def face_normals(corners: Float[Tensor, "F 3 3"]) -> Float[Tensor, "F 3"]:
    """Return the area-weighted normal of each triangle (length = twice its area)."""
    return torch.linalg.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])


def weld_keys(
    positions: Float[Tensor, "V 3"], vertex_object: Int[Tensor, " V"]
) -> Int[Tensor, " V"]:
    """Return one int64 for each vertex; equal keys mean the same place of the same object.

    Args:
        positions: In [-0.5, 0.5]; compared on a grid of 65,535 steps.
        vertex_object: Number of the object that owns the vertex, below 32,768.
    """
    grid = ((positions + 0.5) * GRID).round().long().clamp_(0, GRID)
    key = (grid[:, 0] << 32) | (grid[:, 1] << 16) | grid[:, 2]
    return key | (vertex_object.long() << 48)


def _unit(vectors: Tensor) -> Tensor:
    return vectors / vectors.norm(dim=-1, keepdim=True).clamp_min(1e-20)


def corner_normals(
    positions: Float[Tensor, "V 3"],
    faces: Int[Tensor, "F 3"],
    vertex_object: Int[Tensor, " V"],
    face_smooth: Int[Tensor, " F"],
    crease_cosine: float = CREASE_COSINE,
) -> Float[Tensor, "F 3 3"]:
    """Return unit shading normals (F, corner, xyz).

    A corner averages, by area, the faces around its place whose normals differ from its own by
    less than the crease. Winding need not be consistent: each neighbour is first turned to the
    corner's own side. Flat where `face_smooth` is 0.

    Args:
        positions: Vertices of all objects.
        faces: Rows of `positions`.
        vertex_object: Number of the object that owns each vertex.
        face_smooth: 1 where the face may be smoothed.
        crease_cosine: Cosine of the largest angle that is smoothed.
    """
    corners = faces.long().flatten()
    weighted = face_normals(positions[faces.long()])
    own = _unit(weighted)
    key = weld_keys(positions, vertex_object)[corners]
    order = torch.argsort(key, stable=True)
    _, size = torch.unique_consecutive(key[order], return_counts=True)
    start = (size.cumsum(0) - size).repeat_interleave(size)
    size = size.repeat_interleave(size)
    rank = torch.arange(len(order), device=order.device) - start
    face = order // 3
    total = weighted[face]
    active = torch.arange(len(order), device=order.device)
    for shift in range(1, MAX_NEIGHBOURS):
        active = active[size[active] > shift]
        if len(active) == 0:
            break
        place = start[active] + (rank[active] + shift) % size[active]
        neighbour = face[place]
        cosine = (own[face[active]] * own[neighbour]).sum(-1)
        weight = torch.where(cosine.abs() > crease_cosine, cosine.sign(), 0.0)
        total[active] += weight[:, None] * weighted[neighbour]
    normals = torch.empty_like(total)
    normals[order] = _unit(total)
    normals = normals.view(-1, 3, 3)
    return torch.where(face_smooth.bool()[:, None, None], normals, own[:, None, :])
