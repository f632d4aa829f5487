"""Work inside a network that ends as soon as nobody waits for it."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from torch import nn

from harmony.ui.interrupting import NoLongerWantedError, interruptible, slow_network


def a_network(layers: int = 3) -> nn.Sequential:
    return nn.Sequential(*(nn.Linear(2, 2) for _ in range(layers)))


def test_a_network_whose_work_is_wanted_computes_as_ever():
    network, x = a_network(), torch.ones(1, 2)
    expected = network(x)
    with interruptible(network, lambda: True):
        assert torch.equal(network(x), expected)


def test_work_that_is_not_wanted_any_more_ends_before_the_next_layer():
    network, reached = a_network(), []
    for layer in network:
        layer.register_forward_hook(lambda *_: reached.append(1))
    with pytest.raises(NoLongerWantedError), interruptible(network, lambda: len(reached) < 2):
        network(torch.ones(1, 2))
    assert len(reached) == 2


def test_nobody_is_asked_afterwards():
    network = a_network()
    with pytest.raises(NoLongerWantedError), interruptible(network, lambda: False):
        network(torch.ones(1, 2))
    network(torch.ones(1, 2))


def test_a_network_of_another_process_is_left_alone():
    with interruptible(None, lambda: False):
        pass


@pytest.mark.parametrize(("device", "slow"), [("cpu", True), ("mps", True), ("cuda", False)])
def test_a_step_is_worth_ending_half_way_unless_a_cuda_device_takes_it(device, slow):
    model = SimpleNamespace(network=a_network(), device=torch.device(device))
    assert slow_network(model) is (model.network if slow else None)


def test_a_model_in_another_process_has_no_network_here():
    assert slow_network(SimpleNamespace(image_size=8)) is None
