"""A finished sample under another object name: its views stay, what names the object changes."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from PIL import Image

from harmony.cameras import target_cameras
from harmony.export import ZIP_TIME, png_bytes, scores_csv, scores_json
from harmony.pipeline import Sample
from harmony.recipe import recipe_to_json
from harmony.records import Recipe


def rename_zip(archive: Path, sample: Sample, recipe: Recipe) -> None:
    """Rewrite a zip of one sample as `harmony.export.write_zip` would write it under a new name.

    Args:
        archive: The zip of the same sample.
        sample: With the new score.
        recipe: With the new name.
    """
    alone = replace(recipe, seeds=(sample.seed,))
    with zipfile.ZipFile(archive) as old:
        contents = list(_renamed(old, sample, alone))
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as new:
        for name, content in contents:
            new.writestr(zipfile.ZipInfo(name, ZIP_TIME), content)


def _renamed(old: zipfile.ZipFile, sample: Sample, recipe: Recipe) -> Iterator[tuple[str, bytes]]:
    name = recipe.object_name
    cameras = target_cameras(sample.views.pixels.shape[-1])
    texts = {
        "recipe.json": recipe_to_json(recipe),
        "scores.json": scores_json([sample], name),
        "scores.csv": scores_csv([sample], name, cameras),
    }
    for member in old.namelist():
        if member in texts:
            yield member, texts[member].encode()
        elif member.endswith(".png"):
            with Image.open(io.BytesIO(old.read(member))) as picture:
                yield member, png_bytes(picture, recipe)
        else:
            yield member, old.read(member)
