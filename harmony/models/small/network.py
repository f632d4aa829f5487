"""The small network: sixteen noisy pictures and a reference -> sixteen clean pictures.

A convolutional stem folds every picture into tokens, a transformer alternates blocks that look
inside a view (and at the reference) with blocks that look across all views, and a convolutional
decoder unfolds the tokens again with skips from the stem. It predicts the clean picture
(diffusers' `prediction_type="sample"`), because sixteen large patches are too many numbers for a
narrow transformer to carry noise through. Every output pixel may also take the reference's pixel
at the same place through a learned gate: view 0 is nearly the reference.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from einops import rearrange, repeat
from jaxtyping import Float
from torch import Tensor, nn

from harmony.models.small.blocks import Block, HeadTensor, KeysValues, ResidualConv, sinusoids
from harmony.models.small.config import SmallConfig

PICTURE_CHANNELS = 4  # RGB on white, foreground mask
FOLD = 8
TIME_WIDTH = 256


@dataclass(frozen=True)
class ReferenceFeatures:
    """What the views read of a reference; computed once, free of the timestep.

    Attributes:
        keys_values: One pair for each block that looks inside a view.
        feature_map: (B, stem[1], H/8, H/8), added to every view's first map.
        pixels: (B, 64, H/4, H/4), the reference folded by 4.
        elevation: (B, width) embedding.
    """

    keys_values: tuple[tuple[HeadTensor, HeadTensor], ...]
    feature_map: Float[Tensor, "B c h w"]
    pixels: Float[Tensor, "B 64 hh ww"]
    elevation: Float[Tensor, "B width"]


@dataclass(frozen=True)
class Start:
    """What branches with the same reference share: everything before views first see each other.

    Attributes:
        tokens: (B, N, tokens, width) after the first block.
        fine: (B * N, stem[1], H/8, H/8), the stem's map.
        coarse: (B * N, stem[2], H/16, H/16), the stem's map.
        modulation: (B, blocks, 6, width).
    """

    tokens: Float[Tensor, "B N t width"]
    fine: Float[Tensor, "BN c h w"]
    coarse: Float[Tensor, "BN d hh ww"]
    modulation: Float[Tensor, "B blocks 6 width"]

    def repeat(self, count: int) -> Start:
        """Return the same start for `count` branches, branch by branch."""
        if count == 1:
            return self
        parts = (self.tokens, self.fine, self.coarse, self.modulation)
        return Start(*(part.repeat(count, *[1] * (part.ndim - 1)) for part in parts))


class Stem(nn.Module):
    """Picture -> (map at 1/8, map at 1/16) with a residual block at 1/16."""

    def __init__(self, stem: tuple[int, int, int]) -> None:
        """Build with the configured channels."""
        super().__init__()
        self.fold = nn.Conv2d(PICTURE_CHANNELS * FOLD**2, stem[1], 1)
        self.down = nn.Conv2d(stem[1], stem[2], 3, stride=2, padding=1)
        self.residual = ResidualConv(stem[2])

    def forward(self, picture: Float[Tensor, "B 4 H W"]) -> tuple[Tensor, Tensor]:
        """Return the maps at 1/8 and 1/16."""
        fine = self.folded(picture)
        return fine, self.coarse(fine)

    def folded(self, picture: Float[Tensor, "B 4 H W"]) -> Float[Tensor, "B c h w"]:
        """Return the map at 1/8: `fold` of the unshuffled picture, as one strided convolution."""
        kernel = self.fold.weight.unflatten(1, (PICTURE_CHANNELS, FOLD * FOLD))
        kernel = kernel[..., 0, 0].unflatten(2, (FOLD, FOLD))
        return F.conv2d(picture, kernel, self.fold.bias, stride=FOLD)

    def coarse(self, fine: Float[Tensor, "B c h w"]) -> Float[Tensor, "B d hh ww"]:
        """Return the map at 1/16."""
        return self.residual(self.down(F.silu(fine)))


class ReferenceEncoder(nn.Module):
    """Reference picture and elevation -> ReferenceFeatures."""

    def __init__(self, config: SmallConfig) -> None:
        """Build; there is one pair of keys and values for every second block of the trunk."""
        super().__init__()
        width, stem = config.width, config.stem
        self.stem = Stem(stem)
        self.fine = ResidualConv(stem[1])
        self.to_map = nn.Conv2d(stem[1], stem[1], 1)
        self.to_tokens = nn.Conv2d(stem[2], width, 1)
        self.positions = noise_parameter((config.image_size // 16) ** 2, width)
        self.blocks = nn.ModuleList(
            Block(width, config.heads, modulated=False) for _ in range(config.reference_depth)
        )
        self.null_token = noise_parameter(width)
        self.elevation = nn.Linear(4, width)
        self.keys_values = nn.ModuleList(
            KeysValues(width, config.heads) for _ in range((config.depth + 1) // 2)
        )

    def forward(
        self,
        picture: Float[Tensor, "B 4 H W"],
        elevation_deg: Float[Tensor, " B"],
        keep: Float[Tensor, " B"],
    ) -> ReferenceFeatures:
        """Encode.

        Args:
            picture: In [-1, 1], the mask in the fourth channel.
            elevation_deg: Of the input camera.
            keep: 1 keeps the reference, 0 replaces it by the learned "no reference".
        """
        fine, coarse = self.stem(picture)
        tokens = rearrange(self.to_tokens(coarse), "b c h w -> b 1 (h w) c") + self.positions
        elevation = self._elevation(elevation_deg, tokens.dtype)
        tokens = tokens + elevation[:, None, None]
        for block in self.blocks:
            tokens = block(tokens, 0)
        kept = keep.to(tokens.dtype)
        mix = kept[:, None, None]
        tokens = tokens[:, 0] * mix + self.null_token.to(tokens.dtype) * (1 - mix)
        return ReferenceFeatures(
            keys_values=tuple(layer(tokens) for layer in self.keys_values),
            feature_map=self.to_map(F.silu(self.fine(fine))) * kept[:, None, None, None],
            pixels=F.pixel_unshuffle(picture, 4) * keep[:, None, None, None],
            elevation=elevation * kept[:, None],
        )

    def without_reference(self, image_size: int) -> ReferenceFeatures:
        """Return the features of "no reference" for one sample, with a single context token.

        Equal to `forward` with keep = 0: there all context tokens are the same vector, and
        attention over equal keys returns their value.
        """
        token = self.null_token[None, None]
        size = image_size // FOLD
        device, dtype = token.device, token.dtype
        return ReferenceFeatures(
            keys_values=tuple(layer(token) for layer in self.keys_values),
            feature_map=torch.zeros(
                1, self.to_map.out_channels, size, size, device=device, dtype=dtype
            ),
            pixels=torch.zeros(
                1, 16 * PICTURE_CHANNELS, 2 * size, 2 * size, device=device, dtype=dtype
            ),
            elevation=torch.zeros(1, token.shape[-1], device=device, dtype=dtype),
        )

    def _elevation(self, elevation_deg: Tensor, dtype: torch.dtype) -> Tensor:
        radians = torch.deg2rad(elevation_deg.float())
        values = torch.stack(
            [radians.sin(), radians.cos(), 2 * radians, torch.ones_like(radians)], dim=-1
        )
        return self.elevation(values.to(self.elevation.weight.dtype)).to(dtype)


class Decoder(nn.Module):
    """Tokens and the stem's maps -> pictures, unfolded in three steps."""

    def __init__(self, config: SmallConfig) -> None:
        """Build; the last layer starts at zero."""
        super().__init__()
        quarter, eighth, sixteenth = config.stem
        self.to_sixteenth = nn.Linear(config.width, 4 * sixteenth)
        self.residual_sixteenth = ResidualConv(sixteenth)
        self.to_eighth = nn.Conv2d(sixteenth, 4 * eighth, 1)
        self.residual_eighth = ResidualConv(eighth)
        self.to_quarter = nn.Conv2d(eighth, 4 * quarter, 1)
        self.residual_quarter = ResidualConv(quarter)
        self.head = nn.Conv2d(quarter, 16 * PICTURE_CHANNELS + 1, 1)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)  # pyright: ignore[reportArgumentType]

    def forward(
        self, tokens: Tensor, fine: Tensor, coarse: Tensor, reference: Tensor
    ) -> Float[Tensor, "BN 4 H W"]:
        """Unfold.

        Args:
            tokens: (B*N, h, w, width) at 1/32.
            fine: The stem's map at 1/8.
            coarse: The stem's map at 1/16.
            reference: (B*N, 64, H/4, W/4), the reference folded by 4.
        """
        x = F.pixel_shuffle(rearrange(self.to_sixteenth(tokens), "b h w c -> b c h w"), 2)
        x = self.residual_sixteenth(x + coarse)
        x = self.residual_eighth(F.pixel_shuffle(self.to_eighth(x), 2) + fine)
        x = self.residual_quarter(F.pixel_shuffle(self.to_quarter(x), 2))
        out = self.head(F.silu(x)).float()
        return F.pixel_shuffle(out[:, :-1] + out[:, -1:] * reference.float(), 4)


