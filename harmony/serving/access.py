"""Who may see the page."""

from __future__ import annotations

import os
from pathlib import Path

VARIABLE = "HARMONY_AUTH"


def read_users(file: Path | None) -> list[tuple[str, str]]:
    """Return names and passwords, from a file or else from the variable HARMONY_AUTH.

    Args:
        file: One line user:password for each user; empty lines are skipped.

    Returns:
        No users where nothing was given: the page is open to all who reach it.

    Raises:
        ValueError: The file cannot be read, or a line is no user:password; no line is repeated.
    """
    if file is None:
        source, text = VARIABLE, os.environ.get(VARIABLE, "")
        if not text:
            return []
    else:
        source = str(file)
        try:
            text = file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ValueError(f"The users' file {file} cannot be read.") from error
    users = []
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        name, colon, password = line.strip().partition(":")
        if not (name and colon and password):
            raise ValueError(f"Line {number} of {source} is not user:password.")
        users.append((name, password))
    if not users:
        raise ValueError(f"There is no user in {source}; the page would be open to all.")
    return users
