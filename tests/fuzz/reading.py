"""A picture's way through the house up to the reference, judged."""

from __future__ import annotations

import numpy as np
from PIL import Image

from harmony.background import CutoutModels
from harmony.images import WORKING_SIDE, read_image
from harmony.pipeline import prepare

IMAGE_SIZE = 64
MAX_SENTENCE = 250


class DarkIsObject(CutoutModels):
    """Stands in for the cut-out network only: what is darker than the middle is the object."""

    def mask(self, image: Image.Image, name: str) -> Image.Image:
        grey = np.asarray(image.convert("L"))
        return Image.fromarray(np.where(grey < grey.mean(), 255, 0).astype(np.uint8))


def check_sentence(text: str) -> None:
    """Assert that a visitor can read it: one plain, short line."""
    assert text.endswith("."), text
    assert text.isprintable(), repr(text)
    assert len(text) <= MAX_SENTENCE, text
    assert not any(word in text for word in ("Error", "Traceback", "0x", "<")), text


def read_and_frame(data: bytes) -> str:
    """Return "picture ..." or "refused: ..."; anything else raises."""
    try:
        loaded = read_image(data)
        assert loaded.image.mode in ("RGB", "RGBA")
        assert max(loaded.image.size) <= WORKING_SIDE
        prepared = prepare(
            loaded.image,
            cutout="u2netp",
            foreground=0.8,
            elevation_deg=30.0,
            image_size=IMAGE_SIZE,
            cutout_models=DarkIsObject(),
        )
    except ValueError as error:
        check_sentence(str(error))
        return f"refused: {error}"
    for note in (*loaded.notes, *prepared.warnings):
        check_sentence(note)
    pixels = prepared.reference.pixels
    assert pixels.shape == (3, IMAGE_SIZE, IMAGE_SIZE)
    assert bool((pixels.abs() <= 1 + 1e-5).all())
    return f"picture {loaded.image.size[0]} x {loaded.image.size[1]}"
