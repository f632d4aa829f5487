"""The table of text-to-image models whose settings and licence are known.

Any other id of the hub or folder in diffusers' layout works too, with its pipeline's own settings.
To add a model, write one entry in `MODELS`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

HUB = "https://huggingface.co"
HUB_ID = re.compile(r"(?:\w[\w.-]{0,95}/)?\w[\w.-]{0,95}")
REVISION = re.compile(r"[\w.-]{1,100}")


@dataclass(frozen=True)
class TextToImageModel:
    """A text-to-image model and how it wants to be called.

    Attributes:
        id: Of the hub, or the folder as it was given.
        licence: In a few words.
        licence_url: Where it can be read, or None for a folder.
        num_steps: Recommended network steps; None takes the pipeline's default.
        guidance_scale: Recommended guidance; None takes the pipeline's default.
        size: Side of the picture in pixels; None takes the pipeline's default.
        max_sequence_length: Words that the text encoder reads, where the pipeline must be told.
        revision: Commit, branch or tag of the hub; None is its main branch.
    """

    id: str
    licence: str
    licence_url: str | None
    num_steps: int | None = None
    guidance_scale: float | None = None
    size: int | None = None
    max_sequence_length: int | None = None
    revision: str | None = None

    @property
    def folder(self) -> Path | None:
        """The folder that is meant, or None for a model of the hub."""
        path = Path(self.id).expanduser()
        return path if path.is_dir() else None

    @property
    def name(self) -> str:
        """What a recipe says: the id; of a folder its name only, for its path is private."""
        return self.id if self.folder is None else self.folder.resolve().name


_STABILITY = "Stability AI's own licence (commercial use has conditions)"
_ENTRIES = (
    TextToImageModel(
        "stabilityai/sd-turbo",
        _STABILITY,
        f"{HUB}/stabilityai/sd-turbo/blob/main/LICENSE.md",
        num_steps=2,
        guidance_scale=0.0,
        size=512,
    ),
    TextToImageModel(
        "stabilityai/sdxl-turbo",
        _STABILITY,
        f"{HUB}/stabilityai/sdxl-turbo/blob/main/LICENSE.md",
        num_steps=2,
        guidance_scale=0.0,
        size=512,
    ),
    TextToImageModel(
        "black-forest-labs/FLUX.1-schnell",
        "Apache-2.0",
        f"{HUB}/black-forest-labs/FLUX.1-schnell",
        num_steps=4,
        guidance_scale=0.0,
        size=1024,
        max_sequence_length=256,
    ),
)
MODELS: Mapping[str, TextToImageModel] = {model.id: model for model in _ENTRIES}
DEFAULT_MODEL = _ENTRIES[0].id


def find_model(name: str) -> TextToImageModel:
    """Return the model that `name` means.

    Args:
        name: A folder, an id of the hub, or "id@revision".

    Raises:
        ValueError: It is neither a folder that exists nor an id.
    """
    if name and Path(name).expanduser().is_dir():
        return TextToImageModel(name, "of that folder's model; see where it came from", None)
    bare, at, revision = name.partition("@")
    if not HUB_ID.fullmatch(bare) or (at and not REVISION.fullmatch(revision)):
        raise ValueError(
            f"There is no text-to-image model {name!r}; give a folder, or an id of the hub such as "
            f"{DEFAULT_MODEL}."
        )
    known = MODELS.get(bare) or TextToImageModel(bare, "see the model's card", f"{HUB}/{bare}")
    return TextToImageModel(**{**vars(known), "revision": revision or None})
