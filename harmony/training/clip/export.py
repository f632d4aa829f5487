"""Writes the trained CLIP as an open_clip folder with a card."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from torch import Tensor

from harmony.scoring import clean_object_name
from harmony.scoring_encoder import CARD_FILE, NAMES_FILE, WEIGHTS_FILE
from harmony.training.clip.captions import name_group
from harmony.training.clip.settings import open_clip_config

CONFIG_FILE = "open_clip_config.json"


def suggestable_names(names: Sequence[str]) -> list[str]:
    """Return one name for each group of synonyms, the most frequent one, sorted."""
    counts = Counter(clean_object_name(name) for name in names)
    best: dict[str, str] = {}
    for name in sorted(counts, key=lambda name: (-counts[name], name)):
        best.setdefault(name_group(name), name)
    return sorted(best.values())


def save_clip(
    folder: Path,
    model: Any,
    names: Sequence[str],
    card: Mapping[str, object],
    config: Mapping[str, object] | None = None,
) -> str:
    """Write configuration, float16 weights, names and card.

    Args:
        folder: Created if missing.
        model: open_clip's CLIP.
        names: Names of the training objects, repetitions counted.
        card: Recipe and metrics; the weights' sha256 and size are added.
        config: Content of `open_clip_config.json`; that of `settings` if left out.

    Returns:
        The weights' sha256.
    """
    folder.mkdir(parents=True, exist_ok=True)
    weights = {key: _stored(value) for key, value in model.state_dict().items()}
    data = save(weights)
    (folder / WEIGHTS_FILE).write_bytes(data)
    digest = hashlib.sha256(data).hexdigest()
    _write_json(folder / CONFIG_FILE, config or open_clip_config())
    _write_json(folder / NAMES_FILE, suggestable_names(names))
    _write_json(folder / CARD_FILE, {**card, "weights_sha256": digest, "weights_bytes": len(data)})
    return digest


def _stored(value: Tensor) -> Tensor:
    value = value.detach().cpu().contiguous()
    return value.to(torch.float16) if value.is_floating_point() else value


def _write_json(path: Path, content: object) -> None:
    text = json.dumps(content, indent=1, ensure_ascii=False)
    path.write_text(text + "\n", encoding="utf-8", newline="\n")
