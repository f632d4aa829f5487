"""The disk that results may take: all together bounded, and the oldest go first."""

from __future__ import annotations

import math
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

MAX_BYTES = 4_000_000_000
VISIT = "visit-"
UPLOAD_SECONDS = 900.0
"""An uploaded picture is younger than this while somebody may still press Generate."""

LOOK_SECONDS = 5.0
"""The disk is measured no more often than this; a result takes longer to make."""


def disk_bytes(folder: Path) -> int:
    """Return the size of all files below a folder; what vanishes meanwhile counts nothing."""
    return sum(size for _, size in _files(folder))


def _files(folder: Path) -> Iterator[tuple[str, int]]:
    for parent, _, names in os.walk(folder):
        for name in names:
            file = f"{parent}{os.sep}{name}"
            try:
                yield file, os.stat(file, follow_symlinks=False).st_size  # noqa: PTH116, thousands
            except FileNotFoundError:
                continue


class Shelf:
    """The folders of results below one root, in the order in which they were begun."""

    def __init__(
        self,
        root: Callable[[], Path],
        clock: Callable[[], float],
        max_bytes: int,
        busy_since: Callable[[], float | None],
    ) -> None:
        """Hold nothing yet; for the arguments see `harmony.ui.visits.Visits`."""
        self._root, self._clock = root, clock
        self._max_bytes, self._busy_since = max_bytes, busy_since
        self._begun: dict[Path, float] = {}
        self._looked_at = -math.inf
        self._lock = threading.Lock()

    def add(self, folder: Path) -> None:
        """Note a result's folder when it is begun."""
        with self._lock:
            self._begun[folder] = self._clock()

    def make_room(self) -> list[Path]:
        """Remove the oldest finished results until the rest is within the bound.

        Returns:
            The folders that were removed; uploads, which nobody refers to, are not among them.
        """
        with self._lock:
            now = self._clock()
            if now - self._looked_at < LOOK_SECONDS:
                return []
            self._looked_at = now
            self._begun = {folder: at for folder, at in self._begun.items() if folder.is_dir()}
            over = disk_bytes(self._root()) - self._max_bytes
            busy = self._busy_since()
            gone = []
            for folder, begun in list(self._begun.items()):
                if over <= 0 or (busy is not None and begun >= busy):
                    break
                over -= disk_bytes(folder)
                shutil.rmtree(folder, ignore_errors=True)
                del self._begun[folder]
                gone.append(folder)
            self._remove_uploads(over)
            return gone

    def _remove_uploads(self, over: int) -> None:
        """Remove the oldest uploads and copies of files, where the results were not enough."""
        if over <= 0:
            return
        others = [f for f in self._root().iterdir() if f.is_dir() and not f.name.startswith(VISIT)]
        for folder in sorted(others, key=lambda f: f.stat().st_mtime):
            # Files carry the wall clock's time; one from the future is no younger than now.
            age = abs(time.time() - folder.stat().st_mtime)
            if over <= 0 or age < UPLOAD_SECONDS:
                return
            over -= disk_bytes(folder)
            shutil.rmtree(folder, ignore_errors=True)
