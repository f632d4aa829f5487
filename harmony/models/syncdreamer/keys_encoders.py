"""The key table's part for the two encoders that are other projects' classes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from harmony.models.syncdreamer.key_entry import KeyEntry, pair


def autoencoder_entries(mults: Sequence[int]) -> Iterator[KeyEntry]:
    """Latent-diffusion names to diffusers' `AutoencoderKL`; `mults` are the levels' widths."""
    official, ours = "first_stage_model", "autoencoder"
    yield from pair(f"{official}.quant_conv", f"{ours}.quant_conv")
    yield from pair(f"{official}.post_quant_conv", f"{ours}.post_quant_conv")
    for half in ("encoder", "decoder"):
        theirs, mine = f"{official}.{half}", f"{ours}.{half}"
        for name, our_name in (
            ("conv_in", "conv_in"),
            ("norm_out", "conv_norm_out"),
            ("conv_out", "conv_out"),
        ):
            yield from pair(f"{theirs}.{name}", f"{mine}.{our_name}")
        yield from _middle(f"{theirs}.mid", f"{mine}.mid_block")
    for level in range(len(mults)):
        yield from _encoder_level(level, mults)
        yield from _decoder_level(level, mults)


def _encoder_level(level: int, mults: Sequence[int]) -> Iterator[KeyEntry]:
    theirs = f"first_stage_model.encoder.down.{level}"
    ours = f"autoencoder.encoder.down_blocks.{level}"
    # A block has a shortcut where it changes the width; the first convolution has mult 1.
    widens = mults[level] != (mults[level - 1] if level > 0 else 1)
    for i in range(2):
        shortcut = widens and i == 0
        yield from _resnet(f"{theirs}.block.{i}", f"{ours}.resnets.{i}", shortcut=shortcut)
    if level < len(mults) - 1:
        yield from pair(f"{theirs}.downsample.conv", f"{ours}.downsamplers.0.conv")


def _decoder_level(level: int, mults: Sequence[int]) -> Iterator[KeyEntry]:
    # Official levels count from the finest, diffusers' from the one that runs first.
    theirs = f"first_stage_model.decoder.up.{level}"
    ours = f"autoencoder.decoder.up_blocks.{len(mults) - 1 - level}"
    narrows = level < len(mults) - 1 and mults[level] != mults[level + 1]
    for i in range(3):
        shortcut = narrows and i == 0
        yield from _resnet(f"{theirs}.block.{i}", f"{ours}.resnets.{i}", shortcut=shortcut)
    if level > 0:
        yield from pair(f"{theirs}.upsample.conv", f"{ours}.upsamplers.0.conv")


def _middle(official: str, ours: str) -> Iterator[KeyEntry]:
    for i in range(2):
        yield from _resnet(f"{official}.block_{i + 1}", f"{ours}.resnets.{i}")
    attention, mine = f"{official}.attn_1", f"{ours}.attentions.0"
    yield from pair(f"{attention}.norm", f"{mine}.group_norm")
    for name, our_name in (("q", "to_q"), ("k", "to_k"), ("v", "to_v"), ("proj_out", "to_out.0")):
        yield from pair(f"{attention}.{name}", f"{mine}.{our_name}", "matrix")


def _resnet(official: str, ours: str, *, shortcut: bool = False) -> Iterator[KeyEntry]:
    for name in ("norm1", "conv1", "norm2", "conv2"):
        yield from pair(f"{official}.{name}", f"{ours}.{name}")
    if shortcut:
        yield from pair(f"{official}.nin_shortcut", f"{ours}.conv_shortcut")


def image_encoder_entries(layers: int) -> Iterator[KeyEntry]:
    """OpenAI CLIP's names to transformers' `CLIPVisionModelWithProjection`."""
    official, ours = "clip_image_encoder.model.visual", "image_encoder.vision_model"
    yield KeyEntry(f"{official}.class_embedding", f"{ours}.embeddings.class_embedding")
    yield KeyEntry(f"{official}.conv1.weight", f"{ours}.embeddings.patch_embedding.weight")
    yield KeyEntry(
        f"{official}.positional_embedding", f"{ours}.embeddings.position_embedding.weight"
    )
    # "layrnorm" is transformers' spelling.
    yield from pair(f"{official}.ln_pre", f"{ours}.pre_layrnorm")
    yield from pair(f"{official}.ln_post", f"{ours}.post_layernorm")
    yield KeyEntry(f"{official}.proj", "image_encoder.visual_projection.weight", "transpose")
    for i in range(layers):
        yield from _clip_layer(
            f"{official}.transformer.resblocks.{i}", f"{ours}.encoder.layers.{i}"
        )


def _clip_layer(official: str, ours: str) -> Iterator[KeyEntry]:
    for part, name in enumerate(("q_proj", "k_proj", "v_proj")):
        for kind in ("weight", "bias"):
            yield KeyEntry(
                f"{official}.attn.in_proj_{kind}",
                f"{ours}.self_attn.{name}.{kind}",
                f"third {part}",
            )
    yield from pair(f"{official}.attn.out_proj", f"{ours}.self_attn.out_proj")
    yield from pair(f"{official}.ln_1", f"{ours}.layer_norm1")
    yield from pair(f"{official}.ln_2", f"{ours}.layer_norm2")
    yield from pair(f"{official}.mlp.c_fc", f"{ours}.mlp.fc1")
    yield from pair(f"{official}.mlp.c_proj", f"{ours}.mlp.fc2")
