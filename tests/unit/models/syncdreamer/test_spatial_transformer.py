"""The single-token short cut of cross-attention equals the attention itself."""

from __future__ import annotations

import torch

from harmony.models.syncdreamer.spatial_transformer import SpatialTransformer, zero_context_output


def test_single_token_short_cut() -> None:
    torch.manual_seed(0)
    layer = SpatialTransformer(32, heads=4, context_dim=24).eval().requires_grad_(False)
    x, token = torch.randn(2, 32, 6, 6), torch.randn(2, 24)
    expected = layer(x, context=token[:, None])
    short = layer(x, attended=layer.attend_single_token(token))
    assert torch.allclose(short, expected, atol=1e-5)
    several = layer(x, context=torch.randn(2, 3, 24))
    assert not torch.allclose(several, expected, atol=1e-3)


def test_zero_token() -> None:
    torch.manual_seed(0)
    layer = SpatialTransformer(32, heads=4, context_dim=24).eval().requires_grad_(False)
    x = torch.randn(2, 32, 6, 6)
    expected = layer(x, context=torch.zeros(2, 1, 24))
    short = layer(x, attended=zero_context_output(layer).expand(2, -1))
    assert torch.allclose(short, expected, atol=1e-5)
