"""The key table: every tensor of the official checkpoint and its place in our networks.

`key_table` is explicit and one-to-one: each part of an official tensor fills exactly one of our
tensors. What an official checkpoint holds beyond it is named in `UNUSED_KEYS`.
"""

from __future__ import annotations

from collections.abc import Iterator

from harmony.models.syncdreamer.config import SyncDreamerConfig
from harmony.models.syncdreamer.key_entry import KeyEntry, pair
from harmony.models.syncdreamer.keys_encoders import autoencoder_entries, image_encoder_entries

UNUSED_KEYS = frozenset(
    {
        *("betas", "alphas", "alphas_cumprod", "sqrt_alphas_cumprod"),
        *("sqrt_one_minus_alphas_cumprod", "posterior_variance", "posterior_log_variance_clipped"),
        *("poses", "Ks", "azimuth"),
        "clip_image_encoder.model.positional_embedding",
        "clip_image_encoder.model.text_projection",
        "clip_image_encoder.model.logit_scale",
        "clip_image_encoder.model.token_embedding.weight",
        "clip_image_encoder.model.ln_final.weight",
        "clip_image_encoder.model.ln_final.bias",
    }
)
"""Tables that we compute ourselves, and what is left of CLIP's text tower."""


def key_table(config: SyncDreamerConfig) -> list[KeyEntry]:
    """Return the whole table for networks of the given sizes."""
    return [
        *pair("time_embed.0", "time_embedding.linear_1"),
        *pair("time_embed.2", "time_embedding.linear_2"),
        *pair("cc_projection", "context_projection"),
        *_target_encoder(),
        *_volume_networks(),
        *_unet(config),
        *autoencoder_entries(config.autoencoder.channel_mult),
        *image_encoder_entries(config.image_encoder.num_layers),
    ]


def _target_encoder() -> Iterator[KeyEntry]:
    official, ours = "spatial_volume.target_encoder", "target_encoder"
    yield from pair(f"{official}.init_conv", f"{ours}.conv_in")
    for i in range(3):
        block, mine = f"{official}.out_conv{i}", f"{ours}.blocks.{i}"
        yield from pair(f"{block}.time_embed", f"{mine}.time_proj", "matrix")
        yield from pair(f"{block}.view_embed", f"{mine}.view_proj", "matrix")
        names = (("conv.0", "norm1"), ("conv.2", "conv1"), ("conv.3", "norm2"), ("conv.5", "conv2"))
        for theirs, name in names:
            yield from pair(f"{block}.{theirs}", f"{mine}.{name}")
    yield from pair(f"{official}.final_out.0", f"{ours}.norm_out")
    yield from pair(f"{official}.final_out.2", f"{ours}.conv_out")


SPATIAL_BLOCKS = {
    **{"conv0": "level0", "conv1": "down1.0", "conv2_0": "down1.1", "conv2_1": "down1.2"},
    **{"conv3": "down2.0", "conv4_0": "down2.1", "conv4_1": "down2.2"},
    **{"conv5": "down3.0", "conv6_0": "down3.1", "conv6_1": "down3.2"},
    **{"conv7": "up2", "conv8": "up1", "conv9": "up0"},
}
FRUSTUM_BLOCKS = {
    **{"conv1": "down1.0", "conv2": "down1.1", "conv3": "down2.0", "conv4": "down2.1"},
    **{"conv5": "down3.0", "conv6": "down3.1", "up0": "up2", "up1": "up1", "up2": "up0"},
}


def _volume_networks() -> Iterator[KeyEntry]:
    official = "spatial_volume.spatial_volume_feats"
    yield from pair(f"{official}.init_conv", "spatial_network.conv_in")
    for theirs, mine in SPATIAL_BLOCKS.items():
        yield from _volume_block(f"{official}.{theirs}", f"spatial_network.{mine}", with_view=False)
    official = "spatial_volume.frustum_volume_feats"
    yield from pair(f"{official}.conv0", "frustum_network.conv_in")
    for theirs, mine in FRUSTUM_BLOCKS.items():
        yield from _volume_block(f"{official}.{theirs}", f"frustum_network.{mine}", with_view=True)


def _volume_block(official: str, ours: str, *, with_view: bool) -> Iterator[KeyEntry]:
    yield from pair(f"{official}.t_conv", f"{ours}.time_proj", "matrix")
    if with_view:
        yield from pair(f"{official}.v_conv", f"{ours}.view_proj", "matrix")
    # The released name is "bn" in the plain blocks; both are group norms.
    up = ours.split(".")[1].startswith("up")
    yield from pair(f"{official}.{'norm' if up else 'bn'}", f"{ours}.norm")
    yield from pair(f"{official}.conv", f"{ours}.conv")


