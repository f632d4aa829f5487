"""The engine on ZeroGPU: what was made before comes from the cache, the rest from a lent GPU."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from harmony.background import CutoutModels
from harmony.ui.engine import Engine
from harmony.ui.events import Event, RunReady
from harmony.ui.settings import Settings

START_SECONDS = 10.0
"""For the fork, the transfer of the weights, the cut-out and the decoding."""
STEP_SECONDS = 0.6
"""For a step of one sample before anything was measured; a guess, and not a low one."""
MARGIN = 1.5
MAX_SECONDS = 120.0
"""More than a visitor's whole quota is refused before it begins, so that nobody asks for more."""


class ZeroEngine(Engine):
    """An engine whose runs happen in forks that hold a GPU.

    The model must be loaded before the page is launched: `spaces` hands it to the forks.
    """

    def __init__(self, gpu: Callable[..., Any], **parts: Any) -> None:
        """Decorate the run.

        Args:
            gpu: `spaces.GPU`.
            parts: As for `Engine`; the scorer must compute on the CPU, where it also works
                between two loans.
        """
        super().__init__(**parts)
        self._seconds_per_step: float | None = None
        self._on_gpu = gpu(duration=self.duration)(self._run)

    def duration(self, picture: Path, settings: Settings, folder: Path) -> float:
        """Return the seconds to ask for; the arguments are those of `generate`."""
        del picture, folder
        each = self._seconds_per_step or STEP_SECONDS
        wanted = START_SECONDS + MARGIN * each * settings.num_steps * settings.instances
        return min(MAX_SECONDS, wanted)

    def generate(self, picture: Path, settings: Settings, folder: Path) -> Iterator[Event]:
        """Paint one sample for each seed; see `Engine.generate`. A cached run costs no quota."""
        made_before = self.peek(picture, settings, lambda: folder)
        if made_before is not None:
            yield RunReady(made_before)
            return
        for event in self._on_gpu(picture, settings, folder):
            if isinstance(event, RunReady):
                steps = settings.num_steps * settings.instances
                self._seconds_per_step = event.run.seconds / steps
            yield event

    def _run(self, picture: Path, settings: Settings, folder: Path) -> Iterator[Event]:
        """Paint in the fork; whatever is changed here ends with it, except for files."""
        # The threads of a network that the parent has opened did not come along.
        self._cutouts = CutoutModels()
        yield from super().generate(picture, settings, folder)
