"""The denoising U-Net: Stable Diffusion 1.x with eight input channels and ten depth transformers.

One guidance branch differs from another by three inputs only (token, input latent, volume).
`encode` (input blocks and middle block) never sees the volume, so branches that differ only in
their volume share it; `decode` (depth transformers and output blocks) runs for every branch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from diffusers.models.downsampling import Downsample2D
from diffusers.models.embeddings import TimestepEmbedding
from diffusers.models.resnet import ResnetBlock2D
from diffusers.models.upsampling import Upsample2D
from jaxtyping import Float, Int
from torch import Tensor, nn

from harmony.models.syncdreamer.config import UNetConfig, VolumeConfig
from harmony.models.syncdreamer.depth_attention import DepthTransformer
from harmony.models.syncdreamer.embeddings import timestep_sinusoid
from harmony.models.syncdreamer.spatial_transformer import SpatialTransformer


@dataclass(frozen=True)
class CrossInputs:
    """What cross-attention reads: tokens, or each transformer's single-token result.

    Attributes:
        tokens: (B, L, context_dim), or None.
        attended: One (B, c) for each spatial transformer in order, or None.
    """

    tokens: Tensor | None = None
    attended: tuple[Tensor, ...] | None = None

    def of(self, index: int) -> dict[str, Tensor | None]:
        """Return the arguments of spatial transformer `index`."""
        if self.attended is None:
            return {"context": self.tokens}
        return {"attended": self.attended[index]}


@dataclass(frozen=True)
class DepthInputs:
    """What the depth transformers read; the middle one comes first.

    Attributes:
        contexts: (B, hw, D, f) for each layer, shared by the branches that keep the volume.
        residuals: (1, c, h, w) for each layer, added in the branches whose volume is zero.
        rows_with_volume: How many rows of the (branch-major) batch keep the volume.
    """

    contexts: tuple[Tensor, ...]
    residuals: tuple[Tensor, ...]
    rows_with_volume: int


class UNetBlock(nn.Module):
    """One official input or output block: residual block, transformer, resampling; each optional."""

    def __init__(
        self,
        resnet: ResnetBlock2D | None = None,
        transformer: SpatialTransformer | None = None,
        resample: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.resnet = resnet
        self.transformer = transformer
        self.resample = resample

    def forward(self, x: Tensor, time: Tensor, cross: dict[str, Tensor | None]) -> Tensor:
        """Run what this block has, in order; `cross` goes to the transformer."""
        if self.resnet is not None:
            x = self.resnet(x, time)
        if self.transformer is not None:
            x = self.transformer(x, **cross)
        if self.resample is not None:
            x = self.resample(x)
        return x


class MultiviewUNet(nn.Module):
    """Predicts the noise of single views; `volume` dims are finest first."""

    def __init__(self, config: UNetConfig, volume: VolumeConfig) -> None:
        super().__init__()
        self.config = config
        self._time_dim = 4 * config.model_channels
        self.time_embedding = TimestepEmbedding(config.model_channels, self._time_dim)
        self.conv_in = nn.Conv2d(config.in_channels, config.model_channels, 3, padding=1)
        self.input_blocks = nn.ModuleList()
        self.output_blocks = nn.ModuleList()
        self.depth_transformers = nn.ModuleList()
        channels = config.model_channels
        skips = [channels]
        channels = self._build_input(channels, skips)
        self.middle_first = UNetBlock(self._resnet(channels, channels), self._transformer(channels))
        self.middle_second = UNetBlock(self._resnet(channels, channels))
        self._add_depth(channels, volume.dims[-1])
        channels = self._build_output(channels, skips, volume)
        self.norm_out = nn.GroupNorm(32, channels)
        self.conv_out = nn.Conv2d(channels, config.out_channels, 3, padding=1)

    def _build_input(self, channels: int, skips: list[int]) -> int:
        last = len(self.config.channel_mult) - 1
        for level, mult in enumerate(self.config.channel_mult):
            out = mult * self.config.model_channels
            for _ in range(self.config.num_res_blocks):
                transformer = self._transformer(out) if level < last else None
                self.input_blocks.append(UNetBlock(self._resnet(channels, out), transformer))
                channels = out
                skips.append(channels)
            if level < last:
                down = Downsample2D(channels, use_conv=True, padding=1, name="op")
                self.input_blocks.append(UNetBlock(resample=down))
                skips.append(channels)
        return channels

    def _build_output(self, channels: int, skips: list[int], volume: VolumeConfig) -> int:
        last = len(self.config.channel_mult) - 1
        for level in range(last, -1, -1):
            out = self.config.channel_mult[level] * self.config.model_channels
            for index in range(self.config.num_res_blocks + 1):
                resnet = self._resnet(channels + skips.pop(), out)
                transformer = self._transformer(out) if level < last else None
                up = level > 0 and index == self.config.num_res_blocks
                resample = Upsample2D(out, use_conv=True) if up else None
                self.output_blocks.append(UNetBlock(resnet, transformer, resample))
                channels = out
                if level < last:
                    self._add_depth(channels, volume.dims[level - 1 if up else level])
        return channels

    def _resnet(self, in_channels: int, out_channels: int) -> ResnetBlock2D:
        return ResnetBlock2D(
            in_channels=in_channels,
            out_channels=out_channels,
            temb_channels=self._time_dim,
            eps=1e-5,
        )

    def _transformer(self, channels: int) -> SpatialTransformer:
        return SpatialTransformer(channels, self.config.num_heads, self.config.context_dim)

    def _add_depth(self, channels: int, volume_dim: int) -> None:
        layer = DepthTransformer(channels, volume_dim, self.config.depth_heads)
        self.depth_transformers.append(layer)

    @property
    def first_depth_block(self) -> int:
        """Index of the first output block that a depth transformer follows."""
        return len(self.output_blocks) - (len(self.depth_transformers) - 1)

    def spatial_transformers(self) -> list[SpatialTransformer]:
        """Return the spatial transformers in the order in which `CrossInputs.attended` serves them."""
        blocks = [*self.input_blocks, self.middle_first, *self.output_blocks]
        return [b.transformer for b in blocks if isinstance(b.transformer, SpatialTransformer)]

    def depth_widths(self, width: int) -> list[int]:
        """Return the picture width at each depth transformer for latents of `width`."""
        last = len(self.config.channel_mult) - 1
        widths = [width >> last]
        for level in range(last - 1, -1, -1):
            widths += [width >> level] * self.config.num_res_blocks
            # A level's last block has already upsampled to the level above.
            widths += [width >> max(level - 1, 0)]
        return widths

    def embed_time(self, timesteps: Int[Tensor, " b"]) -> Float[Tensor, "b e"]:
        """Return the time embedding; one row serves a batch of one timestep."""
        sinusoid = timestep_sinusoid(timesteps, self.config.model_channels)
        return self.time_embedding(sinusoid.to(self.time_embedding.linear_1.weight.dtype))

    def depth_contexts(self, volumes: Sequence[Float[Tensor, "B f D h w"]]) -> tuple[Tensor, ...]:
        """Return every depth transformer's context; it reads the volume of its own width."""
        by_width = {volume.shape[-1]: volume for volume in volumes}
        sizes = self.depth_widths(max(by_width))
        return tuple(
            layer.project_context(by_width[size])
            for layer, size in zip(self._depth_layers(), sizes, strict=True)
        )

    def zero_volume_residuals(self, width: int) -> tuple[Tensor, ...]:
        """Return what every depth transformer adds where the volume is zero."""
        sizes = self.depth_widths(width)
        return tuple(
            layer.zero_volume_residual(size, size)
            for layer, size in zip(self._depth_layers(), sizes, strict=True)
        )

    def encode(
        self, x: Float[Tensor, "B 8 h w"], time: Float[Tensor, "b e"], cross: CrossInputs
    ) -> tuple[Tensor, list[Tensor]]:
        """Run what does not see the volume; returns the middle block's output and the skips."""
        x = self.conv_in(x)
        skips, used = [x], 0
        for block in self.input_blocks:
            assert isinstance(block, UNetBlock)
            x = block(x, time, cross.of(used) if block.transformer is not None else {})
            used += block.transformer is not None
            skips.append(x)
        x = self.middle_first(x, time, cross.of(used))
        return self.middle_second(x, time, {}), skips

    def decode(
        self,
        x: Tensor,
        skips: Sequence[Tensor],
        time: Float[Tensor, "b e"],
        cross: CrossInputs,
        depth: DepthInputs,
    ) -> Float[Tensor, "B 4 h w"]:
        """Run the depth transformers and output blocks."""
        used = sum(b.transformer is not None for b in [*self.input_blocks, self.middle_first])
        x = self._apply_depth(0, x, depth)
        for index, block in enumerate(self.output_blocks):
            assert isinstance(block, UNetBlock)
            x = torch.cat([x, skips[-1 - index]], dim=1)
            x = block(x, time, cross.of(used) if block.transformer is not None else {})
            used += block.transformer is not None
            if index >= self.first_depth_block:
                x = self._apply_depth(index - self.first_depth_block + 1, x, depth)
        return self.conv_out(F.silu(self.norm_out(x)))

    def forward(
        self,
        x: Float[Tensor, "B 8 h w"],
        timesteps: Int[Tensor, " b"],
        context: Float[Tensor, "B L k"],
        volumes: Sequence[Float[Tensor, "B f D h w"]],
    ) -> Float[Tensor, "B 4 h w"]:
        """Predict the noise for any number of context tokens and one volume set for each row."""
        time, cross = self.embed_time(timesteps), CrossInputs(tokens=context)
        middle, skips = self.encode(x, time, cross)
        depth = DepthInputs(self.depth_contexts(volumes), (), rows_with_volume=len(x))
        return self.decode(middle, skips, time, cross, depth)

    def _depth_layers(self) -> list[DepthTransformer]:
        return [d for d in self.depth_transformers if isinstance(d, DepthTransformer)]

    def _apply_depth(self, index: int, x: Tensor, depth: DepthInputs) -> Tensor:
        rows = depth.rows_with_volume
        parts = []
        if rows:
            parts.append(self.depth_transformers[index](x[:rows], depth.contexts[index]))
        if rows < len(x):
            parts.append(x[rows:] + depth.residuals[index])
        return torch.cat(parts) if len(parts) > 1 else parts[0]
