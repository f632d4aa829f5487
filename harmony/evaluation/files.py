"""JSON files that are written whole."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def write_json(path: Path, content: object) -> None:
    """Write the file as a whole or not at all; numbers that are not finite are refused."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    part = path.with_name(path.name + ".part")
    part.write_text(text, encoding="utf-8", newline="\n")
    part.replace(path)


def read_same_run(path: Path, described: Mapping[str, Any]) -> dict[str, Any]:
    """Return what an earlier run with the same description left in a file, or nothing.

    Raises:
        ValueError: The file holds a run that is described otherwise.
    """
    if not path.is_file():
        return {}
    earlier = json.loads(path.read_text(encoding="utf-8"))
    changed = sorted(key for key in described if described[key] != earlier.get(key))
    if changed:
        raise ValueError(
            f"{path} holds a run with other {', '.join(changed)}; choose another output."
        )
    return earlier