def _unet(config: SyncDreamerConfig) -> Iterator[KeyEntry]:
    official, ours = "model.diffusion_model", "unet"
    yield from pair(f"{official}.time_embed.0", f"{ours}.time_embedding.linear_1")
    yield from pair(f"{official}.time_embed.2", f"{ours}.time_embedding.linear_2")
    yield from pair(f"{official}.input_blocks.0.0", f"{ours}.conv_in")
    yield from _unet_inputs(config, f"{official}.input_blocks", f"{ours}.input_blocks")
    middle = f"{official}.middle_block"
    yield from _resnet(f"{middle}.0", f"{ours}.middle_first.resnet", shortcut=False)
    yield from _transformer(f"{middle}.1", f"{ours}.middle_first.transformer")
    yield from _resnet(f"{middle}.2", f"{ours}.middle_second.resnet", shortcut=False)
    yield from _unet_outputs(config, f"{official}.output_blocks", f"{ours}.output_blocks")
    yield from _depth(f"{official}.middle_conditions", f"{ours}.depth_transformers.0")
    levels = len(config.unet.channel_mult)
    for i in range((levels - 1) * (config.unet.num_res_blocks + 1)):
        yield from _depth(f"{official}.output_conditions.{i}", f"{ours}.depth_transformers.{i + 1}")
    yield from pair(f"{official}.out.0", f"{ours}.norm_out")
    yield from pair(f"{official}.out.2", f"{ours}.conv_out")


def _unet_inputs(config: SyncDreamerConfig, official: str, ours: str) -> Iterator[KeyEntry]:
    mults, index = config.unet.channel_mult, 0
    before = 1
    for level, mult in enumerate(mults):
        for _ in range(config.unet.num_res_blocks):
            # Official block 0 is the first convolution, so the numbers differ by one.
            block, mine = f"{official}.{index + 1}", f"{ours}.{index}"
            yield from _resnet(f"{block}.0", f"{mine}.resnet", shortcut=before != mult)
            if level < len(mults) - 1:
                yield from _transformer(f"{block}.1", f"{mine}.transformer")
            before, index = mult, index + 1
        if level < len(mults) - 1:
            yield from pair(f"{official}.{index + 1}.0.op", f"{ours}.{index}.resample.conv")
            index += 1


def _unet_outputs(config: SyncDreamerConfig, official: str, ours: str) -> Iterator[KeyEntry]:
    levels, index = len(config.unet.channel_mult), 0
    for level in range(levels - 1, -1, -1):
        for step in range(config.unet.num_res_blocks + 1):
            block, mine = f"{official}.{index}", f"{ours}.{index}"
            # Output blocks always change the width, because a skip is concatenated.
            yield from _resnet(f"{block}.0", f"{mine}.resnet", shortcut=True)
            attends = level < levels - 1
            if attends:
                yield from _transformer(f"{block}.1", f"{mine}.transformer")
            if level > 0 and step == config.unet.num_res_blocks:
                place = 2 if attends else 1
                yield from pair(f"{block}.{place}.conv", f"{mine}.resample.conv")
            index += 1


def _resnet(official: str, ours: str, *, shortcut: bool) -> Iterator[KeyEntry]:
    yield from pair(f"{official}.in_layers.0", f"{ours}.norm1")
    yield from pair(f"{official}.in_layers.2", f"{ours}.conv1")
    yield from pair(f"{official}.emb_layers.1", f"{ours}.time_emb_proj")
    yield from pair(f"{official}.out_layers.0", f"{ours}.norm2")
    yield from pair(f"{official}.out_layers.3", f"{ours}.conv2")
    if shortcut:
        yield from pair(f"{official}.skip_connection", f"{ours}.conv_shortcut")


def _transformer(official: str, ours: str) -> Iterator[KeyEntry]:
    yield from pair(f"{official}.norm", f"{ours}.norm")
    yield from pair(f"{official}.proj_in", f"{ours}.proj_in", "matrix")
    yield from pair(f"{official}.proj_out", f"{ours}.proj_out", "matrix")
    block, mine = f"{official}.transformer_blocks.0", f"{ours}.block"
    for attention in ("attn1", "attn2"):
        for name in ("to_q", "to_k", "to_v"):
            key = f"{attention}.{name}.weight"
            yield KeyEntry(f"{block}.{key}", f"{mine}.{key}")
        yield from pair(f"{block}.{attention}.to_out.0", f"{mine}.{attention}.to_out.0")
    for name in ("ff.net.0.proj", "ff.net.2", "norm1", "norm2", "norm3"):
        yield from pair(f"{block}.{name}", f"{mine}.{name}")


def _depth(official: str, ours: str) -> Iterator[KeyEntry]:
    yield from pair(f"{official}.proj_in.0", f"{ours}.proj_in")
    yield from pair(f"{official}.proj_in.1", f"{ours}.norm_in")
    yield KeyEntry(f"{official}.proj_context.0.weight", f"{ours}.proj_context.weight", "matrix")
    yield from pair(f"{official}.proj_context.1", f"{ours}.norm_context")
    for name in ("to_q", "to_k", "to_v", "to_out"):
        yield KeyEntry(f"{official}.depth_attn.{name}.weight", f"{ours}.{name}.weight", "matrix")
    yield from pair(f"{official}.proj_out.0", f"{ours}.norm1")
    yield KeyEntry(f"{official}.proj_out.2.weight", f"{ours}.conv1.weight")
    yield from pair(f"{official}.proj_out.3", f"{ours}.norm2")
    yield KeyEntry(f"{official}.proj_out.5.weight", f"{ours}.conv2.weight")
