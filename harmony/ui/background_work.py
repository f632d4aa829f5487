"""Work that reports by callback, turned into an iterator that can be stopped."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

R = TypeVar("R")
P = TypeVar("P")


class StoppedError(Exception):
    """Raised inside the work when its iterator was closed."""


class in_background(Generic[P, R]):  # noqa: N801, reads as a verb
    """Run `work(tell)` in a thread and iterate over what it tells.

    Closing the iterator makes the next `tell` raise, which ends the work. An exception of the
    work is raised by the iterator; afterwards `result` holds what the work returned.
    """

    result: R

    def __init__(self, work: Callable[[Callable[[P], None]], R]) -> None:
        """Remember the work; it begins with the iteration."""
        self._work = work
        self._told: queue.Queue[tuple[bool, P | None]] = queue.Queue()
        self._stop = threading.Event()
        self._error: BaseException | None = None

    def _tell(self, progress: P) -> None:
        if self._stop.is_set():
            raise StoppedError
        self._told.put((True, progress))

    def _run(self) -> None:
        try:
            self.result = self._work(self._tell)
        except StoppedError:
            pass
        except BaseException as error:
            self._error = error
        finally:
            self._told.put((False, None))

    def __iter__(self) -> Iterator[P]:
        thread = threading.Thread(target=self._run, daemon=True)
        thread.start()
        try:
            while (told := self._told.get())[0]:
                yield told[1]  # pyright: ignore[reportReturnType]
        finally:
            self._stop.set()
        thread.join()
        if self._error is not None:
            raise self._error
