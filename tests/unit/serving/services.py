"""What the tests' workers serve; a module of its own, so that a worker can import it."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path


class Counter:
    """Counts, refuses, breaks and dies."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder

    def gpu(self) -> tuple[int, str | None]:
        return os.getpid(), os.environ.get("CUDA_VISIBLE_DEVICES")

    def count(self, until: int) -> Iterator[int]:
        try:
            for k in range(until):
                yield k
                time.sleep(0.01)
        finally:
            if self.folder is not None:
                (self.folder / "closed").write_text("")

    def together(self, name: str, other: str) -> Iterator[str]:
        """End only when another worker is in here at the same time."""
        assert self.folder is not None
        (self.folder / name).write_text("")
        while not (self.folder / other).exists():
            time.sleep(0.01)
            yield "waiting"
        yield "met"

    def refuse(self) -> None:
        raise ValueError("Not with me.")

    def break_down(self) -> None:
        raise RuntimeError("CUDA error: an illegal memory access was encountered")
