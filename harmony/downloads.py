"""Downloads from the hub that say how far they are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from huggingface_hub.utils import tqdm


def reporting_bar(on_bytes: Callable[[int], None]) -> type[tqdm]:
    """Return a progress bar class that also tells `on_bytes` how many bytes of the file are here."""

    class ReportingBar(tqdm):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            # A resumed download starts at what is there already.
            self.done = int(kwargs.get("initial") or 0)
            super().__init__(*args, **kwargs)

        def update(self, n: float | None = 1) -> bool | None:
            self.done += int(n or 0)
            on_bytes(self.done)
            return super().update(n)

    return ReportingBar
