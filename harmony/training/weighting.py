"""How often each object is drawn: the more its views differ, the more there is to learn from it.

Half of a collection of game assets are barrels, plates and columns that look the same all round.
A network that has seen mostly such things answers every picture with something round.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float, Int

from harmony.training.objects import ObjectLibrary
from harmony.training.scenes import STANDARD_ELEVATION_DEG
from harmony.training.stream import plain_scenes, render_scenes

PICTURE_SIZE = 64
BATCH = 32
RESOLUTION = 4  # times that an object of weight 1 stands in the list
LEAST, MOST = 0.5, 2.5


def view_spread(library: ObjectLibrary, object_ids: Sequence[int]) -> Float[np.ndarray, " M"]:
    """Return the mean squared distance of an object's views from their mean, sRGB in [0, 1].

    Args:
        library: The objects.
        object_ids: Which ones.
    """
    parts: list[torch.Tensor] = []
    for ids in torch.as_tensor(object_ids).split(BATCH):
        scenes = plain_scenes(
            library, ids.numpy(), elevation_deg=STANDARD_ELEVATION_DEG, azimuth_turn_deg=0.0
        )
        views = render_scenes(library, scenes, image_size=PICTURE_SIZE)[:, 1:, :3].float() / 255
        parts.append(views.var(dim=1, correction=0).mean(dim=(1, 2, 3)).cpu())
    return torch.cat(parts).double().numpy()


def repeated_by_spread(
    object_ids: Sequence[int], spread: Float[np.ndarray, " M"]
) -> Int[np.ndarray, " D"]:
    """Return the ids, each as often as its weight says.

    The weight is the root of the spread over its median, within LEAST to MOST; an object of
    weight 1 stands `RESOLUTION` times.

    Args:
        object_ids: The objects.
        spread: Of each, see `view_spread`.

    Raises:
        ValueError: There is not one spread for each object.
    """
    if len(spread) != len(object_ids):
        raise ValueError(f"{len(object_ids)} objects have {len(spread)} spreads.")
    median = max(float(np.median(spread)), np.finfo(np.float64).tiny)
    weights = np.sqrt(spread / median).clip(LEAST, MOST)
    return np.repeat(np.asarray(object_ids, np.int64), np.rint(RESOLUTION * weights).astype(int))
