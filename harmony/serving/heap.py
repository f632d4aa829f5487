"""Memory that was freed goes back to the machine: glibc keeps it otherwise.

A network's weights pass through float32 on their way, and every thread has a heap of its own:
without these two calls the app holds several hundred megabytes that nobody uses.
"""

from __future__ import annotations

import ctypes
import platform

M_ARENA_MAX = -8  # of malloc.h
ARENAS = 2


def _glibc() -> ctypes.CDLL | None:
    return ctypes.CDLL(None) if platform.libc_ver()[0] == "glibc" else None


def limit_heaps() -> bool:
    """Let all threads share `ARENAS` heaps; return whether this machine's allocator was told so."""
    libc = _glibc()
    return libc is not None and libc.mallopt(M_ARENA_MAX, ARENAS) == 1


def give_back() -> bool:
    """Return unused memory to the machine; return whether there was any to return."""
    libc = _glibc()
    return libc is not None and libc.malloc_trim(0) == 1
