"""SyncDreamer as a `MultiviewDenoiser`: the paper's network behind the project's contract."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import torch
from diffusers.models.modeling_utils import ModelMixin
from jaxtyping import Float
from torch import Tensor, nn
from transformers import PreTrainedModel

from harmony.guidance import RULES
from harmony.models.base import ModelDefaults, NoiseSchedule
from harmony.models.syncdreamer import memory
from harmony.models.syncdreamer.autoencoder import encode_image, preview_latents
from harmony.models.syncdreamer.branches import BranchPlan, plan_branches
from harmony.models.syncdreamer.embeddings import view_embedding
from harmony.models.syncdreamer.image_encoder import embed_image
from harmony.models.syncdreamer.network import (
    SamplingGrids,
    SyncDreamerNetwork,
    pack_view_inputs,
    sampling_grids,
    unpack_view_inputs,
)
from harmony.models.syncdreamer.precision import RangeGuard
from harmony.models.syncdreamer.runtime import (
    RuntimeSettings,
    compiled,
    convolution_kernels,
    place,
)
from harmony.models.syncdreamer.schedule import noise_schedule
from harmony.records import (
    Branch,
    Condition,
    Guidance,
    Predictions,
    ReferenceImage,
    SamplerSettings,
    Views,
)

LOW_MEMORY_VIEWS = 2
MAX_ELEVATION_DEG = 90.0


class SyncDreamer:
    """The paper's multi-view denoiser (see `harmony.models.base.MultiviewDenoiser`)."""

    name = "syncdreamer"

    def __init__(
        self,
        network: SyncDreamerNetwork,
        *,
        weights_sha256: str,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
        settings: RuntimeSettings | None = None,
    ) -> None:
        """Place `network` on `device` in `dtype`; it is changed in place."""
        self.settings = settings or RuntimeSettings()
        self.config = network.config
        self.weights_sha256 = weights_sha256
        self.view_count = self.config.view_count
        self.image_size = self.config.image_size
        size = self.config.latent_size
        self.latent_shape = (self.config.autoencoder.latent_channels, size, size)
        self.schedule: NoiseSchedule = noise_schedule()
        self.defaults = ModelDefaults(
            Guidance(rule="decomposed-official", s1=2.0, s2=1.0),
            SamplerSettings(sampler="ddim", num_steps=50, eta=1.0),
        )
        self.guidance_rules = tuple(RULES)
        self._device = torch.device(device)
        self._dtype = dtype
        self._known_limits: dict[str, int] = {}
        self._guard = RangeGuard(dtype, self._device)
        self._network = network.eval().requires_grad_(False)
        place(network, self._device, dtype, self.settings)
        self._grids = sampling_grids(self.config, self._device)
        self._spatial_volume = compiled(network.spatial_volume, self.settings)
        self._denoise = compiled(network.denoise, self.settings)
        self._decode_latents = compiled(network.decode, self.settings)

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self._device

    @property
    def dtype(self) -> torch.dtype:
        """Number type of its arithmetic, wherever its range suffices (`precision`)."""
        return self._dtype

    @property
    def network(self) -> SyncDreamerNetwork:
        """The networks."""
        return self._network

    @property
    def grids(self) -> SamplingGrids:
        """The fixed cameras' sampling grids."""
        return self._grids

    @torch.inference_mode()
    def encode_reference(self, reference: ReferenceImage) -> Condition:
        """Encode the reference once: input latent, view tokens and all that follows from them.

        The latent is the autoencoder's posterior mode, so it is the same for every seed. (The
        released code draws a posterior sample from its global random stream.)

        Raises:
            ValueError: The picture's size or the elevation cannot be used.
        """
        side = self.image_size
        if tuple(reference.pixels.shape) != (3, side, side):
            raise ValueError(
                f"The reference is {tuple(reference.pixels.shape)}; SyncDreamer wants 3 x {side} "
                f"x {side}. Frame the picture at {side} pixels."
            )
        if not abs(reference.elevation_deg) <= MAX_ELEVATION_DEG:
            raise ValueError(
                f"The elevation is {reference.elevation_deg} deg; it must be from -90 to 90."
            )
        encoded = self._guard.run(
            [self._network.autoencoder, self._network.image_encoder],
            lambda dtype: self._encode(reference.pixels[None].to(self._device, dtype)),
        )
        return self.condition(**encoded, elevation_deg=reference.elevation_deg)

    @torch.inference_mode()
    def condition(
        self,
        image_embedding: Float[Tensor, "1 768"],
        reference_latent: Float[Tensor, "1 4 h w"],
        elevation_deg: float,
    ) -> Condition:
        """Return the condition of an already encoded reference."""
        elevation = torch.tensor([math.radians(elevation_deg)], dtype=torch.float32)
        view = view_embedding(elevation, self.view_count)[0]
        given = (image_embedding, reference_latent, view)

        def run(dtype: torch.dtype) -> dict[str, Tensor]:
            inputs = self._network.view_inputs(*(t.to(self._device, dtype) for t in given))
            return pack_view_inputs(inputs)

        return Condition(self._guard.run(self._denoising_parts(), run))

    @torch.inference_mode()
    def predict(
        self,
        latents: Float[Tensor, "S N C h w"],
        timestep: int,
        condition: Condition,
        branches: Sequence[Branch],
    ) -> Predictions:
        """Predict the noise for the named branches, float32.

        The volume is built once from the noisy latents and shared by all branches that keep it.

        Raises:
            ValueError: A shape or the timestep is wrong, or the branches are not a set.
        """
        self._check(latents, timestep)
        plan = plan_branches(branches)
        most = min(memory.MOST_VIEWS, latents.shape[0] * self.view_count)

        def run(dtype: torch.dtype) -> Predictions:
            x = latents.to(self._device, dtype)
            given = {name: t.to(self._device, dtype) for name, t in condition.tensors.items()}
            size = memory.denoise_bytes(self.config, len(plan.order), dtype.itemsize)
            out = self._within_memory(
                lambda views: self._predict(x, timestep, given, plan, views),
                f"denoise {len(plan.order)}",
                size,
                most,
            )
            return dict(zip(plan.order, out, strict=True))

        return self._guard.run(self._denoising_parts(), run)

    @torch.inference_mode()
    def decode(self, latents: Float[Tensor, "S N C h w"]) -> Views:
        """Turn latents into pictures in [0, 1] and their foreground masks, both on the CPU.

        Raises:
            ValueError: The latents are not finite (the network's numbers overflowed).
        """
        from harmony.masks import foreground_mask

        pixels = self.decode_pixels(latents)
        return Views(pixels, foreground_mask(pixels))

    @torch.inference_mode()
    def decode_pixels(self, latents: Float[Tensor, "S N C h w"]) -> Float[Tensor, "S N 3 H H"]:
        """Turn latents into pictures in [0, 1], on the CPU.

        Raises:
            ValueError: The latents are not finite (the network's numbers overflowed).
        """
        if not latents.isfinite().all():
            raise ValueError(
                "The latents are not finite: the network's numbers overflowed. Its weights may "
                "be damaged; fetch or convert them again."
            )
        most = min(memory.MOST_PICTURES, latents.shape[:2].numel())

        def run(dtype: torch.dtype) -> dict[str, Tensor]:
            flat = latents.flatten(0, 1).to(self._device, dtype)
            size = memory.decode_bytes(self.config, dtype.itemsize)
            with self._borrowed(self._network.autoencoder):
                pixels = self._within_memory(
                    lambda count: self._decode(flat, count), "decode", size, most
                )
            return {"pixels": pixels}

        pixels = self._guard.run([self._network.autoencoder], run)["pixels"]
        return pixels.unflatten(0, latents.shape[:2]).cpu()

    def preview(self, predicted_clean: Float[Tensor, "S N C h w"]) -> Float[Tensor, "S N 3 h w"]:
        """Return 32-pixel pictures in [0, 1]: a linear map of the latent channels."""
        return preview_latents(predicted_clean)

    def _encode(self, image: Float[Tensor, "1 3 H H"]) -> dict[str, Tensor]:
        with self._borrowed(self._network.autoencoder):
            latent = encode_image(self._network.autoencoder, image)
        with self._borrowed(self._network.image_encoder):
            embedding = embed_image(self._network.image_encoder, image)
        return {"image_embedding": embedding, "reference_latent": latent}

    def _predict(
        self, x: Tensor, timestep: int, given: dict[str, Tensor], plan: BranchPlan, limit: int
    ) -> Float[Tensor, "K S N C h w"]:
        t = torch.tensor([timestep], device=self._device)
        volume = None
        if plan.with_volume:
            time = self._network.embed_time(t)
            view = given["view"][None]
            volume = self._spatial_volume(x, time, view, self._grids)
        out = torch.empty((len(plan.order), *x.shape), device=self._device)
        for samples, views in memory.chunks(x.shape[0], x.shape[1], limit):
            out[:, samples, views] = self._denoise(
                x[samples, views],
                t,
                None if volume is None else volume[samples],
                unpack_view_inputs(given, views),
                self._grids.frustum[views],
                plan,
            ).float()
        return out

    def _decode(self, latents: Float[Tensor, "B C h w"], limit: int) -> Float[Tensor, "B 3 H H"]:
        pictures = [self._decode_latents(part).float() for part in latents.split(limit)]
        return (torch.cat(pictures).clamp(-1, 1) + 1) / 2

    def _check(self, latents: Tensor, timestep: int) -> None:
        wanted = (self.view_count, *self.latent_shape)
        if latents.dim() != len(wanted) + 1 or tuple(latents.shape[1:]) != wanted:
            raise ValueError(f"Latents are {tuple(latents.shape)}; they must be S x {wanted}.")
        last = len(self.schedule.alphas_cumprod) - 1
        if not 0 <= timestep <= last:
            raise ValueError(f"The timestep is {timestep}; it must be from 0 to {last}.")

    def _denoising_parts(self) -> list[nn.Module]:
        encoders = (self._network.autoencoder, self._network.image_encoder)
        return [part for part in self._network.children() if part not in encoders]

    def _within_memory(
        self, run: Callable[[int], Tensor], what: str, bytes_per_view: int, most: int
    ) -> Tensor:
        """Run with as many views at once as fit; a limit that had to be halved is kept."""
        if self.settings.low_memory:
            limit = LOW_MEMORY_VIEWS
        else:
            most = min(most, self._known_limits.get(what, most))
            free = memory.free_bytes(self._device)
            limit = memory.views_at_once(free, bytes_per_view, most)
        with convolution_kernels(self.settings):
            result, fits = memory.with_halving(run, limit, self._device)
        if fits < limit:
            self._known_limits[what] = fits
        return result

    @contextmanager
    def _borrowed(self, part: ModelMixin | PreTrainedModel) -> Iterator[None]:
        """Hold a part that low-memory mode keeps on the CPU on the device for a while."""
        part.to(self._device)  # pyright: ignore[reportArgumentType]
        try:
            yield
        finally:
            if self.settings.low_memory:
                part.to("cpu")  # pyright: ignore[reportArgumentType]
