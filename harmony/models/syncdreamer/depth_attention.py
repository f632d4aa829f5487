"""Depth transformer: every pixel attends to the cells of its own ray (ARCHITECTURE, section 5)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

GROUPS = 8


class DepthTransformer(nn.Module):
    """x + proj_out(attention of proj_in(x) over the depths of proj_context(volume)).

    Two exact savings:

    * Keys and values are linear in the context, so the key matrix is moved to the query side
      and the value matrix behind the weighted sum: (W_k c) . q = c . (W_k^T q) and
      sum_d a_d (W_v c_d) = W_v (sum_d a_d c_d). No key or value of any cell is ever formed,
      and all heads and all guidance branches read the same context.
    * A zero volume gives the same context in every cell (the norm's bias after ReLU), so the
      attention is uniform and the added map depends on the weights and the size only.
    """

    def __init__(self, dim: int, volume_dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.head_dim = volume_dim // 2
        inner = heads * self.head_dim
        self.proj_in = nn.Conv2d(dim, inner, 1)
        self.norm_in = nn.GroupNorm(GROUPS, inner)
        self.proj_context = nn.Linear(volume_dim, volume_dim, bias=False)
        self.norm_context = nn.GroupNorm(GROUPS, volume_dim)
        self.to_q = nn.Linear(inner, inner, bias=False)
        self.to_k = nn.Linear(volume_dim, inner, bias=False)
        self.to_v = nn.Linear(volume_dim, inner, bias=False)
        self.to_out = nn.Linear(inner, inner, bias=False)
        self.norm1 = nn.GroupNorm(GROUPS, inner)
        self.conv1 = nn.Conv2d(inner, inner, 3, padding=1, bias=False)
        self.norm2 = nn.GroupNorm(GROUPS, inner)
        self.conv2 = nn.Conv2d(inner, dim, 3, padding=1, bias=False)

    def project_context(self, volume: Float[Tensor, "B f D h w"]) -> Float[Tensor, "B hw D f"]:
        """Return what the rays' cells offer; one result serves every branch that keeps the volume."""
        depth = volume.shape[2]
        cells = self.proj_context(volume.permute(0, 3, 4, 2, 1).flatten(1, 3))
        context = F.relu(self.norm_context(cells.transpose(1, 2))).transpose(1, 2)
        return context.unflatten(1, (-1, depth))

    def forward(
        self, x: Float[Tensor, "KB c h w"], context: Float[Tensor, "B hw D f"]
    ) -> Float[Tensor, "KB c h w"]:
        """Attend; `x` holds K branches, branch-major, that share the B contexts."""
        height, width = x.shape[-2:]
        query = F.silu(self.norm_in(self.proj_in(x)))
        query = self.to_q(query.permute(0, 2, 3, 1).flatten(1, 2))
        read = self._attend(query.unflatten(-1, (self.heads, self.head_dim)), context)
        return x + self._project_out(read, height, width)

    def zero_volume_residual(self, height: int, width: int) -> Float[Tensor, "1 c h w"]:
        """Return what the layer adds where its volume is all zeros: the same map for every x."""
        context = F.relu(self.norm_context.bias)
        read = self.to_v(context).expand(1, height * width, -1)
        return self._project_out(read, height, width)

    def _attend(
        self, query: Float[Tensor, "KB hw H e"], context: Float[Tensor, "B hw D f"]
    ) -> Float[Tensor, "KB hw He"]:
        batch, pixels = context.shape[:2]
        key_weight = self.to_k.weight.unflatten(0, (self.heads, self.head_dim))
        value_weight = self.to_v.weight.unflatten(0, (self.heads, self.head_dim))
        query = torch.einsum("bphe,hef->bphf", query, key_weight) * self.head_dim**-0.5
        # The branches' heads become the query rows of one small product for each ray.
        rows = query.unflatten(0, (-1, batch)).movedim(0, 2).flatten(2, 3).flatten(0, 1)
        rays = context.flatten(0, 1)
        scores = torch.bmm(rows, rays.transpose(1, 2))
        weights = scores.softmax(dim=-1, dtype=torch.float32).to(rays.dtype)
        read = torch.bmm(weights, rays)
        read = read.unflatten(0, (batch, pixels)).unflatten(2, (-1, self.heads))
        read = read.movedim(2, 0).flatten(0, 1)
        return torch.einsum("bphf,hef->bphe", read, value_weight).flatten(2)

    def _project_out(self, read: Float[Tensor, "B hw m"], height: int, width: int) -> Tensor:
        hidden = self.to_out(read).transpose(1, 2).unflatten(2, (height, width))
        if hidden.device.type == "cpu":
            # PyTorch's CPU group norm loses digits on channels-last input of little variance.
            hidden = hidden.contiguous()
        hidden = self.conv1(F.relu(self.norm1(hidden)))
        return self.conv2(F.relu(self.norm2(hidden)))
