"""Work inside a network that ends as soon as nobody waits for it, and not at its next step."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import nn


class NoLongerWantedError(Exception):
    """The work that is being computed is not wanted any more."""


def slow_network(model: Any) -> nn.Module | None:
    """Return the network of a model if its steps are worth ending half-way.

    Not on a CUDA device: there layers are only queued, and a step takes a few milliseconds. Nor
    where another process computes, which has the network.
    """
    network = getattr(model, "network", None)
    return None if network is None or model.device.type == "cuda" else network


@contextmanager
def interruptible(network: nn.Module | None, wanted: Callable[[], bool]) -> Iterator[None]:
    """Ask before each layer of a network whether its work is still wanted.

    On a CPU a step of the live model takes a few tenths of a second, which is most of what a
    visitor would wait for the run that their next position replaces.

    Args:
        network: Used by nobody else meanwhile; None leaves the work to its own end.
        wanted: Quick, and asked a few hundred times in each pass.

    Raises:
        NoLongerWantedError: It is not; nothing is broken.
    """

    def ask(*_: Any) -> None:
        if not wanted():
            raise NoLongerWantedError

    layers = () if network is None else tuple(network.modules())
    hooks = [layer.register_forward_pre_hook(ask) for layer in layers]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
