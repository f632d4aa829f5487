"""Shape of the small CLIP and the settings of its training."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from typing import Any

IMAGE_SIZE = 128
CONTEXT_LENGTH = 32
MEAN = (0.48145466, 0.4578275, 0.40821073)
STD = (0.26862954, 0.26130258, 0.27577711)

_MODEL_CONFIG = {
    "embed_dim": 256,
    "vision_cfg": {
        "layers": 8,
        "width": 320,
        "head_width": 64,
        "patch_size": 16,
        "image_size": IMAGE_SIZE,
        "pool_type": "avg",
    },
    "text_cfg": {
        "context_length": CONTEXT_LENGTH,
        "vocab_size": 49408,
        "width": 128,
        "heads": 4,
        "layers": 4,
    },
}
_PREPROCESS_CONFIG = {
    "size": IMAGE_SIZE,
    "mode": "RGB",
    "mean": list(MEAN),
    "std": list(STD),
    "interpolation": "bicubic",
    "resize_mode": "shortest",
}


def open_clip_config() -> dict[str, Any]:
    """Return the content of `open_clip_config.json`."""
    return deepcopy({"model_cfg": _MODEL_CONFIG, "preprocess_cfg": _PREPROCESS_CONFIG})


@dataclass(frozen=True)
class ClipTrainingSettings:
    """How the small CLIP is trained.

    Attributes:
        minutes: Wall-clock limit of the training loop.
        max_steps: Steps after which it ends earlier; None for no such limit.
        scenes_per_step: Objects in a batch.
        views_per_scene: Pictures of each, one of them from another elevation than 30 deg.
        peak_learning_rate: After warm-up; falls to 0 by a cosine over the time given.
        weight_decay: AdamW's, on matrices only.
        ring_size: Rendered scenes kept.
        refill_count: Scenes rendered at a time.
        refill_share: Share of the time spent on rendering at most.
        max_abstract_objects: Abstract shapes used; they all carry one name.
        seed: Of weights, order, captions and augmentation.
    """

    minutes: float = 4.0
    max_steps: int | None = None
    scenes_per_step: int = 512
    views_per_scene: int = 4
    peak_learning_rate: float = 1e-3
    weight_decay: float = 0.1
    ring_size: int = 4096
    refill_count: int = 256
    refill_share: float = 0.35
    max_abstract_objects: int = 120
    seed: int = 0
