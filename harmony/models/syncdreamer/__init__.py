"""SyncDreamer (arXiv 2309.03453), the multi-view diffusion model that HarmonyView guides."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from harmony.models.syncdreamer.model import SyncDreamer


def load(folder: Path | None, device: torch.device, *, low_memory: bool = False) -> SyncDreamer:
    """Load converted weights; None looks in the cache and on the hub.

    `low_memory` is that of `runtime.RuntimeSettings`;
    `loading.load_syncdreamer` has all options.

    Raises:
        ValueError: The weights cannot be had or read; the message says what to do.
    """
    # Here, because it brings diffusers and transformers.
    from harmony.models.syncdreamer.loading import load_syncdreamer
    from harmony.models.syncdreamer.runtime import RuntimeSettings

    return load_syncdreamer(device, weights=folder, settings=RuntimeSettings(low_memory=low_memory))
