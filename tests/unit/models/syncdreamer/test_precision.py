"""The number type of SyncDreamer's arithmetic, and what happens at the end of float16's range."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from harmony.models.syncdreamer import precision
from harmony.models.syncdreamer.model import SyncDreamer
from harmony.models.syncdreamer.network import SyncDreamerNetwork
from harmony.models.syncdreamer.precision import computing_in, default_dtype
from harmony.records import Branch, ReferenceImage

from .conftest import build_network

LARGE = ("frustum_network.conv_in", "autoencoder.encoder.conv_in", "autoencoder.decoder.conv_in")


@pytest.fixture(autouse=True)
def processor(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stand in for a processor with bfloat16 products."""
    monkeypatch.setattr(precision, "choose_dtype", lambda _: torch.bfloat16)


def _network(large: tuple[str, ...] = ()) -> SyncDreamerNetwork:
    """Return weights that float16 holds exactly; what `large` layers make of them it cannot."""
    network = build_network()
    for name in large:
        layer = network.get_submodule(name)
        assert isinstance(layer, nn.Conv2d | nn.Conv3d)
        layer.weight.mul_(6e4 / layer.weight.abs().max())
    return network.half().float()


def _results(model: SyncDreamer) -> list[Tensor]:
    """Return two predictions and the pictures of some latents."""
    generator = torch.Generator().manual_seed(4)
    pixels = torch.rand(3, 64, 64, generator=generator) * 2 - 1
    latents = torch.randn(1, 16, 4, 8, 8, generator=generator).to(model.device)
    condition = model.encode_reference(ReferenceImage(pixels, torch.ones(1, 64, 64), 20.0))
    branches = (Branch.FULL, Branch.NO_VIEWS)
    predicted = model.predict(latents, 500, condition, branches)
    return [t.cpu() for t in (*predicted.values(), model.decode_pixels(latents))]


def _errors(dtype: torch.dtype, large: tuple[str, ...] = (), device: str = "cpu") -> list[float]:
    """Return the relative errors of `_results` in a number type."""
    exact = _results(SyncDreamer(_network(large), weights_sha256=""))
    model = SyncDreamer(_network(large), weights_sha256="", device=device, dtype=dtype)
    found = _results(model)
    return [((a - b).norm() / b.norm()).item() for a, b in zip(found, exact, strict=True)]


def test_a_gpu_computes_in_float16_and_others_as_they_can() -> None:
    assert default_dtype(torch.device("cuda")) is torch.float16
    assert default_dtype(torch.device("cpu")) is torch.bfloat16


def test_float16_is_closer_than_bfloat16(caplog: pytest.LogCaptureFixture) -> None:
    for narrow, wide in zip(_errors(torch.float16), _errors(torch.bfloat16), strict=True):
        assert narrow < wide / 4
    assert not caplog.records


@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
def test_what_overflows_is_computed_again(caplog: pytest.LogCaptureFixture, device: str) -> None:
    assert max(_errors(torch.float16, LARGE, device)) < 0.03
    # Encoding, denoising and decoding all overflow; one warning says it all.
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "computed again in bfloat16" in caplog.text


def test_an_overflow_changes_nothing_that_comes_later() -> None:
    model = SyncDreamer(_network(LARGE), weights_sha256="", dtype=torch.float16)
    before = {name: tensor.clone() for name, tensor in model.network.state_dict().items()}
    for first, second in zip(_results(model), _results(model), strict=True):
        assert torch.equal(first, second)
    after = model.network.state_dict()
    assert all(torch.equal(after[name], tensor) for name, tensor in before.items())
    assert {tensor.dtype for tensor in after.values()} == {torch.float16}
    assert model.dtype is torch.float16


def _fail_while_computing_in(dtype: torch.dtype, layer: nn.Linear) -> None:
    with computing_in(dtype, [layer]):
        assert layer.weight.dtype is dtype
        raise KeyError


def test_weights_are_their_own_again_after_an_error() -> None:
    layer = nn.Linear(2, 2).half()
    own = layer.weight.data
    with pytest.raises(KeyError):
        _fail_while_computing_in(torch.float32, layer)
    assert layer.weight.dtype is torch.float16
    assert layer.weight.data_ptr() == own.data_ptr()
