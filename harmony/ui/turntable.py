"""The 16-view turntable: a component that turns a sprite strip in the browser."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from harmony.ui import texts

ASSETS = Path(__file__).parent / "assets"


@dataclass(frozen=True)
class Card:
    """One sample as the turntable shows it.

    Attributes:
        id: Unique within the component.
        title: Shown above the picture.
        strip: Data URL of the strip (see `harmony.ui.strips`).
        badge: Short figure beside the title.
        note: Small print below.
        live: Whether it is still being painted.
        mark: What sets it apart from the other samples.
    """

    id: str
    title: str
    strip: str
    badge: str = ""
    note: str = ""
    live: bool = False
    mark: str = ""


def turntable_value(
    cards: Sequence[Card],
    *,
    frames: int = 16,
    selected: str | None = None,
    group: str = "main",
    autoplay: bool = False,
    spread: str = "",
) -> dict[str, Any]:
    """Return what a `turntable` shows; components of one `group` turn together.

    Args:
        cards: Its samples.
        frames: Views of each.
        selected: Id of the chosen sample.
        group: Whoever turns with it.
        autoplay: Whether it turns by itself until a hand is laid on it.
        spread: Says how much the samples differ; with it, a row shows all of them side by side.
    """
    return {
        "samples": [asdict(card) for card in cards],
        "frames": frames,
        "selected": selected,
        "group": group,
        "autoplay": autoplay,
        "spread": spread,
        "words": texts.TURNTABLE_WORDS,
    }


def script(*names: str) -> str:
    """Return scripts of the assets as one function body."""
    return "\n".join((ASSETS / name).read_text(encoding="utf-8") for name in names)


def turntable(value: dict[str, Any] | None = None, **settings: Any) -> gr.HTML:
    """Return the component: cards of samples, each with its turntable and sixteen views.

    Its value is a `turntable_value`; its event is `select` with the card's id. It is no subclass
    of `gr.HTML`, because Gradio writes a stub file beside the source of every such class.

    Args:
        value: What it shows at first.
        settings: Go to `gr.HTML`.
    """
    return gr.HTML(
        value=value or turntable_value(()),
        html_template='<div class="tt-root"></div>',
        js_on_load=script("turning.js", "diversity.js", "peek.js", "turntable.js"),
        apply_default_css=False,
        **settings,
    )
