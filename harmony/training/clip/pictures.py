"""Pictures for the small CLIP: every object in scenes of its own, rendered once and kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Int, UInt8
from torch import Tensor

from harmony.training.assembly import assemble
from harmony.training.objects import ObjectLibrary
from harmony.training.scenes import draw_scenes
from harmony.training.shading import render
from harmony.training.stream import PICTURES_PER_SCENE

CAMERA_SALT = 0xCA3E


@dataclass(frozen=True)
class PictureSet:
    """Rendered pictures and what they show.

    Attributes:
        pictures: (P, 4, H, W) uint8, colours composited on white and coverage.
        object_ids: (P,) int64 object of each picture.
    """

    pictures: UInt8[Tensor, "P 4 H W"]
    object_ids: Int[Tensor, " P"]

    def __len__(self) -> int:
        return len(self.object_ids)


def render_round(
    library: ObjectLibrary,
    object_ids: Sequence[int],
    *,
    image_size: int,
    number: int,
    cameras: int = 2,
    seed: int = 0,
) -> PictureSet:
    """Render one augmented scene of every object, each from a few cameras.

    Where a scene has a second object, it is the same one again, so that its name stays right.

    Args:
        library: The objects.
        object_ids: Which of them.
        image_size: Side of the pictures.
        number: Of the round; every round has scenes, light and cameras of its own.
        cameras: Pictures of each scene; the first round of an object is often its input camera.
        seed: Of the run.
    """
    parts = []
    for object_id in object_ids:
        only = np.array([object_id])
        scene_number = np.array([number * len(library) + object_id])
        scenes = draw_scenes(library, only, scene_number, seed=seed)
        rng = np.random.default_rng([seed ^ CAMERA_SALT, number, object_id])
        chosen = rng.permutation(PICTURES_PER_SCENE)[:cameras].tolist()
        parts.append(render(*assemble(library, scenes, image_size=image_size, cameras=chosen)))
    ids = torch.tensor(list(object_ids), dtype=torch.int64).repeat_interleave(cameras)
    return PictureSet(torch.cat(parts).cpu(), ids)


def cached_round(
    path: Path, library: ObjectLibrary, object_ids: Sequence[int], **how
) -> PictureSet:
    """Return `render_round`'s result, from `path` where a run has left it there."""
    if path.is_file():
        with np.load(path, allow_pickle=False) as archive:
            pictures, ids = archive["pictures"], archive["object_ids"]
        return PictureSet(torch.from_numpy(pictures), torch.from_numpy(ids))
    found = render_round(library, object_ids, **how)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part.npz")
    np.savez(part, pictures=found.pictures.numpy(), object_ids=found.object_ids.numpy())
    part.replace(path)
    return found
