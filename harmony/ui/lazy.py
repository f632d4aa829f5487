"""Loading on first use, or ahead of it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from harmony.serving.heap import give_back

T = TypeVar("T")


class Lazy(Generic[T]):
    """Something heavy that is loaded once, at its first use, and says how far it is.

    Attributes:
        state: "asleep", "loading" (or about to), "ready", or "failed" after a load that failed.
    """

    def __init__(self, load: Callable[[], T]) -> None:
        """Remember how to load it."""
        self._load = load
        self._lock = threading.Lock()
        self._loaded: T | None = None
        self.state = "asleep"

    def announce(self) -> None:
        """Say that a thread is about to load it, so that others need not begin with it."""
        if self.state == "asleep":
            self.state = "loading"

    def get(self) -> T:
        """Return it, loading it first where needed; a failed load is tried again next time."""
        with self._lock:
            if self._loaded is not None:
                return self._loaded
            self.state = "loading"
            try:
                loaded = self._loaded = self._load()
            finally:
                self.state = "failed" if self._loaded is None else "ready"
                give_back()  # weights pass through larger forms on their way
            return loaded

    def drop(self) -> None:
        """Forget it, so that the next use loads it again."""
        with self._lock:
            self._loaded, self.state = None, "asleep"
