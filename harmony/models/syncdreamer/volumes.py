"""From the noisy views to one spatial volume, and from it to each view's frustum volumes.

The official names are kept in the comments of `keys`; section numbers are ARCHITECTURE's.
"""

from __future__ import annotations

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from harmony.models.syncdreamer.config import VolumeConfig

GROUPS = 8


def _over_space(vector: Float[Tensor, "B C"], like: Tensor) -> Tensor:
    """Give a vector as many trailing axes as `like` has, so that it broadcasts over space."""
    return vector.reshape(*vector.shape, *([1] * (like.dim() - 2)))


class ViewFeatureBlock(nn.Module):
    """x + F(x + T(time) + V(view)), F = two times GroupNorm, SiLU, 3x3 convolution."""

    def __init__(self, config: VolumeConfig) -> None:
        super().__init__()
        dim = config.feature_dim
        self.time_proj = nn.Linear(config.time_dim, dim)
        self.view_proj = nn.Linear(config.view_dim, dim)
        self.norm1 = nn.GroupNorm(GROUPS, dim)
        self.conv1 = nn.Conv2d(dim, dim, 3, padding=1)
        self.norm2 = nn.GroupNorm(GROUPS, dim)
        self.conv2 = nn.Conv2d(dim, dim, 3, padding=1)

    def forward(self, x: Tensor, time: Tensor, view: Tensor) -> Tensor:
        """Run the block; time and view are broadcast over space."""
        hidden = x + _over_space(self.time_proj(time) + self.view_proj(view), x)
        hidden = self.conv1(F.silu(self.norm1(hidden)))
        return x + self.conv2(F.silu(self.norm2(hidden)))


class TargetEncoder(nn.Module):
    """A noisy latent to 16 feature channels, weights shared by all views (3.1)."""

    def __init__(self, config: VolumeConfig, latent_channels: int) -> None:
        super().__init__()
        dim = config.feature_dim
        self.conv_in = nn.Conv2d(latent_channels, dim, 3, padding=1)
        self.blocks = nn.ModuleList(ViewFeatureBlock(config) for _ in range(3))
        self.norm_out = nn.GroupNorm(GROUPS, dim)
        self.conv_out = nn.Conv2d(dim, dim, 3, padding=1)

    def forward(
        self,
        latents: Float[Tensor, "B C h w"],
        time: Float[Tensor, "b T"],
        view: Float[Tensor, "B 4"],
    ) -> Float[Tensor, "B F h w"]:
        """Return features of scaled noisy latents."""
        x = self.conv_in(latents)
        for block in self.blocks:
            x = block(x, time, view)
        return self.conv_out(F.silu(self.norm_out(x)))


class VolumeBlock(nn.Module):
    """conv(SiLU(GroupNorm(x + T(time) [+ V(view)]))), plain or transposed (stride 2) convolution."""

    def __init__(
        self,
        config: VolumeConfig,
        in_dim: int,
        out_dim: int,
        *,
        stride: int = 1,
        up: bool = False,
        with_view: bool = False,
    ) -> None:
        super().__init__()
        self.time_proj = nn.Linear(config.time_dim, in_dim)
        self.view_proj = nn.Linear(config.view_dim, in_dim) if with_view else None
        self.norm = nn.GroupNorm(GROUPS, in_dim)
        self.conv = (
            nn.ConvTranspose3d(in_dim, out_dim, 3, stride=2, padding=1, output_padding=1)
            if up
            else nn.Conv3d(in_dim, out_dim, 3, stride=stride, padding=1)
        )

    def forward(self, x: Tensor, time: Tensor, view: Tensor | None = None) -> Tensor:
        """Run the block; time and view are broadcast over space."""
        shift = self.time_proj(time)
        if self.view_proj is not None:
            shift = shift + self.view_proj(view)
        return self.conv(F.silu(self.norm(x + _over_space(shift, x))))


