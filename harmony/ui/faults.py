"""What happens when the model itself fails: the run ends with a sentence, the server goes on."""

from __future__ import annotations

import functools
import inspect
import logging
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol, TypeVar, cast

from harmony.ui.lazy import Lazy
from harmony.ui.texts import faults as texts

logger = logging.getLogger(__name__)
F = TypeVar("F", bound=Callable[..., Any])


class HasModels(Protocol):
    """What holds the networks of a process."""

    model: Lazy[Any]
    scorer: Lazy[Any] | None


@contextmanager
def _guard(owner: HasModels, folder: Path | None) -> Iterator[None]:
    """Drop the networks after a failure inside them; leave nothing half made in the folder."""
    try:
        yield
    except Exception as error:
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)
        # CUDA's errors, failed kernels and allocations are all RuntimeErrors of PyTorch's; the
        # weights may be damaged after one of them, so the next run loads them afresh.
        if not isinstance(error, RuntimeError | MemoryError):
            raise
        logger.error("A network failed and is dropped", exc_info=error)
        for part in filter(None, (owner.model, owner.scorer)):
            part.drop()
        raise ValueError(texts.MODEL_FAILED.format(kind=type(error).__name__)) from error


def guarded(method: F) -> F:
    """Guard a method of the engine; its argument `folder`, if it has one, takes its results."""
    signature = inspect.signature(method)

    def folder_of(*args: Any, **kwargs: Any) -> Path | None:
        return signature.bind(*args, **kwargs).arguments.get("folder")

    if inspect.isgeneratorfunction(method):

        @functools.wraps(method)
        def stream(owner: HasModels, *args: Any, **kwargs: Any) -> Iterator[Any]:
            with _guard(owner, folder_of(owner, *args, **kwargs)):
                yield from method(owner, *args, **kwargs)

        return cast(F, stream)

    @functools.wraps(method)
    def call(owner: HasModels, *args: Any, **kwargs: Any) -> Any:
        with _guard(owner, folder_of(owner, *args, **kwargs)):
            return method(owner, *args, **kwargs)

    return cast(F, call)
