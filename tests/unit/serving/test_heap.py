"""Freed memory goes back to the machine, where the allocator is glibc's."""

import platform
import subprocess
import sys

import pytest

from harmony.serving import heap

MEGABYTES = 200
PROGRAM = f"""
from harmony.serving.heap import give_back
def resident():
    return int(open("/proc/self/statm").read().split()[1]) * 4096 / 1e6
small = [b"x" * 100_000 for _ in range({MEGABYTES} * 10)]
del small[:-1]  # the last one keeps the heap from shrinking by itself
held = resident()
assert give_back()
print(held - resident())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the allocator is not glibc's")
def test_freed_memory_is_given_back():
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) > 0.8 * MEGABYTES
    assert heap.limit_heaps()


def test_another_allocator_is_left_alone(monkeypatch):
    monkeypatch.setattr(heap.platform, "libc_ver", lambda: ("", ""))
    assert not heap.limit_heaps()
    assert not heap.give_back()
