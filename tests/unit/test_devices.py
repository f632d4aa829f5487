from __future__ import annotations

import pytest
import torch

from harmony.devices import (
    DEVICES,
    choose_device,
    choose_dtype,
    prefers_single_samples,
    release_memory,
    set_threads,
)


@pytest.fixture
def hardware(monkeypatch):
    def pretend(*, cuda: bool, mps: bool) -> None:
        monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)

    return pretend


@pytest.mark.parametrize(
    ("cuda", "mps", "best"),
    [(True, True, "cuda"), (True, False, "cuda"), (False, True, "mps"), (False, False, "cpu")],
)
def test_auto_takes_the_best_there_is(hardware, cuda, mps, best):
    hardware(cuda=cuda, mps=mps)
    assert choose_device("auto").type == best
    assert choose_device("cpu").type == "cpu"


@pytest.mark.parametrize("name", ["cuda", "mps"])
def test_a_device_that_is_not_there_is_refused(hardware, name):
    hardware(cuda=False, mps=False)
    with pytest.raises(ValueError, match=f"There is no {name} device"):
        choose_device(name)


@pytest.mark.parametrize("name", ["", "tpu", "cuda:99999"])
def test_unknown_devices_are_refused(name):
    assert name not in DEVICES
    with pytest.raises(ValueError, match="must be one of"):
        choose_device(name)


def test_only_the_cpu_works_on_single_samples():
    assert prefers_single_samples(torch.device("cpu"))
    assert not prefers_single_samples(torch.device("cuda"))


@pytest.mark.parametrize(
    ("capabilities", "dtype"),
    [
        ({"avx2": True, "avx512_bf16": False}, torch.float32),
        ({"avx512_bf16": True}, torch.bfloat16),
        ({"amx_bf16": True}, torch.bfloat16),
    ],
)
def test_a_cpu_computes_in_16_bits_only_where_it_has_the_products(monkeypatch, capabilities, dtype):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities)
    assert choose_dtype(torch.device("cpu")) is dtype


@pytest.mark.parametrize(
    ("has_bfloat16", "dtype"), [(True, torch.bfloat16), (False, torch.float16)]
)
def test_a_gpu_computes_in_16_bits(monkeypatch, has_bfloat16, dtype):
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: has_bfloat16)
    assert choose_dtype(torch.device("cuda")) is dtype


def test_threads_are_set_and_checked():
    before = torch.get_num_threads()
    set_threads(1)
    assert torch.get_num_threads() == 1
    set_threads(before)
    with pytest.raises(ValueError, match="1 or more"):
        set_threads(0)


def test_memory_is_released_where_there_is_a_cache(monkeypatch):
    released = []
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: released.append("cuda"))
    release_memory(torch.device("cpu"))
    assert released == []
    release_memory(torch.device("cuda"))
    assert released == ["cuda"]
