"""Layers of the small network: modulated transformer blocks and residual convolutions."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

HeadTensor = Float[Tensor, "B heads tokens d"]


def sinusoids(positions: Float[Tensor, " B"], width: int) -> Float[Tensor, "B width"]:
    """Return cosines then sines of `positions` at geometrically spaced frequencies."""
    half = width // 2
    exponents = torch.arange(half, device=positions.device, dtype=torch.float32) / half
    angles = positions.float()[:, None] * torch.exp(-math.log(10000.0) * exponents)
    return torch.cat([angles.cos(), angles.sin()], dim=-1)


class ResidualConv(nn.Module):
    """x + conv(silu(norm(conv(silu(norm(x)))))), two 3x3 convolutions."""

    def __init__(self, channels: int) -> None:
        """Build for a constant number of channels (a multiple of 8)."""
        super().__init__()
        self.norm1 = nn.GroupNorm(8, channels)
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.norm2 = nn.GroupNorm(8, channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)
        nn.init.zeros_(self.conv2.weight)

    def forward(self, x: Float[Tensor, "B c h w"]) -> Float[Tensor, "B c h w"]:
        """Apply the block."""
        hidden = self.conv1(F.silu(self.norm1(x)))
        return x + self.conv2(F.silu(self.norm2(hidden)))


class HeadNorm(nn.Module):
    """RMS norm of every head's vector, so that attention logits stay bounded."""

    def __init__(self, head_width: int) -> None:
        """Build with a learned gain for each of `head_width` numbers."""
        super().__init__()
        self.gain = nn.Parameter(torch.ones(head_width))

    def forward(self, x: HeadTensor) -> HeadTensor:
        """Normalise the last axis."""
        return F.rms_norm(x, (x.shape[-1],), self.gain.to(x.dtype), 1e-6)


def attend(q: HeadTensor, k: HeadTensor, v: HeadTensor) -> HeadTensor:
    """Return softmax(q k^T / sqrt(d)) v."""
    if k.shape[2] == 1:  # softmax over one key is 1
        return v.expand_as(q)
    if q.device.type == "cpu" and q.dtype == torch.bfloat16 and not q.requires_grad:
        # PyTorch's fused kernel leaves a CPU's bfloat16 products unused; two plain products take
        # half its time. The scale goes to the queries, which are fewer than the logits.
        logits = torch.matmul(q * q.shape[-1] ** -0.5, k.transpose(-1, -2))
        return torch.matmul(logits.softmax(dim=-1), v)
    return F.scaled_dot_product_attention(q, k, v)


class KeysValues(nn.Module):
    """Keys and values of context tokens; they do not depend on the timestep."""

    def __init__(self, width: int, heads: int) -> None:
        """Build for tokens of `width`."""
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(width)
        self.to_kv = nn.Linear(width, 2 * width, bias=False)
        self.key_norm = HeadNorm(width // heads)

    def forward(self, tokens: Float[Tensor, "B m width"]) -> tuple[HeadTensor, HeadTensor]:
        """Return (keys, values)."""
        keys, values = rearrange(
            self.to_kv(self.norm(tokens)), "b m (two h d) -> two b h m d", two=2, h=self.heads
        )
        return self.key_norm(keys), values


class Attention(nn.Module):
    """Multi-head self-attention with normalised queries and keys.

    Queries may read a context as well; both readings are added before the output projection.
    """

    def __init__(self, width: int, heads: int) -> None:
        """Build for tokens of `width`."""
        super().__init__()
        self.heads = heads
        self.to_qkv = nn.Linear(width, 3 * width, bias=False)
        self.query_norm = HeadNorm(width // heads)
        self.key_norm = HeadNorm(width // heads)
        self.to_out = nn.Linear(width, width)

    def forward(
        self,
        x: Float[Tensor, "B n t width"],
        joint: int,
        context: tuple[HeadTensor, HeadTensor] | None = None,
    ) -> Float[Tensor, "B n t width"]:
        """Attend over the tokens of all n views in the first `joint` samples, else inside each.

        Args:
            x: Tokens of n views.
            joint: How many samples (from the front) attend across views.
            context: Keys and values that every token reads besides, or None.
        """
        views = x.shape[1]
        q, k, v = rearrange(
            self.to_qkv(x), "b n t (three h d) -> three b h (n t) d", three=3, h=self.heads
        )
        q, k = self.query_norm(q), self.key_norm(k)
        out = self._self_attention(q, k, v, joint=joint, views=views)
        if context is not None:
            keys, values = context
            out = out + attend(q, keys, values)
        return self.to_out(rearrange(out, "b h (n t) d -> b n t (h d)", n=views))

    @staticmethod
    def _self_attention(
        q: HeadTensor, k: HeadTensor, v: HeadTensor, *, joint: int, views: int
    ) -> HeadTensor:
        batch = q.shape[0]
        parts = []
        if joint > 0:
            parts.append(attend(q[:joint], k[:joint], v[:joint]))
        if joint < batch:
            q, k, v = (
                rearrange(y[joint:], "b h (n t) d -> (b n) h t d", n=views) for y in (q, k, v)
            )
            out = attend(q, k, v)
            parts.append(rearrange(out, "(b n) h t d -> b h (n t) d", n=views))
        return parts[0] if len(parts) == 1 else torch.cat(parts)


class Block(nn.Module):
    """A pre-norm transformer block, shifted, scaled and gated by the condition (adaLN-single)."""

    def __init__(self, width: int, heads: int, *, modulated: bool = True) -> None:
        """Build; an unmodulated block is an ordinary pre-norm block."""
        super().__init__()
        self.norm1 = nn.LayerNorm(width, elementwise_affine=not modulated)
        self.attention = Attention(width, heads)
        self.norm2 = nn.LayerNorm(width, elementwise_affine=not modulated)
        self.mlp_in = nn.Linear(width, 4 * width)
        self.activation: nn.Module = nn.GELU(approximate="tanh")
        self.mlp_out = nn.Linear(4 * width, width)
        self.table = nn.Parameter(torch.zeros(6, width)) if modulated else None

    def forward(
        self,
        x: Float[Tensor, "B n t width"],
        joint: int,
        modulation: Float[Tensor, "B 6 width"] | None = None,
        context: tuple[HeadTensor, HeadTensor] | None = None,
    ) -> Float[Tensor, "B n t width"]:
        """Apply attention and the two-layer network."""
        if self.table is None or modulation is None:
            x = x + self.attention(self.norm1(x), joint)
            return x + self._mlp(self.norm2(x))
        rows = (modulation + self.table).to(x.dtype)[:, :, None, None].unbind(dim=1)
        shift1, scale1, gate1, shift2, scale2, gate2 = rows
        hidden = torch.addcmul(shift1, self.norm1(x), 1 + scale1)
        x = torch.addcmul(x, gate1, self.attention(hidden, joint, context))
        hidden = torch.addcmul(shift2, self.norm2(x), 1 + scale2)
        return torch.addcmul(x, gate2, self._mlp(hidden))

    def _mlp(self, x: Tensor) -> Tensor:
        return self.mlp_out(self.activation(self.mlp_in(x)))
