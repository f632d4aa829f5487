"""How many views go through the networks at once.

Views are independent once the spatial volume is built, so a step may be cut into chunks; the
size follows from the free memory, and an out-of-memory error halves it once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeVar

import torch

from harmony.devices import release_memory
from harmony.models.syncdreamer.config import SyncDreamerConfig

Result = TypeVar("Result")
Chunk = tuple[slice, slice]
"""Rows of samples and of views that are computed together."""

CPU_BUDGET_BYTES = 2 << 30
"""On a CPU a larger batch gains nothing, so chunks stay small whatever is free."""
USABLE_SHARE = 0.85
MOST_VIEWS = 64
"""More views at once fill no GPU better, and with several branches the largest map would
outgrow the 32-bit indices of some kernels."""
MOST_PICTURES = 16
LIVE_VOLUMES = 20
"""Finest frustum volumes alive at once for one view: float32 samples, three network levels, nine contexts."""
LIVE_MAPS = 60
"""Finest U-Net maps alive at once for one view and branch: skips, concatenation, feed-forward."""
LIVE_PICTURES = 8
"""Full-size maps of the decoder's second-finest width alive at once for one picture."""


def free_bytes(device: torch.device) -> int:
    """Return the memory that new tensors may take on `device`."""
    if device.type != "cuda":
        return CPU_BUDGET_BYTES
    free, _ = torch.cuda.mem_get_info(device)
    cached = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return int((free + cached) * USABLE_SHARE)


def denoise_bytes(config: SyncDreamerConfig, branches: int, item_size: int) -> int:
    """Estimate the memory of denoising one view for some branches."""
    pixels = config.latent_size**2
    volume = config.volume.dims[0] * config.volume.frustum_depth * pixels
    maps = config.unet.model_channels * pixels * branches
    return (LIVE_VOLUMES * volume + LIVE_MAPS * maps) * item_size


def decode_bytes(config: SyncDreamerConfig, item_size: int) -> int:
    """Estimate the memory of decoding one picture."""
    mults = config.autoencoder.channel_mult
    width = config.autoencoder.channels * mults[min(1, len(mults) - 1)]
    return LIVE_PICTURES * width * config.image_size**2 * item_size


def views_at_once(free: int, bytes_per_view: int, most: int) -> int:
    """Return how many views fit, from 1 to `most`."""
    return max(1, min(free // bytes_per_view, most))


def chunks(samples: int, views: int, limit: int) -> Iterator[Chunk]:
    """Cut samples x views into equal chunks of at most `limit` views.

    A chunk holds whole samples, or a part of one. Equal sizes let a compiled network and its
    tuned kernels be reused.
    """
    if limit >= views:
        size = _largest_divisor(samples, limit // views)
        for start in range(0, samples, size):
            yield slice(start, start + size), slice(0, views)
        return
    size = _largest_divisor(views, limit)
    for sample in range(samples):
        for start in range(0, views, size):
            yield slice(sample, sample + 1), slice(start, start + size)


def _largest_divisor(number: int, limit: int) -> int:
    return max(d for d in range(1, min(number, max(limit, 1)) + 1) if number % d == 0)


def with_halving(
    run: Callable[[int], Result], limit: int, device: torch.device
) -> tuple[Result, int]:
    """Return `run(limit)` and `limit`; where memory runs out, the same with `limit // 2`, once.

    Raises:
        torch.OutOfMemoryError: The second try does not fit either, or a single view does not.
    """
    try:
        return run(limit), limit
    except torch.OutOfMemoryError:
        if limit == 1:
            raise
    # Outside the handler: the error's traceback would keep the failed try's tensors alive.
    release_memory(device)
    return run(limit // 2), limit // 2
