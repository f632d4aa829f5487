"""What a batch returns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from PIL import Image

if TYPE_CHECKING:
    from harmony.records import Recipe, Views

State = Literal["made", "kept", "failed"]


@dataclass(frozen=True)
class Result:
    """One item of a batch, done or not.

    Attributes:
        name: Of the item; unique in the batch.
        source: The picture file or the prompt, as it was given.
        folder: Where its files are; see the README for their names.
        state: "made" now, "kept" from an earlier run with the same recipe, or "failed".
        problem: One sentence where it failed, else None. A result whose views are done and whose
            mesh failed has both a recipe and a problem.
        recipe: What its views were made with, or None where there are none.
        scores: CD score D / S_var by seed; None where it is undefined or was not measured.
        meshes: Mesh file by seed, where meshes were wished.
    """

    name: str
    source: str
    folder: Path
    state: State
    problem: str | None
    recipe: Recipe | None
    scores: Mapping[int, float | None]
    meshes: Mapping[int, Path]

    def strip(self, seed: int) -> Image.Image:
        """Return the sixteen views of one seed side by side.

        Raises:
            ValueError: The seed has no views.
        """
        with Image.open(self._seed_folder(seed) / "strip.png") as picture:
            return picture.convert("RGB")

    def views(self, seed: int) -> Views:
        """Return the views of one seed with their masks, S = 1.

        Raises:
            ValueError: The seed has no views.
        """
        from harmony.view_files import read_views

        return read_views(self._seed_folder(seed))

    def _seed_folder(self, seed: int) -> Path:
        from harmony.export import seed_folder

        if self.recipe is None or seed not in self.recipe.seeds:
            raise ValueError(f"{self.name} has no views of seed {seed}.")
        return self.folder / seed_folder(seed)
