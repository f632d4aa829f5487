"""The absorbed form of depth attention equals the plain one."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from harmony.models.syncdreamer.depth_attention import DepthTransformer


@pytest.fixture
def layer() -> DepthTransformer:
    torch.manual_seed(1)
    layer = DepthTransformer(dim=32, volume_dim=16, heads=4).requires_grad_(False)
    for parameter in layer.parameters():
        if parameter.dim() == 1:
            parameter.add_(0.3 * torch.randn_like(parameter))
    return layer


def plain(layer: DepthTransformer, x: Tensor, volume: Tensor) -> Tensor:
    """ARCHITECTURE section 5, word by word: keys and values of every cell are formed."""
    heads, size = layer.heads, layer.head_dim
    query = F.silu(layer.norm_in(layer.proj_in(x)))
    weight = layer.proj_context.weight[..., None, None, None]
    context = F.relu(layer.norm_context(F.conv3d(volume, weight)))
    q = F.conv2d(query, layer.to_q.weight[..., None, None]).unflatten(1, (heads, size))
    k = F.conv3d(context, layer.to_k.weight[..., None, None, None]).unflatten(1, (heads, size))
    v = F.conv3d(context, layer.to_v.weight[..., None, None, None]).unflatten(1, (heads, size))
    scores = (q[:, :, :, None] * k).sum(2, keepdim=True) / size**0.5
    read = (scores.softmax(dim=3) * v).sum(3).flatten(1, 2)
    out = F.conv2d(read, layer.to_out.weight[..., None, None])
    out = layer.conv1(F.relu(layer.norm1(out)))
    return x + layer.conv2(F.relu(layer.norm2(out)))


def test_equals_the_plain_form(layer: DepthTransformer) -> None:
    x, volume = torch.randn(3, 32, 5, 5), 2 * torch.randn(3, 16, 7, 5, 5)
    out = layer(x, layer.project_context(volume))
    assert torch.allclose(out, plain(layer, x, volume), atol=2e-5)
    assert not torch.allclose(out, x, atol=0.1)


def test_branches_share_one_context(layer: DepthTransformer) -> None:
    x, volume = torch.randn(3, 2, 32, 5, 5), torch.randn(2, 16, 7, 5, 5)
    together = layer(x.flatten(0, 1), layer.project_context(volume))
    alone = torch.cat([plain(layer, branch, volume) for branch in x])
    assert torch.allclose(together, alone, atol=2e-5)


def test_zero_volume_adds_the_same_map_to_every_input(layer: DepthTransformer) -> None:
    x = torch.randn(3, 32, 5, 5)
    residual = layer.zero_volume_residual(5, 5)
    expected = plain(layer, x, torch.zeros(3, 16, 7, 5, 5))
    assert torch.allclose(x + residual, expected, atol=2e-5)
    assert residual.abs().max() > 0.1


def test_order_of_depths_does_not_matter(layer: DepthTransformer) -> None:
    x, volume = torch.randn(1, 32, 4, 4), torch.randn(1, 16, 6, 4, 4)
    forward = layer(x, layer.project_context(volume))
    backward = layer(x, layer.project_context(volume.flip(2)))
    assert torch.allclose(forward, backward, atol=1e-5)
