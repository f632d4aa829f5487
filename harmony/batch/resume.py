"""Which items an earlier run has finished already, with the same recipe."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from harmony.batch.items import Item
from harmony.batch.output import PICTURE, RECIPE, SCORES, expected_files
from harmony.batch.workshop import Finished, Workshop
from harmony.images import read_image
from harmony.recipe import recipe_from_json, recipe_to_json
from harmony.records import Recipe


def find_finished(item: Item, folder: Path, workshop: Workshop) -> Finished | None:
    """Return the item's finished views, or None where they must be made (again).

    They are finished when all files are there, the recipe is what would be made now, and the
    scores are of the encoder that is wished.
    """
    if not (folder / RECIPE).is_file():
        return None
    try:
        found = recipe_from_json((folder / RECIPE).read_text(encoding="utf-8"))
        scores = json.loads((folder / SCORES).read_text(encoding="utf-8"))
        encoder, table = scores["encoder"], scores["scores"]
        ratios = {entry["seed"]: _ratio(entry["cd_score"]) for entry in table}
    except (OSError, ValueError, KeyError, TypeError):
        return None  # something else, or damaged: it is made again, or refused there
    files = expected_files(found, painted=item.prompt is not None)
    if not all((folder / name).is_file() for name in files):
        return None
    if not _same_recipe(item, folder, found, workshop) or not _same_encoder(encoder, workshop):
        return None
    return Finished(found, ratios)


def _ratio(score: Mapping[str, float | None] | None) -> float | None:
    return None if score is None else score["ratio"]


def _same_recipe(item: Item, folder: Path, found: Recipe, workshop: Workshop) -> bool:
    try:
        # A painted picture is at hand in the folder; its recipe is compared with what would be
        # painted now.
        file = folder / PICTURE if item.picture is None else item.picture
        source = workshop.source(file.read_bytes(), read_image(file))
        if item.prompt is not None:
            plan = workshop.painter.plan(item.prompt, workshop.settings.text_seed)
            if source.painted_from != plan:
                return False
        # Where the scorer named the object it would give the same name again.
        name = source.name or found.object_name
        return recipe_to_json(workshop.recipe(source, name)) == recipe_to_json(found)
    except (ValueError, OSError):
        return False  # whatever is wrong with the picture is said when its turn comes


def _same_encoder(found: object, workshop: Workshop) -> bool:
    scorer = workshop.scorer
    return found == (None if scorer is None else scorer.encoder_name)
