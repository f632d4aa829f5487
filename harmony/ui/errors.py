"""From the engine's errors to one sentence that a visitor reads."""

from __future__ import annotations

import errno
import functools
import html
import inspect
import logging
from collections.abc import Callable, Iterator
from typing import Any

import gradio as gr

from harmony.ui.texts import faults as texts

FULL = (errno.ENOSPC, errno.EDQUOT)
MAX_SENTENCE = 400
"""Characters; a visitor's own words inside a sentence may be long."""

logger = logging.getLogger(__name__)


def as_error(error: Exception) -> gr.Error:
    """Return what a visitor reads; what is no plain ValueError goes to the log as well."""
    if isinstance(error, gr.Error):
        return error
    if _disk_is_full(error):
        logger.error("The disk is full", exc_info=error)
        sentence = texts.DISK_FULL
    elif isinstance(error, ValueError):
        sentence = plain(str(error))
    elif isinstance(error, MemoryError):
        logger.error("Memory ran out", exc_info=error)
        sentence = texts.NO_MEMORY
    else:
        logger.error("A request failed", exc_info=error)
        sentence = texts.UNEXPECTED.format(kind=type(error).__name__)
    return gr.Error(sentence, print_exception=False)


def plain(sentence: str) -> str:
    """Return one line without markup.

    A sentence may quote what came in a link or a file, and Gradio shows errors as HTML.
    """
    line = "".join(letter if letter.isprintable() else " " for letter in sentence)
    if len(line) > MAX_SENTENCE:
        line = line[: MAX_SENTENCE - 1] + "…"
    return html.escape(line, quote=False)


def _disk_is_full(error: BaseException | None) -> bool:
    """Whether a full disk is at the bottom of it."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in FULL:
            return True
        error = error.__cause__
    return False


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
