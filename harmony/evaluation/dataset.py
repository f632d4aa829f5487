"""The evaluation objects: sixteen ground-truth views each, and the true mesh where it is known.

A dataset is a folder with one folder for each object that holds `000.png` to `015.png` (RGBA, the
ring of `harmony.cameras`; 256 x 256 in the published protocol) and, for meshes, `mesh.npz` with vertices `v` and faces `f` in the
canonical world.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int
from PIL import Image
from torch import Tensor

from harmony.cameras import VIEW_COUNT


@dataclass(frozen=True)
class EvaluationObject:
    """One object of the dataset; its files are read when they are asked for.

    Attributes:
        name: The folder's name, such as "school_bus1".
        folder: Where it is.
    """

    name: str
    folder: Path

    @property
    def input_path(self) -> Path:
        """The input picture: view 0."""
        return self.folder / "000.png"

    def picture_paths(self) -> tuple[Path, ...]:
        """Return the sixteen files."""
        return tuple(self.folder / f"{view:03d}.png" for view in range(VIEW_COUNT))

    def views(self) -> Float[Tensor, "16 3 H H"]:
        """Return the true views in [0, 1] on white.

        Raises:
            ValueError: The pictures are not square, or not all of one size.
        """
        pictures = [_on_white(path) for path in self.picture_paths()]
        side = pictures[0].shape[-1]
        if any(picture.shape != (3, side, side) for picture in pictures):
            raise ValueError(f"The pictures of {self.name} must be square and of one size.")
        return torch.stack(pictures)

    def mesh(self) -> tuple[Float[np.ndarray, "V 3"], Int[np.ndarray, "F 3"]] | None:
        """Return vertices and faces of the true mesh, or None where there is none."""
        path = self.folder / "mesh.npz"
        if not path.is_file():
            return None
        with np.load(path, allow_pickle=False) as archive:
            return archive["v"], archive["f"]

    def sha256(self) -> str:
        """Return the hash of the pictures, in order."""
        digest = hashlib.sha256()
        for path in self.picture_paths():
            digest.update(hashlib.sha256(path.read_bytes()).digest())
        return digest.hexdigest()


def _on_white(path: Path) -> Float[Tensor, "3 H W"]:
    with Image.open(path) as picture:
        rgba = np.asarray(picture.convert("RGBA"))
    values = torch.from_numpy(rgba.copy()).permute(2, 0, 1).to(torch.float32) / 255
    # To 8 bit like the generated views, so that the truth compared with itself is exact.
    return ((values[:3] * values[3:] + 1 - values[3:]) * 255).round() / 255


def find_objects(dataset: Path, names: tuple[str, ...] = ()) -> tuple[EvaluationObject, ...]:
    """Return the objects of a dataset by name.

    Args:
        dataset: The folder.
        names: Only these; empty means all.

    Raises:
        ValueError: There is no object, a name is not there, or an object lacks a view.
    """
    if not dataset.is_dir():
        raise ValueError(f"There is no dataset folder {dataset}.")
    found = {
        folder.name: EvaluationObject(folder.name, folder)
        for folder in sorted(dataset.iterdir())
        if (folder / "000.png").is_file()
    }
    if not found:
        raise ValueError(f"{dataset} holds no folder with 000.png, so no evaluation object.")
    unknown = sorted(set(names) - set(found))
    if unknown:
        raise ValueError(
            f"{dataset} has no object {', '.join(unknown)}; it has {', '.join(found)}."
        )
    chosen = [found[name] for name in found if not names or name in names]
    for item in chosen:
        missing = [path.name for path in item.picture_paths() if not path.is_file()]
        if missing:
            raise ValueError(f"The object {item.name} lacks {', '.join(missing)}.")
    return tuple(chosen)
