"""Make the small CLIP from public networks: `python -m harmony.training.clip.transfer`.

Renders of named objects meet the sentence encoder's vectors of their names; see `closed_form`.
Everything slow is kept in `--cache` and done once. A CPU does it in less than an hour.
"""

from __future__ import annotations

import argparse
import logging
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from harmony.scoring import clean_object_name
from harmony.training.clip.__main__ import training_objects
from harmony.training.clip.closed_form import (
    Basis,
    best_scale,
    principal_basis,
    ridge,
    set_text_tower,
    word_tokens,
)
from harmony.training.clip.export import save_clip
from harmony.training.clip.pictures import PictureSet, cached_round
from harmony.training.clip.pretrained import (
    HALF,
    Sentences,
    image_features,
    load_image_weights,
)
from harmony.training.clip.retrieval import recall_at
from harmony.training.clip.settings import CONTEXT_LENGTH
from harmony.training.objects import load_library, training_split

LOG = logging.getLogger(__name__)
IMAGE_NETWORK = "tf_efficientnet_lite2"
RIDGE_STRENGTH = 3000.0
CALIBRATION_SHARE = 5  # one name in so many is left out to find the temperature
MAX_ABSTRACT_OBJECTS = 120
KNOWN_LIMITS = (
    "the order of words does not count; only whole words of CLIP's vocabulary have a vector",
    "a text of unknown words alone is the zero vector: every cosine is 0, so there is no CD score",
    "colours are known as words, not taught by pictures",
    "a guess among 1,400 names is rarely more probable than a tenth, right or wrong",
)


@dataclass(frozen=True)
class TransferSettings:
    """Sizes of the transferred CLIP.

    Attributes:
        width: Of the common space and the text tower.
        image_size: Side of the encoder's input and of the renders.
        rounds: Augmented scenes of every object.
        cameras: Pictures of each scene.
        ridge: Strength of the regularisation, on standardised features.
        seed: Of scenes and cameras.
    """

    width: int = 192
    image_size: int = 128
    rounds: int = 1
    cameras: int = 2
    ridge: float = RIDGE_STRENGTH
    seed: int = 0


