"""The ways of computing that `benchmarks.syncdreamer_precision` compares."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_map_only

from harmony.models.syncdreamer.checkpoint import assign_tensors, empty_network, finish_loading
from harmony.models.syncdreamer.config import SyncDreamerConfig
from harmony.models.syncdreamer.model import SyncDreamer
from harmony.models.syncdreamer.runtime import RuntimeSettings, put_channels_last

VOLUMES = ("target_encoder", "spatial_network", "frustum_network")
EMBEDDINGS = ("time_embedding", "unet.time_embedding", "context_projection")
ENDS = ("unet.conv_in", "unet.conv_out")
ENCODER = ("autoencoder.encoder", "autoencoder.quant_conv")
CHEAP = (*EMBEDDINGS, *ENDS, *ENCODER)
BF16, FP16, FP32 = torch.bfloat16, torch.float16, torch.float32


@dataclass(frozen=True)
class Variant:
    """One way to compute.

    Attributes:
        dtype: Number type of the model.
        kept: Parts of the network, by name, that compute in another type.
        kept_dtype: That type.
        rounded: Number type that the weights are rounded to beforehand.
        products: Number type of convolutions and matrix products, where all else is float32.
    """

    dtype: torch.dtype
    kept: tuple[str, ...] = ()
    kept_dtype: torch.dtype = FP32
    rounded: torch.dtype | None = None
    products: torch.dtype | None = None


EXACT = Variant(FP32)
VARIANTS: Mapping[str, Variant] = {
    "bf16": Variant(BF16),
    "fp16": Variant(FP16),
    "bf16 weights in fp32": Variant(FP32, rounded=BF16),
    "bf16, embeddings fp32": Variant(BF16, EMBEDDINGS),
    "bf16, ends fp32": Variant(BF16, ENDS),
    "bf16, encoder fp32": Variant(BF16, ENCODER),
    "bf16, volumes fp32": Variant(BF16, VOLUMES),
    "bf16, all four fp32": Variant(BF16, (*CHEAP, *VOLUMES)),
    "bf16 products": Variant(FP32, products=BF16),
    "fp16, volumes bf16": Variant(FP16, VOLUMES, BF16),
    "fp16, cheap three fp32": Variant(FP16, CHEAP),
    "fp16 products": Variant(FP32, products=FP16),
}


def build(
    variant: Variant,
    weights: Mapping[str, Tensor],
    config: SyncDreamerConfig,
    device: torch.device,
    settings: RuntimeSettings,
) -> SyncDreamer:
    """Return a model with these (float32) weights that computes as the variant says."""
    network = empty_network(config)
    given = dict(weights)
    if variant.rounded is not None:
        given = {name: tensor.to(variant.rounded).float() for name, tensor in given.items()}
    finish_loading(network, assign_tensors(network, given))
    model = SyncDreamer(
        network, weights_sha256="formula", device=device, dtype=variant.dtype, settings=settings
    )
    for name in variant.kept:
        part = network.get_submodule(name)
        part.to(variant.kept_dtype).to(memory_format=torch.contiguous_format)
        part.load_state_dict({key: weights[f"{name}.{key}"] for key in part.state_dict()})
        _cast_around(part, variant.kept_dtype, variant.dtype)
    if variant.products is not None:
        for module in network.modules():
            if isinstance(module, nn.Linear | nn.Conv2d | nn.Conv3d | nn.ConvTranspose3d):
                module.to(variant.products)
        put_channels_last(network)
    return model


def _cast_around(part: nn.Module, inside: torch.dtype, outside: torch.dtype) -> None:
    """Let a part take and give tensors of the number type of what surrounds it."""

    def cast(values: Any, dtype: torch.dtype) -> Any:
        return tree_map_only(Tensor, lambda t: t.to(dtype) if t.is_floating_point() else t, values)

    part.register_forward_pre_hook(
        lambda _, args, kwargs: (cast(args, inside), cast(kwargs, inside)), with_kwargs=True
    )
    part.register_forward_hook(lambda _module, _args, out: cast(out, outside))
