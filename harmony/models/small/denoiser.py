"""The small network behind the interface that sampler and page know."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from harmony.devices import prefers_single_samples
from harmony.models.base import ModelDefaults
from harmony.models.small.config import SmallConfig
from harmony.models.small.network import ReferenceFeatures, SmallNetwork
from harmony.models.small.packing import pack_for_cpu
from harmony.models.small.schedule import noise_schedule, signal_shares
from harmony.models.small.weights import load_state
from harmony.records import (
    Branch,
    Condition,
    Guidance,
    Predictions,
    ReferenceImage,
    SamplerSettings,
    Views,
)

PREVIEW_SIZE = 128
WITH_REFERENCE = (Branch.FULL, Branch.NO_VIEWS)
ACROSS_VIEWS = (Branch.FULL, Branch.NO_REFERENCE)
SERVED_BRANCHES = (*ACROSS_VIEWS, Branch.NO_VIEWS, Branch.UNCONDITIONAL)
AnyNetwork = TypeVar("AnyNetwork", bound=SmallNetwork)


class SmallDenoiser:
    """A `MultiviewDenoiser` that works on pictures themselves; see `SmallNetwork`."""

    guidance_rules: tuple[str, ...] = ("none", "cfg", "decomposed")

    def __init__(
        self,
        network: SmallNetwork,
        *,
        name: str,
        weights_sha256: str,
        shift: float,
        defaults: ModelDefaults,
        guided_share: float = 1.0,
        guidance_bound: float | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        """Wrap a network.

        Args:
            network: On its device; moved to `dtype`.
            name: As asked for by the user.
            weights_sha256: Of the weights file.
            shift: Of `noise_schedule`.
            defaults: Recommended guidance and sampler.
            guided_share: Of `noise_schedule`.
            guidance_bound: Likewise.
            dtype: Arithmetic; latents stay float32.
        """
        self.network = network.to(dtype).eval().requires_grad_(False)
        self.name = name
        self.weights_sha256 = weights_sha256
        self.defaults = defaults
        self.dtype = dtype
        size = network.config.image_size
        self.view_count = network.config.view_count
        self.image_size = size
        self.latent_shape: tuple[int, int, int] = (4, size, size)
        self.schedule = noise_schedule(shift, guided_share, guidance_bound)
        # On the device, so that no step waits until its share has been copied there.
        self._shares = signal_shares(shift).float().to(self.device)

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.network.places.device

    @torch.inference_mode()
    def encode_reference(self, reference: ReferenceImage) -> Condition:
        """Encode the reference once; every seed and step shares the result.

        Raises:
            ValueError: The reference has another size than `image_size`.
        """
        return self.encode_references([reference])

    @torch.inference_mode()
    def encode_references(self, references: Sequence[ReferenceImage]) -> Condition:
        """Encode one reference for each of several samples, as evaluation over objects does.

        Raises:
            ValueError: A reference has another size than `image_size`.
        """
        wanted = (3, self.image_size, self.image_size)
        for reference in references:
            if reference.pixels.shape != wanted:
                shape = tuple(reference.pixels.shape)
                raise ValueError(f"The reference is {shape}; this model needs {wanted}.")
        pictures = torch.stack([torch.cat([r.pixels, 2 * r.alpha - 1]) for r in references])
        elevations = torch.tensor([r.elevation_deg for r in references], device=self.device)
        keep = torch.ones(len(references), device=self.device, dtype=self.dtype)
        features = self.network.reference(pictures.to(self.device, self.dtype), elevations, keep)
        absent = self.network.reference.without_reference(self.image_size)
        return Condition({**_to_tensors("given", features), **_to_tensors("absent", absent)})

    @torch.inference_mode()
    def predict(
        self,
        latents: Float[Tensor, "S N 4 H W"],
        timestep: int,
        condition: Condition,
        branches: Sequence[Branch],
    ) -> Predictions:
        """Predict the clean pictures for the named branches.

        Raises:
            ValueError: A branch belongs to another model.
        """
        unknown = [branch for branch in branches if branch not in SERVED_BRANCHES]
        if unknown:
            raise ValueError(f"The small model has no branch {unknown[0]}.")
        with_reference = [branch for branch in WITH_REFERENCE if branch in branches]
        without = [b for b in SERVED_BRANCHES if b in branches and b not in WITH_REFERENCE]
        folded = self.network.fold(latents.to(self.dtype))
        return {
            **self._predict_group(folded, timestep, condition, "given", with_reference),
            **self._predict_group(folded, timestep, condition, "absent", without),
        }

    def decode(self, latents: Float[Tensor, "S N 4 H W"]) -> Views:
        """Return the pictures; latents are the pictures themselves in [-1, 1]."""
        rgba = latents.float().clamp(-1, 1) / 2 + 0.5
        return Views(pixels=rgba[:, :, :3], alpha=rgba[:, :, 3:])

    def preview(self, predicted_clean: Float[Tensor, "S N 4 H W"]) -> Float[Tensor, "S N 3 p p"]:
        """Return the current estimate at a reduced size."""
        pixels = self.decode(predicted_clean).pixels
        size = min(PREVIEW_SIZE, self.image_size)
        small = F.interpolate(pixels.flatten(0, 1), size=(size, size), mode="area")
        return small.unflatten(0, pixels.shape[:2])

    def features(self, prefix: str, condition: Condition, branches: int) -> ReferenceFeatures:
        """Read features back from a condition; several samples' are repeated for every branch."""
        return read_features(prefix, condition, branches)

    def _predict_group(
        self,
        folded: Tensor,
        timestep: int,
        condition: Condition,
        prefix: str,
        branches: Sequence[Branch],
    ) -> dict[Branch, Tensor]:
        """Predict branches that share a reference, and so all that comes before they part."""
        if not branches:
            return {}
        samples = len(folded)
        share = self._shares[timestep].expand(samples)
        start = self.network.begin(folded, share, self.features(prefix, condition, 1))
        # A GPU wants one large batch, a CPU parts that stay in its caches.
        size = 1 if prefers_single_samples(self.device) else len(branches)
        predictions: dict[Branch, Tensor] = {}
        for first in range(0, len(branches), size):
            group = branches[first : first + size]  # those across views come first
            joint = samples * sum(branch in ACROSS_VIEWS for branch in group)
            features = self.features(prefix, condition, len(group))
            out = self.network.finish(start.repeat(len(group)), features, joint)
            predictions.update(zip(group, out.chunk(len(group)), strict=True))
        return predictions


