"""A CLIP of a few thousand random weights, as a folder that the scorer loads."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import open_clip
import torch

from harmony.training.clip.export import save_clip

CONFIG: dict[str, Any] = {
    "model_cfg": {
        "embed_dim": 32,
        "vision_cfg": {
            "layers": 1,
            "width": 32,
            "head_width": 16,
            "patch_size": 8,
            "image_size": 32,
        },
        "text_cfg": {"context_length": 16, "width": 32, "heads": 2, "layers": 1},
    },
    "preprocess_cfg": {"size": 32},
}


def save_tiny_clip(folder: Path) -> Path:
    """Write the folder, always with the same weights, and return it."""
    torch.manual_seed(0)
    model = open_clip.CLIP(**CONFIG["model_cfg"])
    save_clip(folder, model, ["chair", "chair", "oak tree"], {"name": "tiny"})
    (folder / "open_clip_config.json").write_text(json.dumps(CONFIG))
    return folder
