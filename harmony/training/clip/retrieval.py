"""Zero-shot retrieval of names from renders: how well the small CLIP knows what it sees."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from harmony.training.clip.augment import normalise
from harmony.training.clip.captions import TEMPLATES, CaptionBook
from harmony.training.clip.settings import MEAN, STD
from harmony.training.clip.trainer import SceneSource

MAX_BATCH = 512


@dataclass(frozen=True)
class Retrieval:
    """Recall of names.

    Attributes:
        names: Number of candidate names.
        pictures: Number of pictures asked.
        recall_at_1: Share of pictures whose own name ranks first.
        recall_at_10: Share of pictures whose own name is among the first ten.
        scene_recall_at_1: The same for the mean embedding of all pictures of one scene.
        scene_recall_at_10: Likewise.
        mean_view_distance: Mean of 1 - cos between view 0 and the other views of a scene, to
            tell the scale of the CD score's D.
    """

    names: int
    pictures: int
    recall_at_1: float
    recall_at_10: float
    scene_recall_at_1: float
    scene_recall_at_10: float
    mean_view_distance: float

    @property
    def chance_at_1(self) -> float:
        """Recall at 1 of a blind guess."""
        return 1 / self.names

    @property
    def chance_at_10(self) -> float:
        """Recall at 10 of a blind guess."""
        return min(10 / self.names, 1.0)


def recall_at(similarities: Float[Tensor, "B G"], targets: Int[Tensor, " B"], count: int) -> float:
    """Return the share of rows whose target is among the `count` most similar columns."""
    best = similarities.topk(min(count, similarities.shape[1]), dim=1).indices
    return float((best == targets[:, None]).any(dim=1).float().mean())


@torch.inference_mode()
def embed_names(model: Any, book: CaptionBook) -> Float[Tensor, "G d"]:
    """Return one unit vector for each group of names, averaged over the templates."""
    device = model.logit_scale.device
    captions = [template.format(names[0]) for template in TEMPLATES for names in book.names]
    rows = book.rows(captions).to(device)
    features = torch.cat([model.encode_text(r, normalize=True) for r in rows.split(MAX_BATCH)])
    mean = features.unflatten(0, (len(TEMPLATES), len(book.names))).mean(dim=0)
    return F.normalize(mean, dim=-1)


@torch.inference_mode()
def measure_retrieval(
    model: Any, source: SceneSource, names: Sequence[str], book: CaptionBook, *, scenes: int
) -> Retrieval:
    """Ask for the name of `scenes` rendered scenes, picture by picture.

    Args:
        model: The CLIP.
        source: Renders; its `object_ids` index `names`.
        names: Every object's name.
        book: The candidate names.
        scenes: How many scenes to draw.
    """
    model.eval()
    device = model.logit_scale.device
    drawn = source.batch(scenes, torch.Generator("cpu").manual_seed(0))
    pictures = torch.cat([drawn.reference[:, None], drawn.views], dim=1)
    per_scene = pictures.shape[1]
    embedded = torch.cat(
        [
            model.encode_image(_prepare(part.to(device), model), normalize=True)
            for part in pictures.flatten(0, 1).split(MAX_BATCH)
        ]
    )
    targets = torch.tensor([book.group(names[int(i)]) for i in drawn.object_ids.tolist()]).to(
        device
    )
    by_scene = embedded.unflatten(0, (scenes, per_scene))
    texts = embed_names(model, book)
    similarities, of_scenes = embedded @ texts.T, by_scene.mean(dim=1) @ texts.T
    each = targets.repeat_interleave(per_scene)
    view_cosines = (by_scene[:, 1:2] * by_scene[:, 2:]).sum(dim=-1)
    return Retrieval(
        names=len(book.names),
        pictures=len(embedded),
        recall_at_1=recall_at(similarities, each, 1),
        recall_at_10=recall_at(similarities, each, 10),
        scene_recall_at_1=recall_at(of_scenes, targets, 1),
        scene_recall_at_10=recall_at(of_scenes, targets, 10),
        mean_view_distance=float(1 - view_cosines.mean()),
    )


def _prepare(rgba: Tensor, model: Any) -> Float[Tensor, "B 3 s s"]:
    pixels = rgba[:, :3].float() / 255
    side = model.visual.image_size[0]
    if pixels.shape[-1] != side:
        pixels = F.interpolate(pixels, size=(side, side), mode="bicubic", antialias=True)
    return normalise(pixels.clamp(0, 1), MEAN, STD)
