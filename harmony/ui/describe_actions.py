"""What the tab "Describe it" does: a sentence -> pictures -> one takes the picture's place."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from harmony.painting.painter import Painter, Painting
from harmony.painting.prompts import object_name, validate_prompt
from harmony.serving.lane import Place, Work
from harmony.ui import settings
from harmony.ui.actions import Actions, Updates
from harmony.ui.background_work import in_background
from harmony.ui.describe import PICTURE, Describe
from harmony.ui.errors import in_plain_words
from harmony.ui.plans import for_program, told
from harmony.ui.settings import whole_number
from harmony.ui.status import status_html, waiting_html
from harmony.ui.texts import describe as texts
from harmony.ui.turns import Turns
from harmony.ui.visits import Visits

_News = tuple[str, float | None]


@dataclass(frozen=True)
class Painted:
    """A picture on disk.

    Attributes:
        file: PNG; it says itself what it was painted from.
        prompt: The description.
        seed: Its seed.
    """

    file: Path
    prompt: str
    seed: int


def painting_work(prompt: str | None, count: int, seed: int) -> Work:
    """Return the work of painting.

    Raises:
        ValueError: The description, the count or the seed will not do.
    """
    validate_prompt(prompt or "")
    number = whole_number(texts.COUNT, count, 1, max(texts.COUNTS.values()))
    whole_number(texts.SEED, seed, 0, settings.MAX_SEED - number)
    return Work("describe", "painting", number, seeds=number)


def paint_all(
    painter: Painter, prompt: str, count: int, seed: int, folder: Path
) -> Iterator[Painted | _News]:
    """Paint `count` pictures with the seeds from `seed` on; closing the iterator stops.

    Yields:
        What is going on, as (text, share of the picture that is done or None), and each picture.
    """
    for index in range(count):
        own = seed + index
        work: in_background[_News, Painting] = in_background(_painting(painter, prompt, own))
        for text, share in work:
            if count > 1:
                yield texts.NUMBERED.format(index=index + 1, count=count, text=text), share
            else:
                yield text, share
        yield _write(work.result, folder)


def _painting(
    painter: Painter, prompt: str, seed: int
) -> Callable[[Callable[[_News], None]], Painting]:
    def work(tell: Callable[[_News], None]) -> Painting:
        return painter.paint(prompt, seed, on_progress=lambda text, share: tell((text, share)))

    return work


def _write(painting: Painting, folder: Path) -> Painted:
    from harmony.painting.record import painted_png

    words = painting.painted_from
    file = folder / f"painting-{words.seed}.png"
    file.write_bytes(painted_png(painting.image, words))
    return Painted(file, words.prompt, words.seed)


class DescribeActions:
    """Handlers of the tab, and the endpoint `/describe`."""

    def __init__(self, page: Actions, parts: Describe, painter: Painter, visits: Visits) -> None:
        """Bind the handlers to the tab's components."""
        self.page, self.parts, self.painter, self.visits = page, parts, painter, visits

    def waiting(self, place: Place) -> Updates:
        """Say where in the queue the painting waits."""
        return {
            self.parts.status: waiting_html(place),
            self.parts.stop: gr.update(interactive=True),
        }

    @in_plain_words
    def paint(self, request: gr.Request, prompt: str, count: int, seed: int) -> Iterator[Updates]:
        """Paint; every step moves the status line, every picture joins the gallery."""
        parts = self.parts
        yield self._running(True) | {parts.status: status_html(texts.BEGINNING, busy=True)}
        folder = self.page.visit(request).new_folder()
        made: tuple[Painted, ...] = ()
        for event in paint_all(self.painter, prompt, int(count), int(seed), folder):
            if isinstance(event, Painted):
                made = (*made, event)
                yield {parts.gallery: _gallery(made), parts.made: made}
            else:
                text, share = event
                yield {parts.status: status_html(text, fraction=share, busy=share is None)}
        yield self._running(False) | {parts.status: status_html(texts.DONE)}

    def _running(self, running: bool) -> Updates:
        return {
            self.parts.start: gr.update(interactive=not running),
            self.parts.stop: gr.update(interactive=running),
        }

    def stopped(self) -> Updates:
        """Say that the painting was stopped."""
        return self._running(False) | {self.parts.status: status_html(texts.STOPPED)}

    def failed(self) -> Updates:
        """Say that the painting failed; a toast has said why."""
        return self._running(False) | {self.parts.status: status_html(texts.FAILED)}

    @in_plain_words
    def choose(self, made: tuple[Painted, ...], event: gr.EventData) -> Updates:
        """Let a painted picture take the picture's place, and name the object after it."""
        index = getattr(event, "index", None)
        if not isinstance(index, int) or not 0 <= index < len(made):
            raise ValueError(texts.NO_PAINTING)
        inputs = self.page.inputs
        return {
            inputs.picture: str(made[index].file),
            inputs.object_name: object_name(made[index].prompt),
            self.parts.tabs: gr.Tabs(selected=PICTURE),
        }

    @in_plain_words
    def describe(self, prompt: str, pictures: int, seed: int) -> Iterator[tuple[Any, ...]]:
        """Paint pictures of one object from a description, for `/generate`.

        Streams {"text", "fraction"} while it works; the last answer holds the PNG files (they say
        what they were painted from, and `/generate` writes that into its recipe), the object's
        name for `/generate`, and a report with the model and its licence.
        """
        files: list[str] = []
        folder = self.visits.lend()
        for event in paint_all(self.painter, prompt, int(pictures), int(seed), folder):
            if isinstance(event, Painted):
                files.append(str(event.file))
            else:
                yield {"text": event[0], "fraction": event[1]}, None, None, None
        model = self.painter.model
        report = {"model": model.name, "licence": model.licence, "licence_url": model.licence_url}
        yield {"done": True}, files, object_name(prompt), report


def _gallery(made: tuple[Painted, ...]) -> Any:
    value = [(str(one.file), texts.CAPTION.format(seed=one.seed)) for one in made]
    return gr.update(value=value, visible=True, selected_index=None)


def bind_describe(actions: DescribeActions, turns: Turns, show_cutout: dict[str, Any]) -> None:
    """Connect the tab; `show_cutout` is the event that cuts out whatever picture came."""
    parts, inputs = actions.parts, actions.page.inputs
    quiet: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
    shown = [parts.start, parts.stop, parts.status, parts.gallery, parts.made]
    asked = [parts.prompt, parts.count, parts.seed]
    for trigger in (parts.start.click, parts.prompt.submit):
        painted = trigger(
            **turns.of(actions.paint, painting_work, actions.waiting),
            inputs=asked,
            outputs=shown,
            **quiet,
        )
        painted.failure(actions.failed, outputs=shown, **quiet)
        parts.stop.click(actions.stopped, outputs=shown, cancels=painted, **quiet)
    parts.gallery.select(
        actions.choose,
        inputs=parts.made,
        outputs=[inputs.picture, inputs.object_name, parts.tabs],
        **quiet,
    ).success(**show_cutout)


def bind_describe_api(actions: DescribeActions, turns: Turns) -> None:
    """Name the endpoint `/describe`."""
    parts = actions.parts
    gr.Button(texts.START, visible=False).click(
        **turns.of(actions.describe, for_program(painting_work), told(4)),
        inputs=[parts.prompt, parts.count, parts.seed],
        outputs=[
            gr.JSON(label=texts.TAB, visible=False),
            gr.File(label=texts.FILES, file_count="multiple", visible=False),
            gr.Textbox(label=texts.NAME, visible=False),
            gr.JSON(label=texts.LICENCE, visible=False),
        ],
        api_name="describe",
    )
