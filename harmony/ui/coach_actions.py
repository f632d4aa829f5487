"""What the input coach does: cut out, warn, and mend the mask as it was painted."""

from __future__ import annotations

import base64
import binascii
import io
from pathlib import Path
from typing import Any

import gradio as gr
from PIL import Image

from harmony.images import read_image
from harmony.ui.actions import Actions, Updates
from harmony.ui.coach import SHOWN_SIDE, Look, coach_value
from harmony.ui.errors import in_plain_words
from harmony.ui.inputs import Inputs
from harmony.ui.late_answer import LateAnswer
from harmony.ui.settings import Framing
from harmony.ui.texts import coach as texts

MAX_STROKES = 4_000_000
PREFIX = "data:image/png;base64,"


def read_strokes(found: object) -> Image.Image:
    """Return the strokes that a browser sent.

    Raises:
        ValueError: They are no PNG picture of a sensible size.
    """
    if not isinstance(found, str) or not found.startswith(PREFIX) or len(found) > MAX_STROKES:
        raise ValueError(texts.BAD_STROKES)
    try:
        content = base64.b64decode(found.removeprefix(PREFIX), validate=True)
        with Image.open(io.BytesIO(content), formats=["PNG"]) as opened:
            if max(opened.size) > SHOWN_SIDE:
                raise ValueError(texts.BAD_STROKES)
            return opened.convert("RGB")
    except (binascii.Error, OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise ValueError(texts.BAD_STROKES) from error


class CoachActions:
    """Handlers of the coach."""

    def __init__(self, page: Actions) -> None:
        """Share the page's engine and visits."""
        self.page = page

    def look(self, picture: Path, framing: Framing) -> Look:
        """Cut the object out; where that fails, the sentence is a note and the brush can help.

        Raises:
            ValueError: The file is no picture that can be read.
        """
        loaded = read_image(picture)
        try:
            cutout, notes = self.page.engine.cut_out(picture, framing)
        except ValueError as error:
            return Look(loaded.image, None, (*loaded.notes, str(error)))
        return Look(loaded.image, cutout, notes)

    @in_plain_words
    def show(self, picture: str | None, *framing: Any) -> Updates:
        """Show the object without its background, and what may go wrong with it."""
        view, warnings = self.page.inputs.cutout_view, self.page.inputs.warnings
        if picture is None:
            return {view: gr.update(value=coach_value(None)), warnings: gr.update(visible=False)}
        wanted = Framing(*framing)
        look = self.look(Path(picture), wanted)
        notes = "\n".join(f"- {note}" for note in look.notes)
        return {
            view: gr.update(value=coach_value(look, wanted.foreground)),
            warnings: gr.update(value=notes, visible=bool(notes)),
        }

    @in_plain_words
    def mend(
        self, request: gr.Request, event: gr.EventData, picture: str | None, *framing: Any
    ) -> str:
        """Return the file of the picture with the mask that was painted."""
        from harmony.mending import mend

        if picture is None:
            raise ValueError(texts.BAD_STROKES)
        strokes = read_strokes(getattr(event, "strokes", None))
        look = self.look(Path(picture), Framing(*framing))
        mended = mend(look.picture, look.cutout, strokes)
        name = Path(picture).stem.removesuffix("-mended")
        file = self.page.visit(request).new_folder() / f"{name}-mended.png"
        mended.save(file)
        gr.Info(texts.MENDED)
        return str(file)


def bind_coach(actions: CoachActions, shown: dict[str, Any]) -> None:
    """The brush, and the drawings that follow the sliders.

    Args:
        actions: The handlers.
        shown: How `CoachActions.show` is called.
    """
    inputs = actions.page.inputs
    late, mended = LateAnswer([inputs.picture]), inputs.cutout_view.mended  # pyright: ignore[reportAttributeAccessIssue]
    late.note(mended)
    asked = mended(
        late.holding(actions.mend),
        inputs=[inputs.picture, *inputs.framing],
        outputs=late.held,
        concurrency_id=shown["concurrency_id"],
        concurrency_limit=1,
        api_visibility="private",
        show_progress="hidden",
    )
    late.settle(asked).success(**shown)
    _bind_sketches(inputs)


def _bind_sketches(inputs: Inputs) -> None:
    for slider, name in ((inputs.foreground, "foreground"), (inputs.elevation_deg, "elevation")):
        tell = (
            f"(value) => {{ document.body.dataset.{name} = value; "
            f"window.dispatchEvent(new CustomEvent('harmony:{name}', {{ detail: Number(value) }})); }}"
        )
        slider.change(None, inputs=slider, js=tell, api_visibility="private")
