"""Whether anything may be fetched: one switch, the hub's own."""

from __future__ import annotations

import os

VARIABLE = "HF_HUB_OFFLINE"


def is_offline() -> bool:
    """Whether the process is told to fetch nothing."""
    return os.environ.get(VARIABLE, "").upper() in {"1", "ON", "YES", "TRUE"}
