"""Loading on first use."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Lazy(Generic[T]):
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
            if self._loaded is not None:
                return self._loaded
            self.state = "loading"
            try:
                loaded = self._loaded = self._load()
            finally:
                self.state = "asleep" if self._loaded is None else "ready"
            return loaded

    def drop(self) -> None:
        """Forget it, so that the next use loads it again."""
        with self._lock:
            self._loaded, self.state = None, "asleep"
