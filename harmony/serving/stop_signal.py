"""The signals that end a server: SIGTERM and Ctrl-C.

The system may hand a signal to any thread of the process, while Python runs handlers in the main
thread alone, once that computes again: a main thread that only waits would sleep on. A handler
that takes a lock may also have interrupted the very code that holds it. So nothing is done in a
handler: a thread of its own waits for the byte that Python writes for every signal, at once and
in whatever thread it came.
"""

from __future__ import annotations

import os
import signal
import socket
import threading
from types import FrameType

SIGNALS = (signal.SIGTERM, signal.SIGINT)
SIGNALLED = 128
"""A shell's exit code for a process that a signal has ended is this and the signal's number."""


class StopSignal:
    """Tells when the server is asked to stop.

    A signal before `begin_serving` ends the process at once, since there is nobody to tell, and so
    does a second one after the first.
    """

    def __init__(self) -> None:
        """Take the signals over; call it in the main thread, and once in a process."""
        self._serving, self._asked = threading.Event(), threading.Event()
        self._received, self._written = socket.socketpair()
        self._written.setblocking(False)
        signal.set_wakeup_fd(self._written.fileno(), warn_on_full_buffer=False)
        for number in SIGNALS:
            signal.signal(number, _leave_to_listener)
        if hasattr(os, "register_at_fork"):
            # A child would write its own signals into the parent's socket.
            os.register_at_fork(after_in_child=_give_back)
        threading.Thread(target=self._listen, name="signals", daemon=True).start()

    def begin_serving(self) -> None:
        """Let the next signal be waited for; call it before anybody can connect."""
        self._serving.set()

    def wait(self) -> None:
        """Return when a signal has come since `begin_serving`."""
        self._asked.wait()

    def _listen(self) -> None:
        while received := self._received.recv(1):
            number = received[0]
            if number not in SIGNALS:
                continue
            if self._asked.is_set() or not self._serving.is_set():
                os._exit(SIGNALLED + number)
            self._asked.set()


def _leave_to_listener(number: int, frame: FrameType | None) -> None:
    """Do nothing: Python has to have a handler to write the byte."""


def _give_back() -> None:
    signal.set_wakeup_fd(-1)
    for number in SIGNALS:
        signal.signal(number, signal.SIG_DFL)
