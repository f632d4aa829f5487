"""Triangles to samples: which face is in front at every sample of every picture."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from harmony.training.rasterizer.geometry import Surface, Triangles

EMPTY = torch.iinfo(torch.int64).max

__all__ = ["EMPTY", "Surface", "Triangles", "rasterize", "unpack"]


def rasterize(triangles: Triangles) -> Int[Tensor, "P S S"]:
    """Find the nearest face at every sample, on the GPU with CUDA or else with plain torch.

    A sample (column i, row j) is the point (i + 0.5, j + 0.5) of its picture. Faces count from
    both sides; where two are equally near the lower face number wins; samples on a texel with
    alpha below 0.5 are holes.

    Args:
        triangles: The faces; all must lie in front of the camera.

    Returns:
        (pictures, S, S) int64: depth's float bits << 32 | face, or `EMPTY`; see `unpack`.
    """
    if triangles.screen.is_cuda:
        from harmony.training.rasterizer.cuda_path import rasterize_cuda

        return rasterize_cuda(triangles)
    from harmony.training.rasterizer.torch_path import rasterize_torch

    return rasterize_torch(triangles)


def unpack(packed: Int[Tensor, "*shape"]) -> tuple[Int[Tensor, "*shape"], Float[Tensor, "*shape"]]:
    """Return face (int64, -1 where empty) and depth (float32, infinite where empty)."""
    empty = packed == EMPTY
    face = torch.where(empty, -1, packed & 0xFFFFFFFF)
    depth = (packed >> 32).to(torch.int32).view(torch.float32)
    return face, torch.where(empty, torch.inf, depth)
