"""Where a painted picture comes from: as JSON, inside its PNG file, and as command-line options."""

from __future__ import annotations

import hashlib
import io
import json
import math
from dataclasses import asdict, fields, replace
from typing import Any

from PIL import Image, PngImagePlugin

from harmony.json_fields import MAX_NAME, as_table, as_whole, number_of, parse_json, text_of
from harmony.noise import validate_seeds
from harmony.painting.models import REVISION
from harmony.painting.prompts import validate_prompt
from harmony.records import PaintedFrom

PNG_KEY = "harmony-painted-from"
"""Keyword of the PNG text chunk that says what a picture was painted from."""
MAX_STEPS = 1000
MAX_GUIDANCE = 100.0
_PIXELS = "pixels_sha256"


def validate_painted_from(painted: PaintedFrom) -> PaintedFrom:
    """Return the record.

    Raises:
        ValueError: A value is out of its range; the sentence names it.
    """
    if validate_prompt(painted.prompt) != painted.prompt:
        raise ValueError("The description must be one line with single spaces.")
    if not painted.model or len(painted.model) > MAX_NAME or not painted.model.isprintable():
        raise ValueError(
            f"The text-to-image model's name must be one line of at most {MAX_NAME} characters."
        )
    if painted.revision is not None and not REVISION.fullmatch(painted.revision):
        raise ValueError("The text-to-image model's revision is no commit, branch or tag.")
    validate_seeds((painted.seed,))
    if not 1 <= painted.num_steps <= MAX_STEPS:
        raise ValueError(
            f"The text-to-image steps are {painted.num_steps}; they must be 1 to {MAX_STEPS}."
        )
    if not (math.isfinite(painted.guidance_scale) and 0 <= painted.guidance_scale <= MAX_GUIDANCE):
        raise ValueError(
            f"The text-to-image guidance is {painted.guidance_scale}; "
            f"it must be 0 to {MAX_GUIDANCE:g}."
        )
    return painted


def canonical_painted_from(painted: PaintedFrom) -> PaintedFrom:
    """Return the record with its guidance as a float, so that 2 and 2.0 give the same text."""
    return replace(painted, guidance_scale=float(painted.guidance_scale))


def painted_from_table(found: Any) -> PaintedFrom:
    """Read the record from a JSON object.

    Raises:
        ValueError: A value is unknown, missing, of the wrong type or out of range.
    """
    values = as_table(found, "recipe's painted_from", {f.name for f in fields(PaintedFrom)})
    return validate_painted_from(
        PaintedFrom(
            prompt=text_of(values, "prompt"),
            model=text_of(values, "model"),
            revision=None if values["revision"] is None else text_of(values, "revision"),
            seed=as_whole(values["seed"], "seed"),
            num_steps=as_whole(values["num_steps"], "num_steps"),
            guidance_scale=number_of(values, "guidance_scale"),
        )
    )


def painting_options(painted: PaintedFrom) -> list[str]:
    """Return the options of `python -m harmony.generate` that paint the picture again."""
    model = painted.model if painted.revision is None else f"{painted.model}@{painted.revision}"
    return [
        f"--prompt={painted.prompt}",
        f"--text-model={model}",
        *("--text-seed", str(painted.seed), "--text-steps", str(painted.num_steps)),
        *("--text-guidance", f"{float(painted.guidance_scale)!r}"),
    ]


def painted_png(image: Image.Image, painted: PaintedFrom) -> bytes:
    """Return a PNG file that says what it was painted from."""
    values = {**asdict(canonical_painted_from(painted)), _PIXELS: _pixels_sha256(image)}
    info = PngImagePlugin.PngInfo()
    info.add_text(PNG_KEY, json.dumps(values, sort_keys=True, allow_nan=False))
    buffer = io.BytesIO()
    image.save(buffer, "PNG", pnginfo=info)
    return buffer.getvalue()


def read_painted_from(data: bytes) -> PaintedFrom | None:
    """Return what a picture file says that it was painted from.

    Args:
        data: A file that `harmony.images.read_image` has accepted.

    Returns:
        None where the file says nothing, or where its pixels are no longer those that were
        painted: the words would then belong to another picture.
    """
    if not data.startswith(b"\x89PNG"):
        return None
    try:
        with Image.open(io.BytesIO(data), formats=["PNG"]) as image:
            assert isinstance(image, PngImagePlugin.PngImageFile)
            found = parse_json(image.text[PNG_KEY], "picture's description")
            pixels = found.pop(_PIXELS)
            painted = painted_from_table(found)
            return painted if pixels == _pixels_sha256(image) else None
    except (KeyError, AttributeError, ValueError, OSError):
        # No description, or one that this project did not write: a picture like any other.
        return None


def _pixels_sha256(image: Image.Image) -> str:
    return hashlib.sha256(repr((image.mode, image.size)).encode() + image.tobytes()).hexdigest()
