"""The log: one JSON object a line on stderr.

An exception is told by its kind and its place in the code. The words of an OSError would repeat
the name of a visitor's file, so that only the system's own reason is kept.
"""

from __future__ import annotations

import json
import logging
import sys
import traceback
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PLACES = 6
"""Innermost lines of code that are told of an exception."""


def _place(frame: traceback.FrameSummary) -> str:
    file = Path(frame.filename)
    inside = file.relative_to(ROOT) if file.is_relative_to(ROOT) else Path(*file.parts[-2:])
    return f"{inside.as_posix()}:{frame.lineno} {frame.name}"


def _told(error: BaseException) -> dict[str, Any]:
    reason = error.strerror if isinstance(error, OSError) else str(error)
    places = [_place(frame) for frame in traceback.extract_tb(error.__traceback__)]
    return {"kind": type(error).__name__, "reason": reason, "at": places[-PLACES:]}


class JsonFormatter(logging.Formatter):
    """Writes a record as one line of JSON; `extra={"fields": {...}}` joins it."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "from": record.name,
            "event": record.getMessage(),
        }
        line |= getattr(record, "fields", {})
        if record.exc_info and record.exc_info[1] is not None:
            line["error"] = _told(record.exc_info[1])
        return json.dumps(line, ensure_ascii=False, default=str)


def log_as_json(level: int = logging.INFO) -> None:
    """Let the whole process log as JSON; others' libraries from warnings upwards."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.getLogger("harmony").setLevel(level)
    logging.captureWarnings(True)
