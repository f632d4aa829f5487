"""Everything that a training run owns, in flat buffers, and its checkpoint.

All parameters are views of one flat tensor, their gradients of another, so that averaging
over processes, clipping and the moving average are one operation each.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from harmony.training.muon import Muon

EMA_LIMIT = 0.9993
CLIP_NORM = 1.0
ADAM = {"betas": (0.9, 0.98), "weight_decay": 0.01}
MUON_RATE, ADAM_RATE = 3e-3, 1e-3


@dataclass(frozen=True)
class Progress:
    """How far a run is.

    Attributes:
        step: Optimiser steps made.
        samples: Objects seen, over all processes.
        seconds: Training time so far.
    """

    step: int = 0
    samples: int = 0
    seconds: float = 0.0


class FlatParameters:
    """A network's parameters and gradients as two flat tensors."""

    def __init__(self, network: nn.Module) -> None:
        """Move every parameter of `network` into one flat tensor; grads are preset views."""
        parameters = list(network.parameters())
        self.names = [name for name, _ in network.named_parameters()]
        self.values = torch.cat([p.detach().reshape(-1) for p in parameters]).float()
        self.gradients = torch.zeros_like(self.values)
        offset = 0
        for parameter in parameters:
            end = offset + parameter.numel()
            parameter.data = self.values[offset:end].view(parameter.shape)
            parameter.grad = self.gradients[offset:end].view(parameter.shape)
            offset = end
        self.shapes = [parameter.shape for parameter in parameters]

    def unflatten(self, flat: Float[Tensor, " n"]) -> dict[str, Tensor]:
        """Return a state dictionary of views into `flat`."""
        pieces = flat.split([shape.numel() for shape in self.shapes])
        return {
            name: piece.view(shape)
            for name, piece, shape in zip(self.names, pieces, self.shapes, strict=True)
        }


class TrainingState:
    """Weights, their moving average, and both optimisers."""

    def __init__(self, network: nn.Module) -> None:
        """Take over `network` (already on its device); block matrices go to Muon."""
        self.flat = FlatParameters(network)
        self.average = self.flat.values.clone()
        matrices, others = [], []
        for name, parameter in network.named_parameters():
            in_block = ".blocks." in f".{name}" or "keys_values." in name
            is_matrix = in_block and name.endswith("weight") and parameter.ndim > 1
            (matrices if is_matrix else others).append(parameter)
        self.muon = Muon(matrices)
        self.adam = torch.optim.AdamW(others, lr=ADAM_RATE, fused=self.flat.values.is_cuda, **ADAM)
        self.progress = Progress()

    @torch.no_grad()
    def step(self, rate: float, samples: int, seconds: float) -> Float[Tensor, ""]:
        """Clip, update, average; return the gradient's norm (no host synchronisation).

        Args:
            rate: Learning rate relative to its peak, in [0, 1].
            samples: Seen in this step over all processes.
            seconds: Total training time so far.
        """
        norm = self.flat.gradients.norm()
        self.flat.gradients.mul_((CLIP_NORM / (norm + 1e-6)).clamp(max=1.0))
        for group in self.adam.param_groups:
            group["lr"] = ADAM_RATE * rate
        self.adam.step()
        self.muon.step(MUON_RATE * rate)
        self.flat.gradients.zero_()
        step = self.progress.step + 1
        decay = min(EMA_LIMIT, 1 - 1 / (0.1 * step + 2))
        self.average.lerp_(self.flat.values, 1 - decay)
        self.progress = Progress(step, self.progress.samples + samples, seconds)
        return norm

    def averaged_state(self) -> dict[str, Tensor]:
        """Return the moving average as a state dictionary."""
        return self.flat.unflatten(self.average)

    def start_from(self, weights: Mapping[str, Tensor]) -> None:
        """Begin a new run at given weights (fresh optimisers).

        Raises:
            ValueError: Names or shapes differ.
        """
        if set(weights) != set(self.flat.names):
            raise ValueError("The given weights do not fit the network.")
        for name, value in self.flat.unflatten(self.flat.values).items():
            value.copy_(weights[name])
        self.average.copy_(self.flat.values)

    def save(self, folder: Path) -> None:
        """Write a checkpoint from which `load` continues exactly."""
        folder.mkdir(parents=True, exist_ok=True)
        tensors = {"values": self.flat.values, "average": self.average}
        tensors |= {f"muon.{name}": buffer for name, buffer in self.muon.state().items()}
        for index, state in self.adam.state_dict()["state"].items():
            tensors |= {f"adam.{index}.{name}": value for name, value in state.items()}
        save_file({name: t.contiguous() for name, t in tensors.items()}, folder / "state.part")
        (folder / "state.part").replace(folder / "state.safetensors")
        (folder / "progress.json").write_text(json.dumps(asdict(self.progress)))

    def load(self, folder: Path) -> None:
        """Continue from a checkpoint."""
        tensors = load_file(folder / "state.safetensors")
        self.flat.values.copy_(tensors.pop("values"))
        self.average.copy_(tensors.pop("average"))
        adam: dict[int, dict[str, Tensor]] = {}
        muon: dict[str, Tensor] = {}
        for name, tensor in tensors.items():
            owner, *rest = name.split(".")
            if owner == "muon":
                muon[rest[0]] = tensor
            else:
                adam.setdefault(int(rest[0]), {})[rest[1]] = tensor
        self.muon.load_state(muon)
        groups = self.adam.state_dict()["param_groups"]
        self.adam.load_state_dict({"state": adam, "param_groups": groups})
        progress = json.loads((folder / "progress.json").read_text())
        self.progress = Progress(**progress)
