"""From weights to a model that is ready to sample."""

from __future__ import annotations

from pathlib import Path

import torch

from harmony.models.syncdreamer.checkpoint import OnProgress, load_network, read_card
from harmony.models.syncdreamer.fetch import WeightsSource, find_weights
from harmony.models.syncdreamer.model import SyncDreamer
from harmony.models.syncdreamer.precision import default_dtype
from harmony.models.syncdreamer.runtime import RuntimeSettings


def load_syncdreamer(
    device: torch.device | str = "cpu",
    *,
    weights: str | Path | None = None,
    source: WeightsSource | None = None,
    dtype: torch.dtype | None = None,
    settings: RuntimeSettings | None = None,
    local_only: bool = False,
    on_progress: OnProgress | None = None,
) -> SyncDreamer:
    """Load SyncDreamer, bringing the weights first if need be (see `fetch.find_weights`).

    Args:
        device: Where to run.
        weights: Converted folder or official checkpoint; None looks in
            HARMONY_SYNCDREAMER_WEIGHTS, the cache and the hub.
        source: Hub repository; None takes the public mirror.
        dtype: Number type to compute in; None takes `precision.default_dtype`.
        settings: How to run.
        local_only: Never touch the network.
        on_progress: Called with what is being done, how much is done and how much there is.

    Raises:
        ValueError: The weights cannot be had or read; the message says what to do.
    """
    device = torch.device(device)
    folder = find_weights(weights, source=source, local_only=local_only, on_progress=on_progress)
    dtype = dtype or default_dtype(device)
    network = load_network(folder, dtype, on_progress=on_progress)
    sha256 = read_card(folder).weights_sha256
    return SyncDreamer(
        network, weights_sha256=sha256, device=device, dtype=dtype, settings=settings
    )
