"""What stands behind the page: models that load on first use, and the road from file to file.

The page hands in paths and numbers and gets pictures, files and figures; whatever travels
between the stages in between is theirs. Nothing heavy is imported before it is needed.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image

from harmony.background import CutoutModels
from harmony.ui import texts
from harmony.ui.settings import MESH_FORMATS, QUALITIES, Framing, Settings, choice
from harmony.ui.strips import make_strip
from harmony.ui.visits import Run, SampleFiles

if TYPE_CHECKING:
    from harmony.models.base import MultiviewDenoiser
    from harmony.pipeline import Sample, StepEvent
    from harmony.scoring import CDScorer

PREVIEW_SIZE = 256
"""Frame in which the cut-out alone is checked, before any model is loaded."""


@dataclass(frozen=True)
class Stage:
    """Work of unknown length has begun."""

    text: str


@dataclass(frozen=True)
class Step:
    """One sampling step is done.

    Attributes:
        seeds: Samples that were painted.
        step: 1 to num_steps.
        num_steps: Steps of each pass.
        pass_index: 0 to num_passes - 1.
        num_passes: Passes in all.
        strips: One strip of views for each seed, or None where no preview was due.
        notice: A plain sentence where something changed on the way.
    """

    seeds: tuple[int, ...]
    step: int
    num_steps: int
    pass_index: int
    num_passes: int
    strips: tuple[Image.Image, ...] | None
    notice: str | None


@dataclass(frozen=True)
class SampleReady:
    """One sample is done and on disk."""

    files: SampleFiles


@dataclass(frozen=True)
class RunReady:
    """All samples are done."""

    run: Run


Event = Stage | Step | SampleReady | RunReady


class Lazy[T]:
    """Something heavy that is loaded once, at its first use, and says how far it is."""

    def __init__(self, load: Callable[[], T]) -> None:
        """Remember how to load it."""
        self._load = load
        self._lock = threading.Lock()
        self._loaded: T | None = None
        self.state = "asleep"

    def get(self) -> T:
        """Return it, loading it first where needed; a failed load is tried again next time."""
        with self._lock:
            if self._loaded is None:
                self.state = "loading"
                try:
                    self._loaded = self._load()
                finally:
                    self.state = "asleep" if self._loaded is None else "ready"
            return self._loaded