def clip_config(settings: TransferSettings, network: str = IMAGE_NETWORK) -> dict[str, Any]:
    """Return the content of `open_clip_config.json`."""
    return {
        "model_cfg": {
            "embed_dim": settings.width,
            "vision_cfg": {
                "timm_model_name": network,
                "timm_model_pretrained": False,
                "timm_pool": "avg",
                "timm_proj": "linear",
                "timm_proj_bias": True,
                "image_size": settings.image_size,
            },
            "text_cfg": {
                "context_length": CONTEXT_LENGTH,
                "vocab_size": 49408,
                "width": settings.width,
                "heads": max(settings.width // 64, 1),
                "layers": 1,
            },
        },
        "preprocess_cfg": {
            "size": settings.image_size,
            "mode": "RGB",
            "mean": list(HALF),
            "std": list(HALF),
            "interpolation": "bicubic",
            "resize_mode": "shortest",
        },
    }


def cached_features(path: Path, network: Any, pictures: PictureSet, side: int) -> Tensor:
    """Return `image_features`, from `path` where a run has left them there."""
    if path.is_file():
        with np.load(path, allow_pickle=False) as archive:
            return torch.from_numpy(archive["features"]).float()
    features = image_features(network, pictures.pictures, side)
    np.savez(path, features=features.half().numpy())
    return features.half().float()


def fit_image_head(
    model: Any,
    features: Float[Tensor, "P c"],
    targets: Float[Tensor, "G e"],
    groups: Int[Tensor, " P"],
    strength: float,
) -> None:
    """Set the image projection, and the temperature by names left out of a first fit."""
    held_back = groups % CALIBRATION_SHARE == 0
    kept = ~held_back
    weight, bias = ridge(features[kept], targets[groups[kept]], strength)
    embedded = torch.nn.functional.normalize(features[held_back] @ weight.T + bias, dim=-1)
    scale = best_scale(embedded @ targets.T, groups[held_back])
    weight, bias = ridge(features, targets[groups], strength)
    with torch.no_grad():
        model.visual.head.proj.weight.copy_(weight)
        model.visual.head.proj.bias.copy_(bias)
        model.logit_scale.fill_(math.log(scale))


@torch.inference_mode()
def measure(
    model: Any,
    features: Float[Tensor, "P c"],
    names: Sequence[str],
    candidates: Sequence[str],
    tokenizer: Any,
) -> dict[str, float]:
    """Return recall of each picture's name among the candidates, by the finished model.

    Args:
        model: The CLIP.
        features: Of the pictures, in the order of `names`.
        names: What the pictures show.
        candidates: Different names.
        tokenizer: open_clip's.
    """
    texts = torch.nn.functional.normalize(
        model.encode_text(tokenizer([f"an image of {name}" for name in candidates])), dim=-1
    )
    pictures = torch.nn.functional.normalize(model.visual.head(features), dim=-1)
    number = {name: k for k, name in enumerate(candidates)}
    targets = torch.tensor([number[name] for name in names])
    similarities = pictures @ texts.T
    return {
        "names": len(candidates),
        "pictures": len(names),
        "recall_at_1": recall_at(similarities, targets, 1),
        "recall_at_10": recall_at(similarities, targets, 10),
        "chance_at_10": min(10 / len(candidates), 1.0),
    }


class _Work:
    """The parts of one run that the steps share."""

    def __init__(self, options: argparse.Namespace, settings: TransferSettings) -> None:
        import open_clip

        self.settings, self.cache = settings, options.cache
        self.library = load_library(options.objects)
        self.names = [clean_object_name(name) for name in self.library.names]
        training, self.held_out = training_split(self.library)
        self.training = training_objects(self.library, training, MAX_ABSTRACT_OBJECTS)
        self.tokenizer = open_clip.SimpleTokenizer(context_length=CONTEXT_LENGTH)
        self.model: Any = open_clip.CLIP(**clip_config(settings)["model_cfg"]).eval()
        load_image_weights(self.model.visual.trunk, options.image_weights)
        self.sentences = Sentences(options.sentences, options.cache / "sentences.npz")

    def features(self, part: str, object_ids: Sequence[int]) -> tuple[Tensor, list[str]]:
        """Return the pictures' features and what they show."""
        settings, features, names = self.settings, [], []
        for number in range(settings.rounds):
            stem = f"{part}-{number:02d}"
            pictures = cached_round(
                self.cache / f"{stem}.npz",
                self.library,
                object_ids,
                image_size=settings.image_size,
                number=number,
                cameras=settings.cameras,
                seed=settings.seed,
            )
            path = self.cache / f"features-{stem}.npz"
            trunk = self.model.visual.trunk
            features.append(cached_features(path, trunk, pictures, settings.image_size))
            names += [self.names[k] for k in pictures.object_ids.tolist()]
            LOG.info("%s round %d: %d pictures", part, number, len(pictures))
        return torch.cat(features), names

    def set_words(self, basis: Basis) -> None:
        """Give the text tower the words of the vocabulary."""
        words = word_tokens(self.tokenizer.decoder)
        vectors = basis.project(self.sentences.embed(list(words.values())))
        set_text_tower(self.model, dict(zip(words, vectors, strict=True)))


def transfer(options: argparse.Namespace, settings: TransferSettings) -> dict[str, Any]:
    """Make the CLIP, write its folder, and return its card.

    Raises:
        ValueError: A file is not what it should be.
    """
    work = _Work(options, settings)
    features, shown = work.features("training", work.training)
    known = sorted(set(shown))
    vectors = work.sentences.embed(known)
    basis = principal_basis(vectors, settings.width)
    number = {name: k for k, name in enumerate(known)}
    groups = torch.tensor([number[name] for name in shown])
    fit_image_head(work.model, features, basis.project(vectors), groups, settings.ridge)
    work.set_words(basis)
    unseen, unseen_shown = work.features("held_out", work.held_out)
    tokenizer = work.tokenizer
    card: dict[str, Any] = {
        "name": "clip-small",
        "recipe": asdict(settings),
        "starts_from": {
            "image": "EfficientNet-Lite2, ImageNet-1k (Apache-2.0), frozen",
            "text": "vectors of words by all-MiniLM-L6-v2 (Apache-2.0), added up",
        },
        "known_limits": list(KNOWN_LIMITS),
        "objects": {"training": len(work.training), "held_out": len(work.held_out)},
        "retrieval": {
            "held_out_names": measure(
                work.model, unseen, unseen_shown, sorted(set(unseen_shown)), tokenizer
            ),
            "training_names": measure(work.model, features, shown, known, tokenizer),
        },
    }
    names = [work.names[k] for k in work.training]
    config = clip_config(settings)
    card["weights_sha256"] = save_clip(options.output, work.model, names, card, config)
    return card


def main(arguments: Sequence[str] | None = None) -> None:
    """Do what the command line asks."""
    defaults = TransferSettings()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--objects", type=Path, required=True, help="folder with the object set")
    parser.add_argument("--image-weights", type=Path, required=True, help="EfficientNet-Lite2")
    parser.add_argument("--sentences", type=Path, required=True, help="folder of all-MiniLM-L6-v2")
    parser.add_argument("--cache", type=Path, required=True, help="keeps renders and features")
    parser.add_argument("--output", type=Path, required=True, help="folder for the model")
    parser.add_argument("--rounds", type=int, default=defaults.rounds, help="scenes of an object")
    parser.add_argument("--ridge", type=float, default=defaults.ridge)
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    card = transfer(options, TransferSettings(rounds=options.rounds, ridge=options.ridge))
    for part, values in card["retrieval"].items():
        LOG.info("%s: %s", part, values)


if __name__ == "__main__":
    main()
