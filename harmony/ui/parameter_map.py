"""The map of s1 and s2 as values: its grid, the order of its cells, their figures and tints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from PIL import Image

from harmony.ui import texts
from harmony.ui.precomputed import Precomputed
from harmony.ui.shown import VIEW_COUNT, badge, note
from harmony.ui.strips import data_url, file_url, make_strip, split_strip
from harmony.ui.visits import Run

GRIDS: Mapping[str, tuple[tuple[float, ...], tuple[float, ...]]] = {
    "3 × 3": ((0.0, 1.0, 2.0), (0.0, 1.0, 2.0)),
    "4 × 4": ((0.0, 1.0, 2.0, 3.0), (0.0, 0.5, 1.0, 2.0)),
    "5 × 5": ((0.0, 0.5, 1.0, 2.0, 3.0), (0.0, 0.5, 1.0, 1.5, 2.0)),
}
"""Values of s1 and of s2."""
FIGURES = ("ratio", "diversity", "semantic_variance", "neighbour_consistency", "reference_psnr")
"""What cells may be coloured by: terms of the CD score, then `harmony.ui.measuring.measure`."""
TILE = 112


@dataclass(frozen=True)
class MapCell:
    """One cell that is there.

    Attributes:
        strip: Data URL of its views.
        score: Figures of the CD score by name, or None.
        measures: Other figures by name.
    """

    strip: str
    score: Mapping[str, Any] | None
    measures: Mapping[str, float | None] = field(default_factory=dict)

    def figure(self, name: str) -> float | None:
        """Return one of `FIGURES`, or None where it was not measured."""
        return {**(self.score or {}), **self.measures}.get(name)


def centre_out(rows: Sequence[float], columns: Sequence[float]) -> tuple[tuple[float, float], ...]:
    """Return every (s1, s2), those in the middle of the grid first."""
    middle = ((len(rows) - 1) / 2, (len(columns) - 1) / 2)
    cells = [(i, j) for i in range(len(rows)) for j in range(len(columns))]
    cells.sort(key=lambda cell: (cell[0] - middle[0]) ** 2 + (cell[1] - middle[1]) ** 2)
    return tuple((rows[i], columns[j]) for i, j in cells)


def cell_key(s1: float, s2: float) -> str:
    """Return a cell's name as the script writes it."""
    return f"{s1:g}|{s2:g}"


def shares(cells: Mapping[str, MapCell], name: str) -> dict[str, float]:
    """Return where each cell's figure lies between the lowest (0) and the highest (1) of all.

    Cells that have no such figure are left out; equal ones are all at 0.
    """
    known = {key: value for key, cell in cells.items() if (value := cell.figure(name)) is not None}
    low, high = min(known.values(), default=0.0), max(known.values(), default=0.0)
    return {
        key: 0.0 if high == low else (value - low) / (high - low) for key, value in known.items()
    }


def map_value(
    rows: Sequence[float], columns: Sequence[float], cells: Mapping[str, MapCell], shelf: str = ""
) -> dict[str, Any]:
    """Return what the map shows.

    Args:
        rows: Values of s1.
        columns: Values of s2.
        cells: Those that are there, by `cell_key`.
        shelf: Name of the example whose turntable takes the nearest cell while a dial moves; ""
            for a map that is no example's.
    """
    tints = {name: shares(cells, name) for name in FIGURES}
    offered = [name for name in FIGURES if tints[name]]
    shown = {
        key: {
            "strip": cell.strip,
            "badge": badge(cell.score),
            "note": note(cell.score),
            "figures": {name: texts.figure(name, cell.figure(name)) for name in offered},
            "shares": {name: tints[name][key] for name in offered if key in tints[name]},
        }
        for key, cell in cells.items()
    }
    return {
        "rows": list(rows),
        "columns": list(columns),
        "cells": shown,
        "colours": [[name, texts.FIGURE_NAMES[name]] for name in offered],
        "shelf": shelf,
        "frames": VIEW_COUNT,
        "group": "main",
        "words": texts.MAP_WORDS,
    }


def run_cell(run: Run) -> MapCell:
    """Return the cell of a run of one sample."""
    (sample,) = run.samples
    return MapCell(_tile(sample.strip), sample.score, sample.measures)


def _tile(strip: Path) -> str:
    with Image.open(strip) as opened:
        views = split_strip(opened.convert("RGB"), VIEW_COUNT)
    return data_url(make_strip(views, max_side=TILE), quality=80)


def example_map(result: Precomputed) -> dict[str, Any]:
    """Return what the map shows of an example's shipped cells."""
    cells = {
        cell_key(*cell.scales): MapCell(file_url(cell.strip), cell.score, cell.measures)
        for cell in result.cells
    }
    rows, columns = (sorted({cell.scales[axis] for cell in result.cells}) for axis in (0, 1))
    return map_value(rows, columns, cells, shelf=result.name)
