"""Reading JSON from strangers: every value is checked, and refused in one sentence."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any, NoReturn

MAX_CHARACTERS = 100_000
MAX_NAME = 200


def parse_json(text: str, what: str) -> Any:
    """Return the value that a JSON text says; `what` names it in sentences.

    Raises:
        ValueError: It is very long or no JSON, holds NaN or infinities, or a key stands twice.
    """
    if len(text) > MAX_CHARACTERS:
        raise ValueError(f"The {what} is longer than {MAX_CHARACTERS} characters.")
    try:
        return json.loads(text, parse_constant=_no_constant, object_pairs_hook=_no_repetition)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"The {what} is not valid JSON: {error}.") from error


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a number")


def _no_repetition(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table = dict(pairs)
    if len(table) != len(pairs):
        raise ValueError("a key stands twice")
    return table


def as_table(
    found: Any, what: str, names: set[str], *, optional: frozenset[str] = frozenset()
) -> dict[str, Any]:
    """Return the object with the entries `names` and at most the `optional` ones besides.

    Raises:
        ValueError: It is no object, an entry is missing or one is unknown.
    """
    if not isinstance(found, dict):
        raise ValueError(f"The {what} must be a JSON object.")
    if missing := sorted(names - set(found)):
        raise ValueError(f"The {what} lacks {', '.join(missing)}.")
    if unknown := sorted(set(found) - names - optional):
        raise ValueError(f"The {what} has unknown entries: {', '.join(unknown)[:MAX_NAME]}.")
    return found


def text_of(values: Mapping[str, Any], name: str) -> str:
    """Return the entry, which must be text.

    Raises:
        ValueError: It is something else.
    """
    if not isinstance(values[name], str):
        raise ValueError(f"The recipe's {name} must be text.")
    return values[name]


def number_of(values: Mapping[str, Any], name: str) -> float:
    """Return the entry, which must be a finite number.

    Raises:
        ValueError: It is something else.
    """
    value = values[name]
    try:
        if isinstance(value, int | float) and not isinstance(value, bool):
            number = float(value)
            if math.isfinite(number):
                return number
    except OverflowError:
        pass  # an integer too large for a float is refused below, like any other misfit
    raise ValueError(f"The recipe's {name} must be a finite number.")


def as_whole(value: Any, name: str) -> int:
    """Return the value, which must be a whole number; `name` names it in the sentence.

    Raises:
        ValueError: It is something else.
    """
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(f"The recipe's {name} must be a whole number.")
    return value
