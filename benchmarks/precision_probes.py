"""What a network computes on its way: the outputs of its stages, and its largest numbers."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.hooks import RemovableHandle

from harmony.models.syncdreamer.network import SyncDreamerNetwork

Outputs = dict[str, list[Tensor]]
"""What came out, by name, call by call."""
Peaks = dict[str, tuple[float, str]]
"""For each top-level part, its largest absolute value and the module that made it."""
BETWEEN = "between modules"


def stages(network: SyncDreamerNetwork) -> dict[str, nn.Module]:
    """Return the stages of a denoising step in the order in which they run."""
    unet = network.unet
    found: dict[str, nn.Module] = {
        "time_embedding": network.time_embedding,
        "target_encoder": network.target_encoder,
        "spatial_network": network.spatial_network,
        "frustum_network": network.frustum_network,
        "unet.time_embedding": unet.time_embedding,
        "unet.conv_in": unet.conv_in,
    }
    found |= {f"unet.input_blocks.{i}": block for i, block in enumerate(unet.input_blocks)}
    found |= {"unet.middle_first": unet.middle_first, "unet.middle_second": unet.middle_second}
    found["unet.depth_transformers.0"] = unet.depth_transformers[0]
    for i, block in enumerate(unet.output_blocks):
        found[f"unet.output_blocks.{i}"] = block
        depth = i - unet.first_depth_block + 1
        if depth > 0:
            found[f"unet.depth_transformers.{depth}"] = unet.depth_transformers[depth]
    return found | {"unet.norm_out": unet.norm_out, "unet.conv_out": unet.conv_out}


@contextmanager
def recorded(watched: Mapping[str, nn.Module]) -> Iterator[Outputs]:
    """Collect the outputs of modules, call by call."""
    outputs: Outputs = {name: [] for name in watched}

    def keeper(name: str) -> Callable[[nn.Module, Any, Any], None]:
        return lambda _module, _inputs, output: outputs[name].extend(tree_leaves(output))

    hooks = [module.register_forward_hook(keeper(name)) for name, module in watched.items()]
    try:
        yield outputs
    finally:
        for hook in hooks:
            hook.remove()


def relative_error(found: list[Tensor], exact: list[Tensor]) -> float:
    """Return ||found - exact|| / ||exact|| over all tensors together."""
    pairs = list(zip(found, exact, strict=True))
    difference = sum((a.float() - b).square().sum(dtype=torch.float64).item() for a, b in pairs)
    size = sum(b.square().sum(dtype=torch.float64).item() for _, b in pairs)
    return math.sqrt(difference / size)


class Extremes(TorchDispatchMode):
    """Keeps the largest absolute value of all that is computed in one number type, by module."""

    def __init__(self, network: nn.Module, dtype: torch.dtype) -> None:
        super().__init__()
        self._network = network
        self._dtype = dtype
        self._inside: list[str] = []
        self._largest: dict[str, Tensor] = {}
        self._hooks: list[RemovableHandle] = []

    def __enter__(self) -> Self:
        for name, module in self._network.named_modules():
            self._hooks += [
                module.register_forward_pre_hook(self._entering(name)),
                module.register_forward_hook(self._leaving, always_call=True),
            ]
        super().__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        super().__exit__(*error)
        for hook in self._hooks:
            hook.remove()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> object:
        out = func(*args, **(kwargs or {}))
        # What is merely allocated holds anything.
        if "empty" not in str(func):
            for tensor in tree_leaves(out):
                if isinstance(tensor, Tensor) and tensor.dtype is self._dtype and tensor.numel():
                    self._note(tensor)
        return out

    def by_part(self) -> Peaks:
        """Return the largest values so far."""
        found: Peaks = {}
        for name, tensor in self._largest.items():
            value = tensor.item()
            value = math.inf if math.isnan(value) else value
            part = name.split(".")[0]
            found[part] = max(found.get(part, (0.0, "")), (value, name))
        return found

    def _note(self, tensor: Tensor) -> None:
        name = self._inside[-1] if self._inside else BETWEEN
        largest = tensor.abs().amax()
        known = self._largest.get(name)
        self._largest[name] = largest if known is None else torch.maximum(known, largest)

    def _entering(self, name: str) -> Callable[[nn.Module, Any], None]:
        return lambda _module, _inputs: self._inside.append(name)

    def _leaving(self, _module: nn.Module, _inputs: object, _output: object) -> None:
        self._inside.pop()
