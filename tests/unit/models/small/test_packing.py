"""Layers packed for a CPU compute what the plain ones do."""

import copy

import pytest
import torch
from torch import nn

from harmony.devices import computes_int8
from harmony.models.small import SmallNetwork, packing
from harmony.models.small.blocks import attend
from harmony.models.small.packing import LEVELS, Int8Linear, pack_for_cpu, quantise_tokens
from tests.unit.models.small.test_denoiser import TINY, tiny_network


@pytest.fixture
def exact_integers() -> None:
    if not computes_int8():
        pytest.skip("this processor has no exact 8-bit products (VNNI)")


def relative_error(found: torch.Tensor, truth: torch.Tensor) -> float:
    return ((found - truth).square().mean() / truth.square().mean()).sqrt().item()


@pytest.mark.parametrize("bias", [True, False])
def test_int8_product_of_integers_is_exact(exact_integers: None, bias: bool):
    generator = torch.Generator().manual_seed(0)
    linear = nn.Linear(64, 32, bias=bias)
    rows = torch.randint(-127, 128, (32, 64), generator=generator).float()
    rows[:, 0] = 127  # the largest of each row, as in the weights file
    linear.weight.data = rows
    x = torch.randint(0, LEVELS + 1, (5, 64), generator=generator).float()
    x[0, :2] = torch.tensor([0.0, LEVELS])  # so that one step of the 8 bits is 1
    torch.testing.assert_close(
        Int8Linear(linear, torch.float32)(x), linear(x), rtol=1e-5, atol=1e-2
    )


def test_int8_product_is_close_and_typed(exact_integers: None):
    generator = torch.Generator().manual_seed(1)
    linear, x = nn.Linear(96, 48), torch.randn(2, 3, 96, generator=generator)
    found = Int8Linear(linear, torch.bfloat16)(x.bfloat16())
    assert found.dtype == torch.bfloat16
    assert found.shape == (2, 3, 48)
    assert relative_error(found.float(), linear(x)) < 0.02


def test_gelu_is_fused(exact_integers: None):
    linear, x = nn.Linear(32, 16), torch.randn(4, 32, generator=torch.Generator().manual_seed(4))
    plain = Int8Linear(linear, torch.float32)(x)
    fused = Int8Linear(linear, torch.float32, gelu=True)(x)
    torch.testing.assert_close(fused, nn.GELU(approximate="tanh")(plain), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("low", [-3.0, 0.0, 2.0, -1e-3])
def test_tokens_are_rounded_to_half_a_level(low: float):
    x = torch.linspace(low, low + 5.0, 1001)
    q, scale, zero = quantise_tokens(x)
    assert (scale * (q.float() - zero) - x).abs().max() <= 0.5 * scale * (1 + 1e-3)
    zeros = quantise_tokens(torch.zeros(3))
    assert (zeros[0].int() == zeros[2]).all()


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_tokens_that_are_not_finite_are_refused(bad: float):
    with pytest.raises(ValueError, match="not finite"):
        quantise_tokens(torch.tensor([0.0, bad]))


def predict(network: SmallNetwork, dtype: torch.dtype) -> torch.Tensor:
    generator = torch.Generator().manual_seed(2)
    picture = torch.rand(1, 4, 32, 32, generator=generator) * 2 - 1
    noisy = torch.randn(1, TINY.view_count, 4, 32, 32, generator=generator)
    with torch.inference_mode():
        reference = network.reference(picture.to(dtype), torch.tensor([20.0]), torch.ones(1))
        return network(noisy.to(dtype), torch.tensor([0.4]), reference, 1).float()


@pytest.mark.parametrize("int8", [False, True])
@pytest.mark.parametrize(("dtype", "bound"), [(torch.float32, 0.02), (torch.bfloat16, 0.05)])
def test_packed_network_is_close_to_the_plain_one(
    monkeypatch: pytest.MonkeyPatch, dtype: torch.dtype, bound: float, int8: bool
):
    if int8 and not computes_int8():
        pytest.skip("this processor has no exact 8-bit products (VNNI)")
    monkeypatch.setattr(packing, "computes_int8", lambda: int8)
    plain = tiny_network().eval()
    packed = pack_for_cpu(copy.deepcopy(plain), dtype).eval()
    assert any(isinstance(layer, Int8Linear) for layer in packed.modules()) == int8
    truth = predict(plain, torch.float32)
    error = relative_error(predict(packed, dtype), truth)
    assert 0 < error < bound or (not int8 and dtype == torch.float32 and error < 1e-5)


@pytest.mark.parametrize("keys", [1, 7])
def test_attention_by_two_products_is_the_fused_one(keys: int):
    generator = torch.Generator().manual_seed(3)
    q, k, v = (torch.randn(2, 3, n, 16, generator=generator) for n in (9, keys, keys))
    with torch.inference_mode():
        truth = torch.nn.functional.scaled_dot_product_attention(q, k, v)
        found = attend(*(x.bfloat16() for x in (q, k, v))).float()
    assert relative_error(found, truth) < 0.02
