"""The small model's training objective.

A batch is ordered so that samples that attend across views come first: full, no_reference,
no_views, unconditional. The shares below are the branch table that sampling uses.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from harmony.models.small.network import SmallNetwork
from harmony.models.small.schedule import add_noise

NO_REFERENCE_SHARE, NO_VIEWS_SHARE, UNCONDITIONAL_SHARE = 0.09, 0.09, 0.06
SHARE_MEAN, SHARE_STD = -1.6, 1.3  # of logit t: pictures of 256 pixels need high noise
LARGEST_WEIGHT = 0.1  # weight 1 / max(1 - t, this)^2: the flow's velocity error, bounded
ALPHA_WEIGHT = 0.5


@dataclass(frozen=True)
class BranchCounts:
    """How many samples of a batch train which branch, in batch order."""

    full: int
    no_reference: int
    no_views: int
    unconditional: int

    @property
    def total(self) -> int:
        """Batch size."""
        return self.full + self.no_reference + self.no_views + self.unconditional

    @property
    def joint(self) -> int:
        """Samples that attend across views."""
        return self.full + self.no_reference

    def keep_reference(self, device: torch.device) -> Float[Tensor, " B"]:
        """Return 1 where the reference is given, else 0."""
        ones, zeros = (1.0, 0.0)
        values = [ones] * self.full + [zeros] * self.no_reference
        values += [ones] * self.no_views + [zeros] * self.unconditional
        return torch.tensor(values, device=device)


def branch_counts(batch: int) -> BranchCounts:
    """Split a batch by the shares above.

    Raises:
        ValueError: The batch is too small to hold all four branches.
    """
    shares = (NO_REFERENCE_SHARE, NO_VIEWS_SHARE, UNCONDITIONAL_SHARE)
    rest = [max(1, round(share * batch)) for share in shares]
    if batch <= sum(rest):
        raise ValueError(f"A batch of {batch} is too small to train all four branches.")
    return BranchCounts(batch - sum(rest), *rest)


def to_signal(pictures: UInt8[Tensor, "..."]) -> Float[Tensor, "..."]:
    """uint8 RGBA -> float32 in [-1, 1]."""
    return pictures.float() / 127.5 - 1.0


def draw_shares(count: int, generator: torch.Generator) -> Float[Tensor, " B"]:
    """Draw signal shares t, logit-normal, on the generator's device."""
    normal = torch.randn(count, generator=generator, device=generator.device)
    return torch.sigmoid(SHARE_MEAN + SHARE_STD * normal)


class NoisyViews(nn.Module):
    """Bytes -> noisy views; a module, so that a run can compile it to one pass over memory."""

    def forward(
        self,
        views: UInt8[Tensor, "B N 4 H W"],
        noise: Float[Tensor, "B N 4 H W"],
        share: Float[Tensor, " B"],
    ) -> Float[Tensor, "B N 4 H W"]:
        """Return the views at signal share t, in the noise's precision."""
        return add_noise(to_signal(views), noise.float(), share).to(noise.dtype)


class VelocityError(nn.Module):
    """Squared error of the predicted clean views, weighted as an error of the flow's velocity."""

    def forward(
        self,
        predicted: Float[Tensor, "B N 4 H W"],
        views: UInt8[Tensor, "B N 4 H W"],
        share: Float[Tensor, " B"],
    ) -> Float[Tensor, ""]:
        """Return the mean over the batch."""
        error = (predicted.float() - to_signal(views)).square().mean(dim=(1, 3, 4))
        per_sample = (error[:, :3].sum(dim=1) + ALPHA_WEIGHT * error[:, 3]) / (3 + ALPHA_WEIGHT)
        return (per_sample / (1 - share).clamp(min=LARGEST_WEIGHT).square()).mean()


class FlowObjective(nn.Module):
    """The loss of a network on a batch of rendered scenes."""

    def __init__(self, network: SmallNetwork) -> None:
        """Wrap `network`, which predicts clean pictures."""
        super().__init__()
        self.network = network
        self.noisy_views = NoisyViews()
        self.velocity_error = VelocityError()

    def forward(
        self,
        reference: UInt8[Tensor, "B 4 H W"],
        views: UInt8[Tensor, "B N 4 H W"],
        elevation_deg: Float[Tensor, " B"],
        counts: BranchCounts,
        generator: torch.Generator,
    ) -> Float[Tensor, ""]:
        """Draw t and the noise, and return the loss.

        Args:
            reference: Input pictures.
            views: True views.
            elevation_deg: Of the input camera.
            counts: The batch's order of branches.
            generator: On the tensors' device.
        """
        device = views.device
        precision = torch.bfloat16 if device.type == "cuda" else torch.float32
        share = draw_shares(counts.total, generator)
        noise = torch.randn(views.shape, generator=generator, device=device, dtype=precision)
        noisy = self.noisy_views(views, noise, share)
        features = self.network.reference(
            to_signal(reference), elevation_deg, counts.keep_reference(device)
        )
        predicted = self.network(noisy, share, features, counts.joint)
        return self.velocity_error(predicted, views, share)
