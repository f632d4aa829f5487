"""The 16-view turntable: a `gr.HTML` component that turns a sprite strip in the browser."""

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
    """

    id: str
    title: str
    strip: str
    badge: str = ""
    note: str = ""
    live: bool = False


def turntable_value(
    cards: Sequence[Card],
    *,
    frames: int = 16,
    selected: str | None = None,
    group: str = "main",
    autoplay: bool = False,
) -> dict[str, Any]:
    """Return what `Turntable` shows; components of one `group` turn together."""
    return {
        "samples": [asdict(card) for card in cards],
        "frames": frames,
        "selected": selected,
        "group": group,
        "autoplay": autoplay,
        "words": texts.TURNTABLE_WORDS,
    }

from gradio.events import Dependency

class Turntable(gr.HTML):
    """Cards of samples, each with a turntable and its sixteen views; event: select(id)."""

    def __init__(self, value: dict[str, Any] | None = None, **settings: Any) -> None:
        """Build it; `settings` go to `gr.HTML`."""
        super().__init__(
            value=value or turntable_value(()),
            html_template='<div class="tt-root"></div>',
            js_on_load=(ASSETS / "turntable.js").read_text(encoding="utf-8"),
            apply_default_css=False,
            **settings,
        )

    def get_block_name(self) -> str:
        """Return the front end's component that shows this one."""
        return "html"

    def api_info(self) -> dict[str, Any]:
        """Return the JSON schema of the value."""
        return {"type": "object"}
    from typing import Callable, Literal, Sequence, Any, TYPE_CHECKING
    from gradio.blocks import Block
    if TYPE_CHECKING:
        from gradio.components import Timer
        from gradio.components.base import Component