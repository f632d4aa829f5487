"""The pictures that ship with the page."""

from __future__ import annotations

import json
from pathlib import Path

from harmony.ui.inputs import Example

FOLDER = Path(__file__).resolve().parents[2] / "examples"
INDEX = "examples.json"


def load_examples(folder: Path = FOLDER) -> tuple[Example, ...]:
    """Return the examples that `examples.json` lists, in its order; none where it is missing.

    Raises:
        ValueError: The list names a picture that is not there.
    """
    index = folder / INDEX
    if not index.is_file():
        return ()
    entries = json.loads(index.read_text(encoding="utf-8"))
    examples = tuple(
        Example(folder / entry["file"], entry["name"], float(entry["elevation_deg"]))
        for entry in entries
    )
    for example in examples:
        if not example.file.is_file():
            raise ValueError(f"{index} lists {example.file.name}, which is missing beside it.")
    return examples