def _to_tensors(prefix: str, features: ReferenceFeatures) -> dict[str, Tensor]:
    tensors = {
        f"{prefix}.feature_map": features.feature_map,
        f"{prefix}.pixels": features.pixels,
        f"{prefix}.elevation": features.elevation,
    }
    for index, (keys, values) in enumerate(features.keys_values):
        tensors[f"{prefix}.keys.{index}"] = keys
        tensors[f"{prefix}.values.{index}"] = values
    return tensors


def read_features(prefix: str, condition: Condition, branches: int) -> ReferenceFeatures:
    """Read features back from a condition; several samples' are repeated for every branch."""

    def read(name: str) -> Tensor:
        value = condition.tensors[f"{prefix}.{name}"]
        return value if value.shape[0] == 1 else value.repeat(branches, *[1] * (value.ndim - 1))

    count = sum(name.startswith(f"{prefix}.keys.") for name in condition.tensors)
    return ReferenceFeatures(
        keys_values=tuple((read(f"keys.{i}"), read(f"values.{i}")) for i in range(count)),
        feature_map=read("feature_map"),
        pixels=read("pixels"),
        elevation=read("elevation"),
    )


def read_defaults(values: dict[str, Any]) -> ModelDefaults:
    """Read a card's "defaults" entry."""
    return ModelDefaults(
        guidance=Guidance(**values["guidance"]), sampler=SamplerSettings(**values["sampler"])
    )


def write_defaults(defaults: ModelDefaults) -> dict[str, Any]:
    """Return a card's "defaults" entry; `read_defaults` undoes it."""
    return dataclasses.asdict(defaults)


def read_network(folder: Path, network_type: type[AnyNetwork]) -> tuple[AnyNetwork, dict[str, Any]]:
    """Return the network in float32 on the CPU and its card.

    Raises:
        ValueError: A file is damaged, or does not fit the network.
    """
    state, card = load_state(folder)
    # Without memory of its own: every number is about to be replaced.
    with torch.device("meta"):
        network = network_type(SmallConfig.from_json(card["config"]))
    try:
        network.load_state_dict(state, strict=True, assign=True)
    except RuntimeError as error:
        raise ValueError(f"{folder} does not fit the network: {error}") from error
    return network.eval().requires_grad_(False), card


def load(
    folder: Path,
    device: torch.device | str = "cpu",
    *,
    dtype: torch.dtype = torch.float32,
    packed: bool = True,
    shift: float | None = None,
    guided_share: float | None = None,
    guidance_bound: float | None = None,
) -> SmallDenoiser:
    """Load weights and card from `folder`, strictly.

    Args:
        folder: Holds both.
        device: Where the weights go.
        dtype: Arithmetic; latents stay float32.
        packed: Whether a CPU may rearrange layers and multiply 8-bit integers
            (`harmony.models.small.packing`); False computes as training does.
        shift: Of `noise_schedule`; the card's if left out.
        guided_share: Likewise.
        guidance_bound: Likewise; infinity bounds nothing.

    Raises:
        ValueError: A file is damaged, or does not fit the network.
    """
    network, card = read_network(folder, SmallNetwork)
    bound = card.get("guidance_bound") if guidance_bound is None else guidance_bound
    if packed and torch.device(device).type == "cpu":
        network = pack_for_cpu(network, dtype)
    return SmallDenoiser(
        network.to(device),
        name=card["name"],
        weights_sha256=card["weights_sha256"],
        shift=card["shift"] if shift is None else shift,
        defaults=read_defaults(card["defaults"]),
        guided_share=card.get("guided_share", 1.0) if guided_share is None else guided_share,
        guidance_bound=None if bound == math.inf else bound,
        dtype=dtype,
    )
