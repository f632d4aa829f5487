"""A process that does work which may hang, crash or eat memory, and a watcher that survives it."""

from __future__ import annotations

import multiprocessing
import resource
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

START_SECONDS = 300.0
"""Imports on a busy machine."""


@dataclass(frozen=True)
class Outcome:
    """What became of one piece of work.

    Attributes:
        label: Its name.
        kind: "answer", "hang", "crash" or "error".
        text: The answer's description, or what went wrong.
        seconds: How long it took.
        grown_mb: How far the process's peak memory lies above where it began.
    """

    label: str
    kind: str
    text: str
    seconds: float
    grown_mb: float


def peak_mb() -> float:
    """Return this process's peak resident memory.

    Linux counts the parent's memory into a child's `ru_maxrss`, so its own record is read there.
    """
    status = Path("/proc/self/status")
    if status.is_file():
        (line,) = [line for line in status.read_text().splitlines() if line.startswith("VmHWM")]
        return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _serve(work: Callable[[bytes], str], pipe: Connection) -> None:
    work(b"")  # imports
    base = peak_mb()
    pipe.send(("ready", "", 0.0))
    while True:
        data = pipe.recv_bytes()
        try:
            kind, text = "answer", work(data)
        except Exception as error:
            kind, text = "error", f"{type(error).__name__}: {error}"
        pipe.send((kind, text, peak_mb() - base))


class _Worker:
    def __init__(self, work: Callable[[bytes], str]) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipe, far = context.Pipe()
        self.process = context.Process(target=_serve, args=(work, far), daemon=True)
        self.process.start()
        far.close()
        if not self.pipe.poll(START_SECONDS):
            raise RuntimeError("The worker did not start.")
        self.pipe.recv()

    def end(self) -> None:
        self.process.kill()
        self.process.join()
        self.pipe.close()


def watched(
    work: Callable[[bytes], str], pieces: Iterable[tuple[str, bytes]], *, seconds: float
) -> Iterator[Outcome]:
    """Do every piece in another process; one that hangs or dies is replaced.

    Args:
        work: Importable function; it is called once with b"" to warm up.
        pieces: (label, data).
        seconds: How long a piece may take before it counts as hanging.
    """
    worker = _Worker(work)
    try:
        for label, data in pieces:
            started = time.monotonic()
            kind, text, grown = _one(worker, data, seconds)
            yield Outcome(label, kind, text, time.monotonic() - started, grown)
            if kind in ("hang", "crash"):
                worker.end()
                worker = _Worker(work)
    finally:
        worker.end()


def _one(worker: _Worker, data: bytes, seconds: float) -> tuple[str, str, float]:
    try:
        worker.pipe.send_bytes(data)
        if not worker.pipe.poll(seconds):
            return "hang", f"no answer after {seconds:g} s", 0.0
        answer: tuple[Any, ...] = worker.pipe.recv()
    except (EOFError, ConnectionError):
        worker.process.join()
        return "crash", f"the process ended with {worker.process.exitcode}", 0.0
    return answer[0], answer[1], answer[2]
