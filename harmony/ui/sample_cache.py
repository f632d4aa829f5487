"""Finished samples, kept by what determines them: every visitor and program finds them again.

A hit is written into the folder of whoever asks, so that no two visitors ever share a file.
"""

from __future__ import annotations

import functools
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from safetensors.torch import load, save

from harmony.guidance import branch_weights
from harmony.models.base import MultiviewDenoiser
from harmony.recipe import recipe_to_json
from harmony.records import Guidance, Recipe
from harmony.ui.cache import FileCache
from harmony.ui.measuring import Embedding
from harmony.ui.visits import SampleFiles

PACKAGE = Path(__file__).resolve().parents[1]
STRIP, ARCHIVE, FIGURES, EMBEDDING = "strip.webp", "views.zip", "sample.json", "views.safetensors"
VIEWS = "views"
"""Folder of the pictures and masks as they were painted; the zip's are cut out, which rounds."""
PICTURE = re.compile(r"view-\d{2}\.png")


@dataclass(frozen=True)
class KeptSample:
    """A sample as the cache returns it.

    Attributes:
        files: On the disk of whoever asked.
        recipe: As JSON, of the run that made it; the object's name may be another.
        embedding: Its views as the scorer sees them, or None where nothing was scored.
    """

    files: SampleFiles
    recipe: str
    embedding: Embedding | None


@functools.cache
def code_fingerprint() -> str:
    """Return a hash of the code that turns a recipe into views: after a change, all is new."""
    files = [*PACKAGE.glob("*.py"), *(PACKAGE / "models").rglob("*.py")]
    digest = hashlib.sha256()
    for file in sorted(files):
        digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()


def sample_key(recipe: Recipe, seed: int, *, device: str, encoder: str) -> str:
    """Return the key of one seed: a hash of all that its views and figures depend on.

    Two recipes share a key where they differ in nothing that counts: in the object's name, which
    only the score reads, in the other seeds, or in scales that their rule multiplies by 0.

    Args:
        recipe: Of the run.
        seed: One of its seeds.
        device: Type of the device; another one rounds otherwise.
        encoder: Who measures; "" for nobody.
    """
    alone = replace(recipe, seeds=(seed,), object_name="object", guidance=Guidance("none", 0, 0, 0))
    weights = sorted((str(branch), w) for branch, w in branch_weights(recipe.guidance).items())
    values = [code_fingerprint(), recipe_to_json(alone), weights, device, encoder]
    return hashlib.sha256(json.dumps(values).encode()).hexdigest()


class SampleCache:
    """The samples of one model and one scorer in a store of files."""

    def __init__(self, store: FileCache, model: MultiviewDenoiser, encoder: str) -> None:
        """Look samples up in `store`."""
        self._store, self._device, self._encoder = store, model.device.type, encoder

    def _key(self, recipe: Recipe, seed: int) -> str:
        return sample_key(recipe, seed, device=self._device, encoder=self._encoder)

    def holds(self, recipe: Recipe) -> bool:
        """Whether every seed of the recipe is there."""
        return all(self._store.get(self._key(recipe, seed)) for seed in recipe.seeds)

    def get(self, recipe: Recipe, seed: int, folder: Path) -> KeptSample | None:
        """Write the sample of a seed into a folder of its own below `folder`, or return None."""
        kept = self._store.get(self._key(recipe, seed))
        if kept is None:
            return None
        own = folder / f"seed-{seed}"
        (own / VIEWS).mkdir(parents=True)
        pictures = []
        for name in sorted(name for name in kept if name.startswith(f"{VIEWS}/")):
            path = own / VIEWS / Path(name).name
            path.write_bytes(kept[name])
            if PICTURE.fullmatch(path.name):
                pictures.append(path)
        strip, archive = own / STRIP, own / f"views-seed-{seed}.zip"
        strip.write_bytes(kept[STRIP])
        archive.write_bytes(kept[ARCHIVE])
        figures = json.loads(kept[FIGURES])
        return KeptSample(
            SampleFiles(
                seed,
                tuple(pictures),
                strip,
                archive,
                figures["score"],
                figures["measures"],
            ),
            figures["recipe"],
            load(kept[EMBEDDING])["views"] if EMBEDDING in kept else None,
        )

    def put(self, recipe: Recipe, sample: SampleFiles, embedding: Embedding | None) -> None:
        """Keep a finished sample."""
        alone = replace(recipe, seeds=(sample.seed,))
        figures: Mapping[str, Any] = {
            "recipe": recipe_to_json(alone),
            "score": sample.score,
            "measures": dict(sample.measures),
        }
        files = {
            STRIP: sample.strip.read_bytes(),
            ARCHIVE: sample.views_zip.read_bytes(),
            FIGURES: json.dumps(figures).encode(),
        }
        for view in sample.pictures[0].parent.iterdir():
            files[f"{VIEWS}/{view.name}"] = view.read_bytes()
        if embedding is not None:
            files[EMBEDDING] = save({"views": embedding.contiguous()})
        self._store.put(self._key(recipe, sample.seed), files)
