"""What each guidance branch shows the U-Net, and which parts of the work branches share.

Zeros stand after the projection (token) and after the frustum network (volume), as in the
released sampling code (ARCHITECTURE 8.4).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from harmony.models.syncdreamer.config import LATENT_SCALE
from harmony.records import Branch

OFFICIAL_NO_VIEWS_FACTOR = 4.0
"""The released code multiplies the input latent by 4 in the branch without views; the paper does not."""


@dataclass(frozen=True)
class BranchInputs:
    """One branch's conditions.

    Attributes:
        context: Whether the projected CLIP and view token is given, or zeros.
        latent_factor: Factor of the concatenated input latent; 0 removes it.
        volume: Whether the frustum volumes are given, or zeros.
    """

    context: bool
    latent_factor: float
    volume: bool


BRANCH_INPUTS: Mapping[Branch, BranchInputs] = {
    Branch.FULL: BranchInputs(True, 1.0, True),
    Branch.NO_REFERENCE: BranchInputs(False, 0.0, True),
    Branch.NO_VIEWS: BranchInputs(True, 1.0, False),
    Branch.NO_VIEWS_OFFICIAL: BranchInputs(True, OFFICIAL_NO_VIEWS_FACTOR, False),
    Branch.UNCONDITIONAL: BranchInputs(False, 0.0, False),
}


@dataclass(frozen=True)
class BranchPlan:
    """How several branches are computed in one batch.

    Attributes:
        order: The branches, those that keep the volume first.
        encodings: The different (context, latent_factor) pairs; the U-Net's first half runs
            once for each.
        encoding_of: For each branch of `order`, its place in `encodings`.
        with_volume: How many of `order` keep the volume.
    """

    order: tuple[Branch, ...]
    encodings: tuple[tuple[bool, float], ...]
    encoding_of: tuple[int, ...]
    with_volume: int


def plan_branches(branches: Sequence[Branch]) -> BranchPlan:
    """Order the branches and find what they share.

    Raises:
        ValueError: No branch is named, or one stands twice.
    """
    if not branches or len(set(branches)) != len(branches):
        raise ValueError("Name every branch to predict once, and at least one.")
    order = tuple(sorted(branches, key=lambda branch: not BRANCH_INPUTS[branch].volume))
    pairs = [(BRANCH_INPUTS[b].context, BRANCH_INPUTS[b].latent_factor) for b in order]
    encodings = tuple(dict.fromkeys(pairs))
    with_volume = sum(BRANCH_INPUTS[branch].volume for branch in order)
    return BranchPlan(order, encodings, tuple(map(encodings.index, pairs)), with_volume)


def unet_input(
    latents: Float[Tensor, "B 4 h w"], reference_latent: Float[Tensor, "B 4 h w"], factor: float
) -> Float[Tensor, "B 8 h w"]:
    """Concatenate the noisy and the input latent.

    Concat quirk: Zero123 was trained with the unscaled latent there, so the scaled input latent
    is divided by 0.18215 once more (official `UNetWrapper.forward`; ARCHITECTURE, section 4).

    Args:
        latents: Noisy latents of single views.
        reference_latent: The encoded reference, times 0.18215.
        factor: `BranchInputs.latent_factor`.
    """
    return torch.cat([latents, reference_latent * (factor / LATENT_SCALE)], dim=1)
