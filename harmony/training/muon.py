"""Muon: momentum whose matrix updates are orthogonalised (Jordan et al. 2024).

Matrices of equal shape are stacked, so that one batched product serves many layers; the update
is scaled by 0.2 sqrt(max(rows, columns)), which gives it AdamW's usual size (Liu et al. 2025).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

QUINTIC = (3.4445, -4.7750, 2.0315)  # coefficients of the Newton-Schulz iteration


def orthogonalise(matrices: Float[Tensor, "k r c"], steps: int = 5) -> Float[Tensor, "k r c"]:
    """Return nearly orthogonal matrices U V^T of the given U S V^T, in bfloat16."""
    a, b, c = QUINTIC
    x = matrices.bfloat16()
    tall = x.shape[-2] > x.shape[-1]
    if tall:
        x = x.mT
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    for _ in range(steps):
        gram = x @ x.mT
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.mT if tall else x


class Muon:
    """Nesterov momentum with orthogonalised updates for matrices.

    A parameter whose rows are a whole number of square matrices (packed q, k, v) is split into
    them, as each is a map of its own.
    """

    def __init__(
        self, parameters: Sequence[Tensor], *, momentum: float = 0.95, weight_decay: float = 0.05
    ) -> None:
        """Group `parameters` by shape; their `.grad` must exist at every step."""
        self.momentum_decay = momentum
        self.weight_decay = weight_decay
        groups: dict[tuple[int, int], list[Tensor]] = defaultdict(list)
        for parameter in parameters:
            groups[_matrix_shape(parameter)].append(parameter)
        self.groups = dict(groups)
        self.buffers = {
            shape: torch.zeros(
                sum(p.shape[0] // shape[0] for p in group), *shape, device=group[0].device
            )
            for shape, group in self.groups.items()
        }

    @torch.no_grad()
    def step(self, learning_rate: float) -> None:
        """Update every parameter from its gradient."""
        for shape, group in self.groups.items():
            gradient = torch.cat([p.grad.view(-1, *shape) for p in group if p.grad is not None])
            buffer = self.buffers[shape]
            buffer.lerp_(gradient, 1 - self.momentum_decay)
            direction = orthogonalise(gradient.lerp(buffer, self.momentum_decay))
            scale = -learning_rate * 0.2 * max(shape) ** 0.5
            pieces = direction.split([p.shape[0] // shape[0] for p in group])
            torch._foreach_mul_(group, 1 - learning_rate * self.weight_decay)
            updates = [
                piece.reshape(p.shape).to(p.dtype) for p, piece in zip(group, pieces, strict=True)
            ]
            torch._foreach_add_(group, updates, alpha=scale)

    def state(self) -> dict[str, Tensor]:
        """Return the momentum by shape."""
        return {f"{rows}x{columns}": b for (rows, columns), b in self.buffers.items()}

    def load_state(self, state: dict[str, Tensor]) -> None:
        """Restore what `state` returned."""
        for (rows, columns), buffer in self.buffers.items():
            buffer.copy_(state[f"{rows}x{columns}"])


def _matrix_shape(parameter: Tensor) -> tuple[int, int]:
    rows, columns = parameter.shape
    packed = rows % columns == 0 and rows // columns in (2, 3)
    return (columns, columns) if packed else (rows, columns)
