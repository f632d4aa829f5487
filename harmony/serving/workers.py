"""Worker processes: each computes on its own device, and may die without taking the server along.

Parent and worker speak through a pipe. The parent sends (method, arguments); the worker answers
with ("item", value) for each value, then ("end", None), or with ("refused", sentence) for a
ValueError. Any other error ends the worker, because a CUDA error leaves its process unusable; a
fresh one takes its place. What travels is pickled, between processes of this program only.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import queue
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any

from harmony.ui.texts import lane as texts

logger = logging.getLogger(__name__)

STOP = "stop"
STOP_SECONDS = 120.0
"""A step that takes longer than this after a stop does not end: its worker is killed."""
GONE = (EOFError, ConnectionError)


class WorkerLostError(ValueError):
    """The worker died, or had to be ended, in the middle of the work."""


def _serve(pipe: Connection, make: Callable[[], Any], gpu: int | None) -> None:
    """Work until the parent is gone or something unexpected happens; runs in the worker."""
    # Ctrl-C reaches the whole group of processes; the parent decides when workers end.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if gpu is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = str(gpu)
    service = make()
    while True:
        try:
            asked = pipe.recv()
        except GONE:
            return
        if asked == STOP:
            continue  # it came after the last value
        method, arguments = asked
        try:
            _answer(pipe, getattr(service, method)(*arguments))
        except ValueError as error:
            pipe.send(("refused", str(error)))


def _answer(pipe: Connection, result: Any) -> None:
    values = result if isinstance(result, Iterator) else iter((result,))
    for value in values:
        pipe.send(("item", value))
        if pipe.poll() and pipe.recv() == STOP:
            if values is result:
                result.close()  # pyright: ignore[reportAttributeAccessIssue]
            break
    pipe.send(("end", None))


class Worker:
    """One worker process; it is started at its first use, and again after it was lost."""

    def __init__(self, make: Callable[[], Any], gpu: int | None) -> None:
        """Remember what to start.

        Args:
            make: Picklable; makes the object whose methods are called, in the worker.
            gpu: The only CUDA device that the worker sees; None leaves that as it is.
        """
        self._make, self.gpu = make, gpu
        self._process: BaseProcess | None = None
        self._pipe: Connection | None = None

    @property
    def pid(self) -> int | None:
        """The process, while there is one."""
        return None if self._process is None else self._process.pid

    def _open(self) -> Connection:
        if self._process is not None and self._process.is_alive() and self._pipe is not None:
            return self._pipe
        self.kill()
        # Forking a process that holds CUDA or threads breaks both.
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        process = context.Process(target=_serve, args=(theirs, self._make, self.gpu), daemon=True)
        process.start()
        self._process = process
        theirs.close()
        return self._pipe

    def run(self, method: str, *arguments: Any) -> Iterator[Any]:
        """Call a method in the worker and yield its values; closing stops it after its step.

        Raises:
            WorkerLostError: The worker died; the next call starts a fresh one.
            ValueError: As the method raised it.
        """
        pipe = self._open()
        ended = False
        try:
            pipe.send((method, arguments))
            while True:
                kind, value = pipe.recv()
                ended = kind != "item"
                if kind == "refused":
                    raise ValueError(value)
                if ended:
                    return
                yield value
        except GONE as error:
            ended = True
            raise self._lost() from error
        finally:
            if not ended:
                self._stop(pipe)

    def _stop(self, pipe: Connection) -> None:
        try:
            pipe.send(STOP)
            while pipe.poll(STOP_SECONDS):
                if pipe.recv()[0] != "item":
                    return
        except GONE:
            self._lost()
            return
        logger.error("A worker did not stop and is killed", extra={"fields": {"gpu": self.gpu}})
        self.kill()

    def _lost(self) -> WorkerLostError:
        if self._process is not None:
            self._process.join(STOP_SECONDS)
            fields = {"gpu": self.gpu, "exit_code": self._process.exitcode}
            logger.error("A worker was lost", extra={"fields": fields})
        self.kill()
        return WorkerLostError(texts.WORKER_LOST)

    def kill(self) -> None:
        """End the process at once, if there is one."""
        if self._pipe is not None:
            self._pipe.close()
        if self._process is not None:
            self._process.kill()
            self._process.join()
        self._process = self._pipe = None


class WorkerPool:
    """Workers of one kind; every call takes one that is free."""

    def __init__(self, make: Callable[[], Any], gpus: Sequence[int | None]) -> None:
        """Describe one worker for each of `gpus`; none is started yet."""
        self.workers = tuple(Worker(make, gpu) for gpu in gpus)
        self._free: queue.LifoQueue[Worker] = queue.LifoQueue()
        for worker in reversed(self.workers):
            self._free.put(worker)

    def run(self, method: str, *arguments: Any) -> Iterator[Any]:
        """Call a method in a free worker; waits for one where all are busy. See `Worker.run`."""
        worker = self._free.get()
        work = worker.run(method, *arguments)
        try:
            yield from work
        finally:
            work.close()  # pyright: ignore[reportAttributeAccessIssue]
            self._free.put(worker)

    def start(self, method: str) -> list[Any]:
        """Start every worker by calling a method in each, all at once; returns what they return.

        Call it while none of them works.
        """
        taken = [self._free.get() for _ in self.workers]
        try:
            with ThreadPoolExecutor(len(taken)) as threads:
                return list(threads.map(lambda worker: next(worker.run(method)), taken))
        finally:
            for worker in reversed(self.workers):
                self._free.put(worker)

    def call(self, method: str, *arguments: Any) -> Any:
        """Return what a method returns that is no generator."""
        (value,) = self.run(method, *arguments)
        return value

    def close(self) -> None:
        """End all workers at once."""
        for worker in self.workers:
            worker.kill()
