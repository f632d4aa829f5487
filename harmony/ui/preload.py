"""Loading ahead: what the first run needs is made ready while the page is built and read."""

from __future__ import annotations

import functools
import importlib
import logging
import threading
from collections.abc import Callable, Iterable
from typing import Any

logger = logging.getLogger(__name__)

LIBRARIES = ("torch", "diffusers.schedulers.scheduling_ddim")
"""The slowest imports of a first run; none of them takes part in building the page."""


def import_ahead() -> threading.Thread:
    """Import `LIBRARIES` in a thread, while the page's own are imported."""
    return preload(functools.partial(importlib.import_module, name) for name in LIBRARIES)


def preload(parts: Iterable[Callable[[], Any]]) -> threading.Thread:
    """Load the parts one after the other in a thread, and return it.

    A part that fails is written to the log and left asleep: the first run asks for it again and
    tells the visitor why it will not load.
    """
    thread = threading.Thread(target=_load, args=(tuple(parts),), name="preload", daemon=True)
    thread.start()
    return thread


def _load(parts: tuple[Callable[[], Any], ...]) -> None:
    for load in parts:
        try:
            load()
        except Exception:
            logger.warning("Loading ahead failed; the first run tries again", exc_info=True)
