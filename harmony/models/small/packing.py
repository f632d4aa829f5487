"""The small network's layers rearranged for a CPU: 8-bit matrices, channels last.

The stored matrices are 8-bit integers with one scale for each row already, so their products can
be taken in integers: only the tokens are rounded, to 8 bits with one scale for each product. A
processor with integer dot products (VNNI) does that twice as fast as bfloat16.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from harmony.devices import computes_int8
from harmony.models.small.blocks import Block
from harmony.models.small.network import SmallNetwork

LEVELS = 254  # of 256: rounding the zero point may move all of them by half a level


def quantise_tokens(x: Float[Tensor, "..."]) -> tuple[UInt8[Tensor, "..."], float, int]:
    """Return (q, scale, zero point) with x = scale (q - zero point) to half a scale.

    Raises:
        ValueError: A number is not finite.
    """
    low, high = (bound.item() for bound in x.aminmax())
    if not math.isfinite(high - low):
        raise ValueError(
            "The network's numbers are not finite; use smaller guidance scales or more steps."
        )
    low, high = min(low, 0.0), max(high, 0.0)
    scale = max((high - low) / LEVELS, 1e-12)
    zero = round(-low / scale)
    # Conversion to an integer cuts, so adding a half rounds.
    return torch.add(zero + 0.5, x.float(), alpha=1.0 / scale).to(torch.uint8), scale, zero


class Int8Linear(nn.Module):
    """x W^T + b with W in 8 bits by row and x in 8 bits by tensor, on a CPU."""

    def __init__(self, linear: nn.Linear, out_dtype: torch.dtype, *, gelu: bool = False) -> None:
        """Pack a layer; rows that were loaded from 8 bits keep their integers.

        Args:
            linear: The layer, unchanged.
            out_dtype: Of the result.
            gelu: Whether GELU (by tanh) is applied to the result.
        """
        super().__init__()
        self.out_dtype = out_dtype
        self.activation = ("gelu", [], "tanh") if gelu else ("none", [], "")
        weight = linear.weight.detach().float()
        self.scales = (weight.abs().amax(dim=1) / 127).clamp(min=1e-8)
        self.zeros = torch.zeros(len(weight), dtype=torch.int64)
        rows = (weight / self.scales[:, None]).round().to(torch.int8)
        self.packed = torch.ops.onednn.qlinear_prepack(rows, None)
        self.bias = None if linear.bias is None else linear.bias.detach().float()

    def forward(self, x: Float[Tensor, "... inputs"]) -> Float[Tensor, "... outputs"]:
        """Return the product."""
        tokens, scale, zero = quantise_tokens(x)
        weight = (self.packed, self.scales, self.zeros, self.bias)
        output = (1.0, 0, self.out_dtype)
        return torch.ops.onednn.qlinear_pointwise(
            tokens, scale, zero, *weight, *output, *self.activation
        )


def pack_for_cpu(network: SmallNetwork, dtype: torch.dtype) -> SmallNetwork:
    """Return the network, its layers packed in place for inference on this CPU.

    Args:
        network: In float32, so that no matrix is rounded twice.
        dtype: Of everything but the products in integers.
    """
    if computes_int8():
        for block in network.blocks:
            assert isinstance(block, Block)
            _pack_block(block, dtype)
        _pack(network.decoder, "to_sixteenth", dtype)
    return network.to(dtype).to(memory_format=torch.channels_last)


def _pack_block(block: Block, dtype: torch.dtype) -> None:
    _pack(block.attention, "to_qkv", dtype)
    _pack(block.attention, "to_out", dtype)
    _pack(block, "mlp_in", dtype, gelu=True)
    block.activation = nn.Identity()
    _pack(block, "mlp_out", dtype)


def _pack(owner: nn.Module, name: str, dtype: torch.dtype, *, gelu: bool = False) -> None:
    linear = getattr(owner, name)
    assert isinstance(linear, nn.Linear)
    setattr(owner, name, Int8Linear(linear, dtype, gelu=gelu))