class SmallNetwork(nn.Module):
    """The multi-view diffusion transformer; predicts the clean pictures of all views."""

    def __init__(self, config: SmallConfig) -> None:
        """Build with random weights; a fresh network predicts zeros."""
        super().__init__()
        self.config = config
        width = config.width
        grid = config.image_size // 32
        self.reference = ReferenceEncoder(config)
        self.stem = Stem(config.stem)
        self.down = nn.Conv2d(config.stem[2], width, 3, stride=2, padding=1)
        self.places = noise_parameter(config.view_count, grid * grid, width)
        self.time_in = nn.Linear(TIME_WIDTH, width)
        self.time_out = nn.Linear(width, width)
        self.modulation = nn.Linear(width, 6 * width)
        nn.init.zeros_(self.modulation.weight)
        nn.init.zeros_(self.modulation.bias)
        self.blocks = nn.ModuleList(Block(width, config.heads) for _ in range(config.depth))
        self.norm_out = nn.LayerNorm(width)
        self.decoder = Decoder(config)

    def forward(
        self,
        noisy: Float[Tensor, "B N 4 H W"],
        time: Float[Tensor, " B"],
        reference: ReferenceFeatures,
        joint: int,
    ) -> Float[Tensor, "B N 4 H W"]:
        """Predict the clean pictures.

        Args:
            noisy: sqrt(abar) x + sqrt(1 - abar) noise, x in [-1, 1].
            time: Signal's share t = a / (a + sigma) in (0, 1) of a variance-preserving
                a = sqrt(abar), sigma = sqrt(1 - abar); 1 is clean.
            reference: From `self.reference`; batch B or 1.
            joint: The first `joint` samples attend across views, the rest inside each view.
        """
        return self.finish(self.begin(self.fold(noisy), time, reference), reference, joint)

    def fold(self, noisy: Float[Tensor, "B N 4 H W"]) -> Float[Tensor, "B N c h w"]:
        """Return what every branch shares: the noisy pictures' first map."""
        return self.stem.folded(noisy.flatten(0, 1)).unflatten(0, noisy.shape[:2])

    def begin(
        self,
        folded: Float[Tensor, "B N c h w"],
        time: Float[Tensor, " B"],
        reference: ReferenceFeatures,
    ) -> Start:
        """Return what branches with the same reference share; see `forward`."""
        batch, views = folded.shape[:2]
        fine = folded.flatten(0, 1) + per_view(reference.feature_map, batch, views)
        coarse = self.stem.coarse(fine)
        tokens = rearrange(
            self.down(F.silu(coarse)), "(b n) c h w -> b n (h w) c", b=batch
        ) + self.places.to(coarse.dtype)
        modulation = self.modulate(time, reference)
        tokens = self._block(0, tokens, modulation, reference, joint=0)
        return Start(tokens, fine, coarse, modulation)

    def finish(
        self, start: Start, reference: ReferenceFeatures, joint: int
    ) -> Float[Tensor, "B N 4 H W"]:
        """Return the clean pictures; see `forward`."""
        batch, views = start.tokens.shape[:2]
        tokens = start.tokens
        for index in range(1, len(self.blocks)):
            tokens = self._block(index, tokens, start.modulation, reference, joint)
        grid = self.config.image_size // 32
        folded = rearrange(self.norm_out(tokens), "b n (h w) c -> (b n) h w c", h=grid)
        pixels = per_view(reference.pixels, batch, views)
        out = self.decoder(folded, start.fine, start.coarse, pixels)
        return out.unflatten(0, (batch, views))

    def _block(
        self,
        index: int,
        tokens: Float[Tensor, "B N t width"],
        modulation: Float[Tensor, "B blocks 6 width"],
        reference: ReferenceFeatures,
        joint: int,
    ) -> Float[Tensor, "B N t width"]:
        """Apply a block: even ones look inside a view and at the reference, odd ones across."""
        if index % 2:
            return self.blocks[index](tokens, joint, modulation[:, index])
        keys, values = reference.keys_values[index // 2]
        context = (expand(keys, len(tokens)), expand(values, len(tokens)))
        return self.blocks[index](tokens, 0, modulation[:, index], context)

    def modulate(
        self, time: Float[Tensor, " B"], reference: ReferenceFeatures
    ) -> Float[Tensor, "B blocks 6 width"]:
        """Return shifts, scales and gates of every block: here the same for all of them."""
        embedded = sinusoids(1000.0 * time, TIME_WIDTH).to(self.time_in.weight.dtype)
        hidden = self.time_out(F.silu(self.time_in(embedded))) + reference.elevation
        rows = rearrange(self.modulation(F.silu(hidden)), "b (six c) -> b 1 six c", six=6)
        return rows.expand(-1, len(self.blocks), -1, -1)


def noise_parameter(*shape: int) -> nn.Parameter:
    """Return normal noise of standard deviation .02 to learn from; on "meta" nothing is drawn.

    To draw there would import the whole of PyTorch's compiler: a second or two before a first run.
    """
    values = torch.empty(shape)
    if not values.is_meta:
        nn.init.normal_(values, std=0.02)
    return nn.Parameter(values)


def expand(x: Tensor, batch: int) -> Tensor:
    """Repeat a single sample to `batch` without copying; leave a full batch as it is."""
    return x.expand(batch, *x.shape[1:])


def per_view(x: Tensor, batch: int, views: int) -> Tensor:
    """(1 or B, ...) -> (B * N, ...), the same for every view of a sample."""
    return repeat(expand(x, batch), "b ... -> (b n) ...", n=views)
