"""Maps of s1 and s2 that ship with the examples, shown before any model is loaded.

`examples/results/<name>/` holds `map.json` and one strip of views for each cell, all of one seed.
`python -m harmony.ui.precompute` makes them.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harmony.ui import texts
from harmony.ui.examples import Example
from harmony.ui.shown import VIEW_COUNT, badge, card_id, note
from harmony.ui.strips import file_url
from harmony.ui.turntable import Card, turntable_value

RESULTS, MAP = "results", "map.json"
FORMAT = "harmony map 1"


@dataclass(frozen=True)
class Cell:
    """One setting of a map.

    Attributes:
        strip: Its views (WebP).
        recipe: As `harmony.recipe` writes it.
        score: Figures of the CD score by name, or None where nothing was scored.
        measures: Other figures by name, see `harmony.ui.measuring.measure`.
    """

    strip: Path
    recipe: dict[str, Any]
    score: dict[str, Any] | None
    measures: dict[str, float | None] = field(default_factory=dict)

    @property
    def scales(self) -> tuple[float, float]:
        """Its s1 and s2."""
        guidance = self.recipe["guidance"]
        return float(guidance["s1"]), float(guidance["s2"])


@dataclass(frozen=True)
class Precomputed:
    """A shipped map.

    Attributes:
        name: Of the example.
        cells: At least one.
    """

    name: str
    cells: tuple[Cell, ...]

    def nearest(self, s1: float, s2: float) -> Cell:
        """Return the cell whose scales are nearest."""

        def distance(cell: Cell) -> float:
            return (cell.scales[0] - s1) ** 2 + (cell.scales[1] - s2) ** 2

        return min(self.cells, key=distance)


def folder_of(example: Example) -> Path:
    """Return where an example's map is kept."""
    return example.file.parent / RESULTS / example.file.stem


def load_precomputed(example: Example) -> Precomputed | None:
    """Return an example's shipped map, or None where it has none.

    Raises:
        ValueError: The file is of another format.
    """
    folder = folder_of(example)
    if not (folder / MAP).is_file():
        return None
    values = json.loads((folder / MAP).read_text(encoding="utf-8"))
    if values["format"] != FORMAT:
        raise ValueError(f"{folder / MAP} is not of the format {FORMAT!r}.")
    cells = tuple(
        Cell(folder / entry["strip"], entry["recipe"], entry["score"], entry["measures"])
        for entry in values["cells"]
    )
    return Precomputed(example.name, cells) if cells else None


def write_map(folder: Path, cells: Sequence[Cell]) -> None:
    """Write `map.json` for strips that are in the folder already: a whole file or the old one."""
    entries = [
        {
            "strip": cell.strip.name,
            "recipe": cell.recipe,
            "score": cell.score,
            "measures": cell.measures,
        }
        for cell in sorted(cells, key=lambda cell: cell.scales)
    ]
    text = json.dumps({"format": FORMAT, "cells": entries}, indent=1, allow_nan=False) + "\n"
    unfinished = folder / f"{MAP}.unfinished"
    unfinished.write_text(text, encoding="utf-8")
    unfinished.replace(folder / MAP)


def precomputed_value(result: Precomputed, s1: float, s2: float) -> dict[str, Any]:
    """Return what the turntables show of a shipped map for a setting: its nearest cell."""
    cell = result.nearest(s1, s2)
    seed = cell.recipe["seeds"][0]
    card = Card(
        id=card_id(seed),
        title=texts.cell_title(*cell.scales, exact=cell.scales == (s1, s2)),
        strip=file_url(cell.strip),
        badge=badge(cell.score),
        note=note(cell.score),
    )
    value = turntable_value([card], frames=VIEW_COUNT, autoplay=True)
    return value | {"shelf": result.name}


def precomputed_text(result: Precomputed) -> str:
    """Return the line that says what is shown and how it was made."""
    recipe = result.cells[0].recipe
    text = texts.EXAMPLE_SHOWN.format(
        name=result.name, steps=recipe["sampler"]["num_steps"], model=recipe["model"]
    )
    more = texts.EXAMPLE_MAP if len(result.cells) > 1 else texts.EXAMPLE_OWN
    return f"{text} {more}"
