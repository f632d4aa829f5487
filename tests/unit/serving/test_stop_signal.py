"""The signals that end a server, each in a process of its own: handlers belong to the whole process."""

from __future__ import annotations

import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PATIENCE = 60
BEGIN = """
    import os, signal, threading, time
    from harmony.serving.stop_signal import StopSignal

    stop = StopSignal()
"""
TERM, INT = signal.SIGTERM, signal.SIGINT
STOPPED = (0, "stopped")


def run(code: str) -> tuple[int, str]:
    """Run Python code after `BEGIN`; returns its exit code and what it printed."""
    code = textwrap.dedent(BEGIN) + textwrap.dedent(code) + "print('stopped')"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    return done.returncode, done.stdout.strip()


@pytest.mark.parametrize("number", [TERM, INT])
def test_a_signal_that_another_thread_takes_wakes_the_main_thread(number):
    """The system chooses the thread; here it is one that is not waited for by anybody."""
    came = run(f"""
        other = threading.Thread(target=time.sleep, args=({PATIENCE},), daemon=True)
        other.start()
        timer = threading.Timer(0.2, signal.pthread_kill, (other.ident, {number:d}))
        stop.begin_serving()
        timer.start()
        stop.wait()
    """)
    assert came == STOPPED


def test_a_signal_that_comes_before_it_is_waited_for_is_not_lost():
    came = run(f"""
        stop.begin_serving()
        signal.raise_signal({TERM:d})
        stop.wait()
    """)
    assert came == STOPPED


def test_a_signal_while_the_main_thread_holds_the_lock_of_what_it_waits_for():
    came = run(f"""
        import sys

        def interrupt(frame, event, argument):
            if frame.f_code is threading.Condition.wait.__code__:
                sys.settrace(None)
                signal.raise_signal({TERM:d})

        stop.begin_serving()
        sys.settrace(interrupt)
        stop.wait()
        assert sys.gettrace() is None
    """)
    assert came == STOPPED


@pytest.mark.parametrize("number", [TERM, INT])
def test_before_anybody_can_connect_a_signal_ends_the_process(number):
    came = run(f"""
        signal.raise_signal({number:d})
        time.sleep({PATIENCE})
    """)
    assert came == (128 + number, "")


def test_a_second_signal_ends_the_process_at_once():
    came = run(f"""
        stop.begin_serving()
        signal.raise_signal({TERM:d})
        stop.wait()
        signal.raise_signal({INT:d})
        time.sleep({PATIENCE})
    """)
    assert came == (128 + INT, "")


def test_the_signal_of_a_fork_is_its_own():
    came = run(f"""
        stop.begin_serving()
        ours, theirs = os.pipe()
        child = os.fork()
        if child == 0:
            os.write(theirs, b"!")
            time.sleep({PATIENCE})
            os._exit(1)
        os.read(ours, 1)
        os.kill(child, {TERM:d})
        _, status = os.waitpid(child, 0)
        assert os.waitstatus_to_exitcode(status) == -{TERM:d}
        signal.raise_signal({TERM:d})
        stop.wait()
    """)
    assert came == STOPPED


def test_other_signals_stop_nothing():
    came = run(f"""
        stop.begin_serving()
        signal.signal(signal.SIGUSR1, lambda *_: None)
        signal.raise_signal(signal.SIGUSR1)
        signal.raise_signal({TERM:d})
        stop.wait()
    """)
    assert came == STOPPED
