"""How the networks are placed and run; nothing here changes what they compute."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar, cast

import torch
from torch import nn

from harmony.models.syncdreamer.network import SyncDreamerNetwork

Function = TypeVar("Function", bound=Callable)


@dataclass(frozen=True)
class RuntimeSettings:
    """How the networks run.

    Attributes:
        low_memory: Two views at a time, and the autoencoder and the image tower stay on the CPU
            while they are not in use.
        compile_mode: A mode of `torch.compile` ("default", "max-autotune-no-cudagraphs", ...),
            or None to run without compiling.
        autotune_convolutions: Let cuDNN try its kernels and take the fastest; the choice, and
            with it the last bits of a result, may differ from run to run.
    """

    low_memory: bool = False
    compile_mode: str | None = None
    autotune_convolutions: bool = False


def place(
    network: SyncDreamerNetwork,
    device: torch.device,
    dtype: torch.dtype,
    settings: RuntimeSettings,
) -> None:
    """Move the networks to their device and number type, in place."""
    network.to(dtype=dtype)
    later = [network.autoencoder, network.image_encoder] if settings.low_memory else []
    for part in network.children():
        if part not in later:
            part.to(device)
    if device.type == "cuda" and dtype is not torch.float32:
        put_channels_last(network)


def put_channels_last(network: nn.Module) -> None:
    """Lay out the convolutions' weights, in place, as tensor cores want them."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            module.to(memory_format=torch.channels_last)
        elif isinstance(module, nn.Conv3d | nn.ConvTranspose3d):
            module.to(memory_format=torch.channels_last_3d)


@contextmanager
def convolution_kernels(settings: RuntimeSettings) -> Iterator[None]:
    """Choose cuDNN's kernels: repeatable ones unless the settings ask for the fastest."""
    fastest = settings.autotune_convolutions
    with torch.backends.cudnn.flags(
        enabled=True, benchmark=fastest, deterministic=not fastest, allow_tf32=False
    ):
        yield


def compiled(function: Function, settings: RuntimeSettings) -> Function:
    """Return the function as the settings want it; shapes are fixed and the graph is whole."""
    if settings.compile_mode is None:
        return function
    return cast(
        Function,
        torch.compile(function, mode=settings.compile_mode, fullgraph=True, dynamic=False),
    )
