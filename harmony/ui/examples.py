"""The pictures that ship with the page, and the row of buttons that offers them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import gradio as gr
from PIL import Image

from harmony.ui import texts
from harmony.ui.strips import data_url
from harmony.ui.turntable import script

FOLDER = Path(__file__).resolve().parents[2] / "examples"
INDEX = "examples.json"
THUMBNAIL = 144


@dataclass(frozen=True)
class Example:
    """A picture that ships with the page.

    Attributes:
        file: The picture.
        name: What it shows; the CD score reads it.
        elevation_deg: Elevation of its camera.
    """

    file: Path
    name: str
    elevation_deg: float


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


def _thumbnail(file: Path) -> str:
    with Image.open(file) as opened:
        picture = opened.convert("RGBA")
    picture.thumbnail((THUMBNAIL, THUMBNAIL), Image.Resampling.LANCZOS)
    return data_url(picture)


def example_row(examples: Sequence[Example]) -> gr.HTML:
    """Return a row of buttons, one for each example; event: select with the example's index."""
    return gr.HTML(
        value={
            "examples": [
                {"name": example.name, "thumbnail": _thumbnail(example.file)}
                for example in examples
            ]
        },
        html_template=f'<p class="ex-title">{texts.EXAMPLES}</p><div class="ex-list"></div>',
        js_on_load=script("examples.js"),
        apply_default_css=False,
        label=texts.EXAMPLES,
        visible=bool(examples),
        elem_id="examples",
    )


def chosen_example(examples: Sequence[Example], index: object) -> Example:
    """Return the example that a browser asked for.

    Raises:
        ValueError: There is no such example.
    """
    if not isinstance(index, int) or not 0 <= index < len(examples):
        raise ValueError(texts.NO_EXAMPLE)
    return examples[index]
