"""The number type that the networks compute in, and what happens where its range ends.

Guidance multiplies the differences of branches, and with them their rounding errors, most of
which arise in the U-Net's products. float16's are eight times smaller than bfloat16's at the
same speed, but it ends at 65504: what overflows is computed again in a wider type.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from harmony.devices import choose_dtype, describe_precision

logger = logging.getLogger(__name__)
Tensors = TypeVar("Tensors", bound=Mapping[Any, Tensor])


def default_dtype(device: torch.device) -> torch.dtype:
    """Return the number type that SyncDreamer computes in unless told otherwise."""
    return torch.float16 if device.type == "cuda" else choose_dtype(device)


class RangeGuard:
    """Computes in one number type, and again in a wider one what overflows float16.

    Every call begins in float16, so that no result depends on what was computed before it.
    """

    def __init__(self, dtype: torch.dtype, device: torch.device) -> None:
        """Compute in `dtype`; `device` decides which wider one there is."""
        self._dtype = dtype
        self._wider = _wider_dtype(device)
        self._has_warned = False

    def run(self, parts: Iterable[nn.Module], compute: Callable[[torch.dtype], Tensors]) -> Tensors:
        """Return `compute(dtype)`; a second time, if need be, with `parts` in the wider type."""
        result = compute(self._dtype)
        if self._dtype is not torch.float16 or _all_finite(result.values()):
            return result
        self._warn()
        with computing_in(self._wider, parts):
            return compute(self._wider)

    def _warn(self) -> None:
        if not self._has_warned:
            logger.warning(
                "SyncDreamer's numbers overflow float16 with these weights; what overflows is "
                "computed again in %s, which takes longer",
                describe_precision(self._wider),
            )
        self._has_warned = True


@contextmanager
def computing_in(dtype: torch.dtype, parts: Iterable[nn.Module]) -> Iterator[None]:
    """Let some parts hold weights of another number type for a while, then their own again."""
    parameters = [parameter for part in parts for parameter in part.parameters()]
    own = [parameter.data for parameter in parameters]
    try:
        for parameter in parameters:
            parameter.data = parameter.data.to(dtype)
        yield
    finally:
        for parameter, data in zip(parameters, own, strict=True):
            parameter.data = data


def _wider_dtype(device: torch.device) -> torch.dtype:
    return torch.bfloat16 if choose_dtype(device) is torch.bfloat16 else torch.float32


def _all_finite(tensors: Iterable[Tensor]) -> bool:
    # An overflow cannot hide: the next norm makes its whole group not a number.
    return all(bool(tensor.isfinite().all()) for tensor in tensors)
