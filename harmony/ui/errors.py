"""From the engine's errors to one sentence that a visitor reads."""

from __future__ import annotations

import functools
import inspect
import logging
from collections.abc import Callable, Iterator
from typing import Any

import gradio as gr

from harmony.ui import texts

logger = logging.getLogger(__name__)


def as_error(error: Exception) -> gr.Error:
    """Return what a visitor reads; what is no plain ValueError goes to the log as well."""
    if isinstance(error, gr.Error):
        return error
    if isinstance(error, ValueError):
        return gr.Error(str(error), print_exception=False)
    logger.error("A request failed", exc_info=error)
    return gr.Error(texts.UNEXPECTED.format(kind=type(error).__name__), print_exception=False)


def in_plain_words(function: Callable[..., Any]) -> Callable[..., Any]:
    """Let the errors of a handler reach the visitor as one sentence."""
    if inspect.isgeneratorfunction(function):

        @functools.wraps(function)
        def stream(*args: Any, **kwargs: Any) -> Iterator[Any]:
            try:
                yield from function(*args, **kwargs)
            except Exception as error:
                raise as_error(error) from error

        return stream

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except Exception as error:
            raise as_error(error) from error

    return call
