"""The input coach: cut-out on a checkerboard, live crop, camera height, and a brush for the mask."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gradio as gr
from PIL import Image

from harmony.cameras import TRAINED_ELEVATIONS_DEG
from harmony.ui.strips import data_url
from harmony.ui.texts import coach as texts
from harmony.ui.turntable import script

SHOWN_SIDE = 512
"""The browser paints at this size; the strokes are stretched over the whole picture."""


@dataclass(frozen=True)
class Look:
    """A picture, its cut-out (RGBA; None where none is found), and what may go wrong."""

    picture: Image.Image
    cutout: Image.Image | None
    notes: tuple[str, ...]


def coach_value(look: Look | None, foreground: float = 0.8) -> dict[str, Any]:
    """Return what the coach shows; `foreground` is the object's share of the frame."""
    return {
        "foreground": foreground,
        "picture": "" if look is None else _small(look.picture.convert("RGB")),
        "cutout": "" if look is None or look.cutout is None else _small(look.cutout),
        "words": texts.WORDS,
    }


def _small(picture: Image.Image) -> str:
    shown = picture.copy()
    shown.thumbnail((SHOWN_SIDE, SHOWN_SIDE), Image.Resampling.LANCZOS)
    return data_url(shown)


def coach(**settings: Any) -> gr.HTML:
    """Return the component; event: mended, with the strokes as a PNG data URL.

    It follows the slider of the object's size through `bind_sketches`, without a request.
    """
    return gr.HTML(
        value=coach_value(None),
        html_template='<div class="co-root"></div>',
        js_on_load=script("coach.js", "brush.js"),
        apply_default_css=False,
        label=texts.LABEL,
        **settings,
    )


def elevation_sketch(elevation_deg: float, **settings: Any) -> gr.HTML:
    """Return a drawing of the camera that took the picture; it follows the slider."""
    low, high = TRAINED_ELEVATIONS_DEG
    value = {"elevation": elevation_deg, "low": low, "high": high, "words": texts.SKETCH_WORDS}
    return gr.HTML(
        value=value,
        html_template='<div class="sk-root"></div>',
        js_on_load=script("sketch.js"),
        apply_default_css=False,
        label=texts.SKETCH_LABEL,
        **settings,
    )
