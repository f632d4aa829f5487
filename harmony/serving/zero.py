"""ZeroGPU, where a GPU is lent for the length of one function call.

There the `spaces` package replaces a decorated function by one that asks for a GPU, forks, runs
the function in the fork and hands its values back pickled. Anywhere else the function is itself.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable
from typing import Any

VARIABLE = "SPACES_ZERO_GPU"


def is_zero_gpu() -> bool:
    """Whether this process runs on ZeroGPU hardware."""
    return os.environ.get(VARIABLE, "").lower() in {"1", "t", "true"}


def plain_gpu(task: Callable[..., Any] | None = None, **_: Any) -> Callable[..., Any]:
    """Stand for `spaces.GPU` where there is none: `@GPU`, `@GPU()` and `@GPU(duration=...)`."""
    if task is None:
        return lambda function: function
    return task


def find_gpu() -> Callable[..., Any]:
    """Return `spaces.GPU`, or its stand-in where the package is not installed.

    Call it before anything that may start CUDA is imported: `spaces` refuses to come later.
    """
    try:
        spaces = importlib.import_module("spaces")
    except ModuleNotFoundError as error:
        if error.name != "spaces":
            raise
        return plain_gpu
    return spaces.GPU
