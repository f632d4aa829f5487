"""Results that ship with the examples, shown before any model is loaded.

`examples/results/<name>/` holds `strip.webp` (a row of views for each seed), `recipe.json` and
`scores.json` as `harmony.export` writes it. `python -m harmony.ui.precompute` makes them.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from harmony.ui import texts
from harmony.ui.examples import Example
from harmony.ui.shown import VIEW_COUNT, badge, card_id, note
from harmony.ui.strips import data_url, save_strip
from harmony.ui.turntable import Card, turntable_value

RESULTS = "results"
STRIP, RECIPE, SCORES = "strip.webp", "recipe.json", "scores.json"


@dataclass(frozen=True)
class Precomputed:
    """A shipped result.

    Attributes:
        folder: Where it is.
        recipe: As in `recipe.json`.
        scores: CD scores by seed; None where none was measured.
    """

    folder: Path
    recipe: dict[str, Any]
    scores: dict[int, dict[str, Any] | None]


def folder_of(example: Example) -> Path:
    """Return where an example's result is kept."""
    return example.file.parent / RESULTS / example.file.stem


def load_precomputed(example: Example) -> Precomputed | None:
    """Return an example's shipped result, or None where it has none."""
    folder = folder_of(example)
    if not (folder / RECIPE).is_file():
        return None
    recipe = json.loads((folder / RECIPE).read_text(encoding="utf-8"))
    scores = json.loads((folder / SCORES).read_text(encoding="utf-8"))["scores"]
    return Precomputed(folder, recipe, {entry["seed"]: entry["cd_score"] for entry in scores})


def write_precomputed(
    folder: Path, strips: Sequence[Image.Image], recipe: str, scores: str
) -> None:
    """Write a result: one strip for each seed of the recipe, the recipe and the scores."""
    folder.mkdir(parents=True, exist_ok=True)
    width, height = strips[0].size
    sheet = Image.new("RGB", (width, height * len(strips)))
    for row, strip in enumerate(strips):
        sheet.paste(strip, (0, row * height))
    save_strip(sheet, folder / STRIP)
    (folder / RECIPE).write_text(recipe, encoding="utf-8")
    (folder / SCORES).write_text(scores, encoding="utf-8")


def precomputed_value(result: Precomputed) -> dict[str, Any]:
    """Return what the turntables show for a shipped result."""
    seeds = result.recipe["seeds"]
    with Image.open(result.folder / STRIP) as opened:
        sheet = opened.convert("RGB")
    height = sheet.height // len(seeds)
    cards = []
    for row, seed in enumerate(seeds):
        strip = sheet.crop((0, row * height, sheet.width, (row + 1) * height))
        score = result.scores.get(seed)
        cards.append(
            Card(
                id=card_id(seed),
                title=texts.SAMPLE.format(seed=seed),
                strip=data_url(strip, quality=92),
                badge=badge(score),
                note=note(score),
            )
        )
    return turntable_value(cards, frames=VIEW_COUNT, autoplay=True)


def precomputed_text(example: Example, result: Precomputed) -> str:
    """Return the line that says what is shown and how it was made."""
    guidance = result.recipe["guidance"]
    return texts.EXAMPLE_SHOWN.format(
        name=example.name,
        guidance=texts.guidance(
            guidance["rule"], guidance["s1"], guidance["s2"], guidance["cfg_scale"]
        ),
        steps=result.recipe["sampler"]["num_steps"],
        model=result.recipe["model"],
    )
