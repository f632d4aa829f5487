"""CLIP models that measure the CD score.

"small" ships with the project (`weights/clip-small`, an ordinary open_clip folder) and was trained
for it; "ViT-L-14-quickgelu/openai" is the published protocol's and is fetched on first use.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

DEFAULT_ENCODER = "small"
PUBLISHED_ENCODER = "ViT-L-14-quickgelu/openai"
# open_clip's plain "ViT-L-14" with OpenAI's weights runs the wrong activation, with a warning only.
WRONG_ACTIVATION = "ViT-L-14/openai"
SMALL_ENCODER_DIR = Path(__file__).resolve().parents[1] / "weights" / "clip-small"
WEIGHTS_FILE = "open_clip_model.safetensors"
NAMES_FILE = "names.json"
CARD_FILE = "card.json"
MAX_BATCH = 256


@dataclass
class ClipEncoder:
    """An open_clip model with its preprocessing.

    Attributes:
        name: What `load_encoder` was asked for; values of different encoders do not compare.
        model: open_clip's CLIP in evaluation mode.
        tokenize: Texts to (B, L) token rows.
        image_size: Side of its input.
        mean: Of the input normalisation.
        std: Of the input normalisation.
        names: Object names that it can choose from.
    """

    name: str
    model: Any
    tokenize: Callable[[list[str]], Int[Tensor, "B L"]]
    image_size: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    names: tuple[str, ...] = ()
    _name_embeddings: Tensor | None = field(default=None, repr=False)

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.model.logit_scale.device

    @property
    def logit_scale(self) -> float:
        """Inverse temperature that the model was trained with."""
        return float(self.model.logit_scale.detach().exp())

    @torch.inference_mode()
    def embed_images(self, pixels: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B d"]:
        """Return unit vectors on the CPU for pictures in [0, 1]."""
        batches = [
            self.model.encode_image(
                preprocess(batch.to(self.device), self.image_size, self.mean, self.std),
                normalize=True,
            )
            for batch in pixels.split(MAX_BATCH)
        ]
        return torch.cat(batches).float().cpu().clone()

    @torch.inference_mode()
    def embed_texts(self, texts: Sequence[str]) -> Float[Tensor, "B d"]:
        """Return unit vectors on the CPU."""
        rows = self.tokenize(list(texts)).to(self.device)
        batches = [self.model.encode_text(part, normalize=True) for part in rows.split(MAX_BATCH)]
        return torch.cat(batches).float().cpu().clone()

    def name_embeddings(self) -> Float[Tensor, "M d"]:
        """Return unit vectors of "an image of a {name}" for `names`, computed once."""
        if self._name_embeddings is None:
            self._name_embeddings = self.embed_texts([f"an image of {name}" for name in self.names])
        return self._name_embeddings


def preprocess(
    pixels: Float[Tensor, "B 3 H W"], image_size: int, mean: Sequence[float], std: Sequence[float]
) -> Float[Tensor, "B 3 s s"]:
    """Do CLIP's standard preprocessing on square pictures in [0, 1].

    8-bit rounding, bicubic resizing with antialiasing, 8-bit rounding, normalisation; open_clip
    does the same through PIL pictures.
    """
    pixels = (pixels.float() * 255).round()
    if pixels.shape[-1] != image_size:
        pixels = F.interpolate(
            pixels, size=(image_size, image_size), mode="bicubic", antialias=True
        )
    pixels = pixels.round().clamp(0, 255) / 255
    return (pixels - pixels.new_tensor(mean).view(1, 3, 1, 1)) / pixels.new_tensor(std).view(
        1, 3, 1, 1
    )


def load_encoder(
    encoder: str | Path = DEFAULT_ENCODER, device: torch.device | str = "cpu"
) -> ClipEncoder:
    """Load a CLIP model.

    Args:
        encoder: "small"; a folder with an open_clip model; or open_clip's "model/pretrained".
        device: Where it computes.

    Raises:
        ValueError: The folder is incomplete, or the name is not one that open_clip knows.
    """
    if encoder == DEFAULT_ENCODER:
        return _load_folder(SMALL_ENCODER_DIR, DEFAULT_ENCODER, device)
    if Path(encoder).is_dir():
        return _load_folder(Path(encoder), Path(encoder).name, device)
    return _load_published(str(encoder), device)


def _load_folder(folder: Path, name: str, device: torch.device | str) -> ClipEncoder:
    # open_clip would only warn about missing weights and go on with random ones.
    for file in ("open_clip_config.json", WEIGHTS_FILE):
        if not (folder / file).is_file():
            raise ValueError(f"The CLIP folder {folder} has no {file}; train or fetch it first.")
    _check_weights(folder)
    try:
        names = _read_json(folder / NAMES_FILE, [])
        return _build(f"local-dir:{folder}", None, name, tuple(names), device)
    except Exception as error:  # open_clip raises many things on files that do not fit
        raise ValueError(
            f"The CLIP model in {folder} cannot be loaded ({type(error).__name__}); restore its "
            "files from the repository, or export it again."
        ) from error


def _read_json(path: Path, absent: Any) -> Any:
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else absent


def _check_weights(folder: Path) -> None:
    """Compare the weights with the sha256 of the folder's card, where it has one."""
    try:
        expected = _read_json(folder / CARD_FILE, {}).get("weights_sha256")
    except (ValueError, AttributeError) as error:
        raise ValueError(f"{folder / CARD_FILE} is not a model card; restore the file.") from error
    weights = folder / WEIGHTS_FILE
    if expected and hashlib.sha256(weights.read_bytes()).hexdigest() != expected:
        raise ValueError(f"{weights} is damaged or not the file of its card; restore it.")


def _load_published(encoder: str, device: torch.device | str) -> ClipEncoder:
    import open_clip

    if encoder == WRONG_ACTIVATION:
        raise ValueError(f"Use {PUBLISHED_ENCODER!r}; {encoder!r} runs the wrong activation.")
    model_name, _, pretrained = encoder.partition("/")
    if pretrained not in open_clip.list_pretrained_tags_by_model(model_name):
        raise ValueError(
            f"CLIP encoder is {encoder!r}; use {DEFAULT_ENCODER!r}, a folder, or open_clip's "
            f"'model/pretrained' such as {PUBLISHED_ENCODER!r}."
        )
    try:
        return _build(model_name, pretrained, encoder, (), device)
    except Exception as error:  # whatever the hub, the network or a broken download raises
        raise ValueError(
            f"The CLIP encoder {encoder} could not be fetched or read ({type(error).__name__}); "
            f"go online once, or use {DEFAULT_ENCODER!r}, which is already here."
        ) from error


def _build(
    model_name: str,
    pretrained: str | None,
    name: str,
    names: tuple[str, ...],
    device: torch.device | str,
) -> ClipEncoder:
    import open_clip

    model, _, _ = open_clip.create_model_and_transforms(
        model_name, pretrained=pretrained, device=device, require_pretrained=True
    )
    config = open_clip.get_model_preprocess_cfg(model)
    size = config["size"]
    return ClipEncoder(
        name=name,
        model=model.eval().requires_grad_(requires_grad=False),
        tokenize=open_clip.get_tokenizer(model_name),
        image_size=size if isinstance(size, int) else size[0],
        mean=tuple(config["mean"]),
        std=tuple(config["std"]),
        names=names,
    )
