"""All of SyncDreamer's networks in one module, and one denoising step of some views."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from diffusers.models.embeddings import TimestepEmbedding
from jaxtyping import Float, Int
from torch import Tensor, nn

from harmony.models.syncdreamer.autoencoder import build_autoencoder, decode_latents
from harmony.models.syncdreamer.branches import BranchPlan, unet_input
from harmony.models.syncdreamer.config import SyncDreamerConfig
from harmony.models.syncdreamer.embeddings import timestep_sinusoid
from harmony.models.syncdreamer.geometry import frustum_grid, unprojection_grid
from harmony.models.syncdreamer.image_encoder import build_image_encoder
from harmony.models.syncdreamer.spatial_transformer import zero_context_output
from harmony.models.syncdreamer.unet import CrossInputs, DepthInputs, MultiviewUNet
from harmony.models.syncdreamer.volumes import (
    FrustumNetwork,
    SpatialNetwork,
    TargetEncoder,
    resample_frustums,
    unproject,
)


@dataclass(frozen=True)
class SamplingGrids:
    """The fixed cameras' sampling grids (`geometry`).

    Attributes:
        unprojection: (N, V, 2).
        frustum: (N, D, h, w, 3).
    """

    unprojection: Float[Tensor, "N V 2"]
    frustum: Float[Tensor, "N D h w 3"]


@dataclass(frozen=True)
class ViewInputs:
    """What does not change from step to step, for n views of one object.

    Attributes:
        view: (n, 4) view embeddings.
        reference_latent: (1, 4, h, w), scaled.
        attended: One (n, c) for each spatial transformer.
        residuals: `MultiviewUNet.zero_volume_residuals`.
    """

    view: Float[Tensor, "n 4"]
    reference_latent: Float[Tensor, "1 4 h w"]
    attended: tuple[Float[Tensor, "n c"], ...]
    residuals: tuple[Float[Tensor, "1 c h w"], ...]


def sampling_grids(config: SyncDreamerConfig, device: torch.device | str) -> SamplingGrids:
    """Compute both grids, float32, on `device`."""
    return SamplingGrids(unprojection_grid(config).to(device), frustum_grid(config).to(device))


class SyncDreamerNetwork(nn.Module):
    """U-Net, volume networks, embeddings, autoencoder and image tower."""

    def __init__(self, config: SyncDreamerConfig) -> None:
        super().__init__()
        self.config = config
        volume = config.volume
        self.time_embedding = TimestepEmbedding(volume.time_dim, volume.time_dim)
        self.context_projection = nn.Linear(
            config.image_encoder.projection_dim + volume.view_dim, config.unet.context_dim
        )
        self.target_encoder = TargetEncoder(volume, config.autoencoder.latent_channels)
        self.spatial_network = SpatialNetwork(volume, config.view_count)
        self.frustum_network = FrustumNetwork(volume)
        self.unet = MultiviewUNet(config.unet, volume)
        self.autoencoder = build_autoencoder(config.autoencoder)
        self.image_encoder = build_image_encoder(config.image_encoder)

    def decode(self, latents: Float[Tensor, "B 4 h w"]) -> Float[Tensor, "B 3 H H"]:
        """Return the pictures of scaled latents, nominally in [-1, 1]."""
        return decode_latents(self.autoencoder, latents)

    def embed_time(self, timesteps: Int[Tensor, " b"]) -> Float[Tensor, "b T"]:
        """Return the volume networks' time embedding."""
        sinusoid = timestep_sinusoid(timesteps, self.config.volume.time_dim)
        return self.time_embedding(sinusoid.to(self.time_embedding.linear_1.weight.dtype))

    def project_context(
        self, image_embedding: Float[Tensor, "B k"], view: Float[Tensor, "B n 4"]
    ) -> Float[Tensor, "B n c"]:
        """Return one context token for each view: Linear of [image embedding, view numbers]."""
        image = image_embedding[:, None].expand(-1, view.shape[1], -1)
        return self.context_projection(torch.cat([image, view], dim=-1))

    def spatial_volume(
        self,
        latents: Float[Tensor, "S N 4 h w"],
        time: Float[Tensor, "s T"],
        view: Float[Tensor, "s N 4"],
        grids: SamplingGrids,
    ) -> Float[Tensor, "S d0 V V V"]:
        """Build the volume of each sample from all of its noisy views; one for all branches."""
        samples, views = latents.shape[:2]
        view = view.expand(samples, -1, -1).flatten(0, 1)
        per_view_time = time.repeat_interleave(views, dim=0) if len(time) > 1 else time
        features = self.target_encoder(latents.flatten(0, 1), per_view_time, view)
        features = features.unflatten(0, (samples, views))
        side = self.config.volume.spatial_size
        return self.spatial_network(unproject(features, grids.unprojection, side), time)

    def frustum_volumes(
        self,
        volume: Float[Tensor, "S d0 V V V"],
        time: Float[Tensor, "s T"],
        view: Float[Tensor, "Sn 4"],
        grid: Float[Tensor, "n D h w 3"],
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return the four frustum volumes of n views of each sample, sample-major."""
        return self.frustum_network(resample_frustums(volume, grid), time, view)

    def denoise(
        self,
        latents: Float[Tensor, "S n 4 h w"],
        timestep: Int[Tensor, " 1"],
        volume: Float[Tensor, "S d0 V V V"] | None,
        inputs: ViewInputs,
        grid: Float[Tensor, "n D h w 3"],
        plan: BranchPlan,
    ) -> Float[Tensor, "K S n 4 h w"]:
        """Predict the noise of n views of S samples for the K branches of `plan`.

        Args:
            latents: Noisy latents of these views.
            timestep: One for all.
            volume: `spatial_volume`; None where no branch keeps it.
            inputs: Of these views.
            grid: These views' part of the frustum grid.
            plan: The branches, in the order of the result.
        """
        samples, views = latents.shape[:2]
        contexts: tuple[Tensor, ...] = ()
        if volume is not None:
            time, view = self.embed_time(timestep), inputs.view.repeat(samples, 1)
            contexts = self.unet.depth_contexts(self.frustum_volumes(volume, time, view, grid))
        out = self.predict_rows(latents.flatten(0, 1), timestep, contexts, inputs, plan)
        return out.unflatten(0, (len(plan.order), samples, views))

    def predict_rows(
        self,
        latents: Float[Tensor, "B 4 h w"],
        timestep: Int[Tensor, " b"],
        contexts: tuple[Tensor, ...],
        inputs: ViewInputs,
        plan: BranchPlan,
    ) -> Float[Tensor, "KB 4 h w"]:
        """Run the U-Net for all branches; `inputs` holds n views and B is a multiple of n.

        The result is branch-major in the order of `plan`.
        """
        time = self.unet.embed_time(timestep)
        rows = len(latents)
        reference = inputs.reference_latent.expand(rows, -1, -1, -1)
        x = torch.cat([unet_input(latents, reference, f) for _, f in plan.encodings])
        given = [token for token, _ in plan.encodings]
        middle, skips = self.unet.encode(x, time, self._cross(inputs, rows, given))
        if plan.encoding_of != tuple(range(len(plan.encodings))):
            # Branches that differ only in the volume read the same first half.
            middle = _repeat_encodings(middle, plan)
            skips = [_repeat_encodings(skip, plan) for skip in skips]
        given = [given[index] for index in plan.encoding_of]
        depth = DepthInputs(contexts, inputs.residuals, plan.with_volume * rows)
        return self.unet.decode(middle, skips, time, self._cross(inputs, rows, given), depth)

    def _cross(self, inputs: ViewInputs, rows: int, given: list[bool]) -> CrossInputs:
        """Stack the single-token results of several branches; a zero token gives a constant."""
        attended = []
        for layer, with_token in zip(
            self.unet.spatial_transformers(), inputs.attended, strict=True
        ):
            repeated = with_token.repeat(rows // len(with_token), 1)
            constant = zero_context_output(layer).expand_as(repeated)
            attended.append(torch.cat([repeated if token else constant for token in given]))
        return CrossInputs(attended=tuple(attended))

    def view_inputs(
        self, image_embedding: Tensor, reference_latent: Tensor, view: Float[Tensor, "n 4"]
    ) -> ViewInputs:
        """Compute everything that does not depend on the timestep or the seed."""
        tokens = self.project_context(image_embedding, view[None])[0]
        attended = tuple(t.attend_single_token(tokens) for t in self.unet.spatial_transformers())
        width = self.config.latent_size
        residuals = self.unet.zero_volume_residuals(width)
        return ViewInputs(view, reference_latent, attended, residuals)


def _repeat_encodings(x: Tensor, plan: BranchPlan) -> Tensor:
    parts = x.chunk(len(plan.encodings))
    return torch.cat([parts[index] for index in plan.encoding_of])


def pack_view_inputs(inputs: ViewInputs) -> dict[str, Tensor]:
    """Name the tensors of `inputs` for a `Condition`."""
    tensors = {"view": inputs.view, "reference_latent": inputs.reference_latent}
    tensors |= {f"attended.{i}": t for i, t in enumerate(inputs.attended)}
    return tensors | {f"residual.{i}": t for i, t in enumerate(inputs.residuals)}


def unpack_view_inputs(tensors: Mapping[str, Tensor], views: slice) -> ViewInputs:
    """Return the packed inputs of some of the views."""
    count = sum(name.startswith("attended.") for name in tensors)
    layers = sum(name.startswith("residual.") for name in tensors)
    return ViewInputs(
        tensors["view"][views],
        tensors["reference_latent"],
        tuple(tensors[f"attended.{i}"][views] for i in range(count)),
        tuple(tensors[f"residual.{i}"] for i in range(layers)),
    )
