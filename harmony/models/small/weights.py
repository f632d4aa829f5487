"""The small model's file format: safetensors with int8 matrices, and a JSON card beside them.

A matrix of at least 4,096 numbers is stored as int8 rows with one float16 scale for each row
(`NAME.int8`, `NAME.scale`), everything else as float16. Loading gives float32.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_safetensors
from safetensors.torch import save as save_safetensors
from torch import Tensor

WEIGHTS_FILE = "model.safetensors"
CARD_FILE = "card.json"
SMALLEST_QUANTISED = 4096
INT8_SUFFIX, SCALE_SUFFIX = ".int8", ".scale"


def quantise(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the stored form of a float state dictionary."""
    stored: dict[str, Tensor] = {}
    for name, tensor in state.items():
        value = tensor.detach().float().cpu()
        if value.ndim <= 1 or value.numel() < SMALLEST_QUANTISED:
            stored[name] = value.half().contiguous()
            continue
        rows = value.flatten(1)
        scale = (rows.abs().amax(dim=1) / 127).clamp(min=1e-8).half()
        integers = (rows / scale.float()[:, None]).round().clamp(-127, 127).to(torch.int8)
        stored[name + INT8_SUFFIX] = integers.view(value.shape).contiguous()
        stored[name + SCALE_SUFFIX] = scale
    return stored


def dequantise(stored: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Undo `quantise`; returns float32.

    Raises:
        ValueError: An int8 matrix stands without its scale.
    """
    state: dict[str, Tensor] = {}
    for name, tensor in stored.items():
        if name.endswith(SCALE_SUFFIX):
            continue
        if not name.endswith(INT8_SUFFIX):
            state[name] = tensor.float()
            continue
        base = name.removesuffix(INT8_SUFFIX)
        if base + SCALE_SUFFIX not in stored:
            raise ValueError(f"The weights hold {name} without its scale.")
        scale = stored[base + SCALE_SUFFIX].float()
        state[base] = tensor.float() * scale.view(-1, *[1] * (tensor.ndim - 1))
    return state


def save_model(folder: Path, state: Mapping[str, Tensor], card: Mapping[str, Any]) -> str:
    """Write weights and card into `folder` and return the weights' sha256."""
    folder.mkdir(parents=True, exist_ok=True)
    data = save_safetensors(quantise(state))
    sha256 = hashlib.sha256(data).hexdigest()
    (folder / WEIGHTS_FILE).write_bytes(data)
    text = json.dumps({**card, "weights_sha256": sha256}, indent=2) + "\n"
    (folder / CARD_FILE).write_text(text, encoding="utf-8")
    return sha256


def _existing(path: Path) -> Path:
    if not path.is_file():
        raise ValueError(
            f"{path} is missing; restore it from the repository or pass another --model."
        )
    return path


def read_card(folder: Path) -> dict[str, Any]:
    """Read the card alone.

    Raises:
        ValueError: It is missing or damaged.
    """
    path = _existing(folder / CARD_FILE)
    try:
        card = json.loads(path.read_text(encoding="utf-8"))
        _ = card["weights_sha256"], card["shift"]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path} is not a model card; restore the file.") from error
    return card


def load_state(folder: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read (state dictionary in float32, card), checking the weights against the card's sha256.

    Raises:
        ValueError: A file is missing, damaged or not the one that the card describes; the
            sentence names it.
    """
    weights, card = _existing(folder / WEIGHTS_FILE), read_card(folder)
    data = weights.read_bytes()
    if hashlib.sha256(data).hexdigest() != card["weights_sha256"]:
        raise ValueError(f"{weights} is damaged or not the file of its card; restore it.")
    try:
        return dequantise(load_safetensors(data)), card
    except SafetensorError as error:
        raise ValueError(f"{weights} is not a safetensors file; restore it.") from error
