"""Stable Diffusion's spatial transformer, with the single-token short cut of cross-attention."""

from __future__ import annotations

from typing import cast

from diffusers.models.attention import BasicTransformerBlock
from diffusers.models.attention_processor import Attention
from jaxtyping import Float
from torch import Tensor, nn


class SpatialTransformer(nn.Module):
    """Self-attention, cross-attention and feed-forward over the pixels of one level."""

    def __init__(self, dim: int, heads: int, context_dim: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(32, dim, eps=1e-6)
        self.proj_in = nn.Linear(dim, dim)
        self.block = BasicTransformerBlock(
            dim, heads, dim // heads, cross_attention_dim=context_dim, activation_fn="geglu"
        )
        self.proj_out = nn.Linear(dim, dim)

    def attend_single_token(self, context: Float[Tensor, "B k"]) -> Float[Tensor, "B c"]:
        """Return what cross-attention adds to every pixel where the context is one token.

        The softmax over a single key is 1, so neither queries nor keys matter and the result,
        to_out(to_v(context)), is the same for every pixel, timestep and latent (ARCHITECTURE, 4).
        """
        value, out = _cross_attention_layers(self)
        return out(value(context))

    def forward(
        self,
        x: Float[Tensor, "B c h w"],
        *,
        context: Float[Tensor, "B L k"] | None = None,
        attended: Float[Tensor, "B c"] | None = None,
    ) -> Float[Tensor, "B c h w"]:
        """Transform; give either the context's tokens or `attend_single_token`'s result."""
        height, width = x.shape[-2:]
        tokens = self.proj_in(self.norm(x).permute(0, 2, 3, 1).flatten(1, 2))
        if attended is None:
            tokens = self.block(tokens, encoder_hidden_states=context)
        else:
            tokens = self._block_with_attended(tokens, attended)
        hidden = self.proj_out(tokens).transpose(1, 2).unflatten(2, (height, width))
        return x + hidden

    def _block_with_attended(self, tokens: Tensor, attended: Tensor) -> Tensor:
        block = self.block
        self_attention = cast(nn.Module, block.attn1)
        tokens = tokens + self_attention(block.norm1(tokens)) + attended[:, None]
        norm = cast(nn.Module, block.norm3)
        return tokens + block.ff(norm(tokens))


def zero_context_output(transformer: SpatialTransformer) -> Float[Tensor, " c"]:
    """Return cross-attention's output for an all-zero token: the output layer's bias."""
    return _cross_attention_layers(transformer)[1].bias


def _cross_attention_layers(transformer: SpatialTransformer) -> tuple[nn.Linear, nn.Linear]:
    """Return the value and output layers."""
    attention = cast(Attention, transformer.block.attn2)
    layers = cast(nn.ModuleList, attention.to_out)
    return cast(nn.Linear, attention.to_v), cast(nn.Linear, layers[0])