class SpatialNetwork(nn.Module):
    """3-D U-Net over the unprojected features of all views (3.2)."""

    def __init__(self, config: VolumeConfig, view_count: int) -> None:
        super().__init__()
        d0, d1, d2, d3 = config.dims
        self.conv_in = nn.Conv3d(view_count * config.feature_dim, d0, 3, padding=1)
        self.level0 = VolumeBlock(config, d0, d0)
        self.down1 = self._level(config, d0, d1)
        self.down2 = self._level(config, d1, d2)
        self.down3 = self._level(config, d2, d3)
        self.up2 = VolumeBlock(config, d3, d2, up=True)
        self.up1 = VolumeBlock(config, d2, d1, up=True)
        self.up0 = VolumeBlock(config, d1, d0, up=True)

    @staticmethod
    def _level(config: VolumeConfig, in_dim: int, out_dim: int) -> nn.ModuleList:
        first = VolumeBlock(config, in_dim, out_dim, stride=2)
        return nn.ModuleList([first, *(VolumeBlock(config, out_dim, out_dim) for _ in range(2))])

    def forward(
        self, features: Float[Tensor, "S NF V V V"], time: Float[Tensor, "s T"]
    ) -> Float[Tensor, "S d0 V V V"]:
        """Return the spatial volume; depth axis = z, height = y, width = x."""
        skips = [self.level0(self.conv_in(features), time)]
        for level in (self.down1, self.down2, self.down3):
            x = skips[-1]
            for block in level:
                x = block(x, time)
            skips.append(x)
        x = skips.pop()
        for block in (self.up2, self.up1, self.up0):
            x = skips.pop() + block(x, time)
        return x


class FrustumNetwork(nn.Module):
    """3-D U-Net over one view's frustum; returns the volume of every scale, finest first (3.3)."""

    def __init__(self, config: VolumeConfig) -> None:
        super().__init__()
        d0, d1, d2, d3 = config.dims
        self.conv_in = nn.Conv3d(d0, d0, 3, padding=1)
        self.down1 = self._level(config, d0, d1)
        self.down2 = self._level(config, d1, d2)
        self.down3 = self._level(config, d2, d3)
        self.up2 = VolumeBlock(config, d3, d2, up=True, with_view=True)
        self.up1 = VolumeBlock(config, d2, d1, up=True, with_view=True)
        self.up0 = VolumeBlock(config, d1, d0, up=True, with_view=True)

    @staticmethod
    def _level(config: VolumeConfig, in_dim: int, out_dim: int) -> nn.ModuleList:
        first = VolumeBlock(config, in_dim, out_dim, stride=2, with_view=True)
        return nn.ModuleList([first, VolumeBlock(config, out_dim, out_dim, with_view=True)])

    def forward(
        self,
        frustum: Float[Tensor, "B d0 D h w"],
        time: Float[Tensor, "b T"],
        view: Float[Tensor, "B 4"],
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return volumes of width h, h/2, h/4, h/8, depth axis first."""
        x0 = self.conv_in(frustum)
        x1 = self.down1[1](self.down1[0](x0, time, view), time, view)
        x2 = self.down2[1](self.down2[0](x1, time, view), time, view)
        x3 = self.down3[1](self.down3[0](x2, time, view), time, view)
        x2 = self.up2(x3, time, view) + x2
        x1 = self.up1(x2, time, view) + x1
        x0 = self.up0(x1, time, view) + x0
        return x0, x1, x2, x3


def unproject(
    features: Float[Tensor, "S N F h w"], grid: Float[Tensor, "N V 2"], side: int
) -> Float[Tensor, "S NF side side side"]:
    """Read every view's features at every vertex; channels are view-major (view 0 first).

    Coordinates stay float32 whatever the networks compute in: half precision would move
    a sample by a noticeable part of a cell.
    """
    samples, views, channels = features.shape[:3]
    where = grid[None, :, :, None].expand(samples, -1, -1, -1, -1).flatten(0, 1)
    # The half-pixel quirk of `geometry` is the align_corners=True here and below.
    read = F.grid_sample(features.flatten(0, 1).float(), where, align_corners=True)
    return read.reshape(samples, views * channels, side, side, side).to(features.dtype)


def resample_frustums(
    volume: Float[Tensor, "S d0 V V V"], grid: Float[Tensor, "n D h w 3"]
) -> Float[Tensor, "Sn d0 D h w"]:
    """Read each sample's volume along the rays of n views; the result is sample-major."""
    samples, (views, depth) = volume.shape[0], grid.shape[:2]
    where = grid.flatten(0, 1)[None].expand(samples, -1, -1, -1, -1)
    read = F.grid_sample(volume.float(), where, align_corners=True)
    read = read.unflatten(2, (views, depth)).transpose(1, 2).flatten(0, 1)
    return read.to(volume.dtype)
