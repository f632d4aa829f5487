"""What the controls of the pinned runs do."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import gradio as gr

from harmony.ui.actions import Actions, Updates, settings_from
from harmony.ui.compare import Comparison, choices
from harmony.ui.errors import in_plain_words
from harmony.ui.pins import (
    MAX_PINS,
    Pin,
    Pins,
    board_value,
    clean_name,
    pin_of,
    read_pins,
    stored_pins,
)
from harmony.ui.share_actions import ShareActions
from harmony.ui.sharing import file_sha256, settings_of_recipe
from harmony.ui.texts import pins as texts
from harmony.ui.visits import Run, Visit

QUIET: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
LANE = "pins"


class PinActions:
    """Handlers of the pinned runs."""

    def __init__(
        self, page: Actions, share: ShareActions, comparison: Comparison, parts: Pins
    ) -> None:
        """Share the page's visits, the reading of recipes and the comparison."""
        self.page, self.share, self.comparison, self.parts = page, share, comparison, parts

    @staticmethod
    def _runs(visit: Visit) -> dict[str, Run]:
        return {pin_of(run).id: run for run in visit.runs.values()}

    @staticmethod
    def _pins(visit: Visit, stored: object) -> list[Pin]:
        """Return the visit's pins, read from the browser once.

        What comes with later events may be older than what an event just before them pinned.
        """
        if visit.pins is None:
            visit.pins, bad = read_pins(stored)
            if bad:
                gr.Warning(texts.UNREADABLE.format(count=bad))
        return visit.pins

    def _show(self, visit: Visit, pins: list[Pin]) -> Updates:
        """Return the board and what the browser keeps; the pinned runs outlive newer ones."""
        runs = self._runs(visit)
        visit.pins = pins
        visit.pinned = {runs[pin.id].id for pin in pins if pin.id in runs}
        return {
            self.parts.board: board_value(pins, runs),
            self.parts.kept: stored_pins(pins),
        }

    @in_plain_words
    def refresh(self, request: gr.Request, stored: object) -> Updates:
        """Show what the browser kept, with the pictures that this visit has made by now."""
        visit = self.page.visit(request)
        pins = self._pins(visit, stored)
        # Without pins there is nothing to show, and nothing in the browser to write over.
        return self._show(visit, pins) if pins else {self.parts.board: gr.skip()}

    @in_plain_words
    def pin(self, request: gr.Request, stored: object) -> Updates:
        """Pin the run on show."""
        visit = self.page.visit(request)
        if visit.run is None:
            raise ValueError(texts.NOTHING)
        pins, new = self._pins(visit, stored), pin_of(visit.run)
        if any(pin.id == new.id for pin in pins):
            gr.Info(texts.ALREADY)
            return self._show(visit, pins)
        if len(pins) >= MAX_PINS:
            raise ValueError(texts.FULL.format(limit=MAX_PINS))
        gr.Info(texts.PINNED.format(name=new.name))
        return self._show(visit, [*pins, new])

    def _find(self, visit: Visit, stored: object, wanted: object) -> tuple[list[Pin], Pin]:
        pins = self._pins(visit, stored)
        found = next((pin for pin in pins if pin.id == wanted), None)
        if found is None:
            raise ValueError(texts.UNKNOWN)
        return pins, found

    @in_plain_words
    def rename(self, request: gr.Request, event: gr.EventData, stored: object) -> Updates:
        """Call a pinned run by another name."""
        visit = self.page.visit(request)
        pins, found = self._find(visit, stored, getattr(event, "id", None))
        named = replace(found, name=clean_name(getattr(event, "name", None)))
        return self._show(visit, [named if pin is found else pin for pin in pins])

    @in_plain_words
    def remove(self, request: gr.Request, event: gr.EventData, stored: object) -> Updates:
        """Let a pinned run go."""
        visit = self.page.visit(request)
        pins, found = self._find(visit, stored, getattr(event, "id", None))
        return self._show(visit, [pin for pin in pins if pin is not found])

    @in_plain_words
    def show(self, request: gr.Request, event: gr.EventData) -> Updates:
        """Put a pinned run of this visit on the page."""
        visit = self.page.visit(request)
        run = self._runs(visit).get(str(getattr(event, "id", None)))
        if run is None:
            raise ValueError(texts.UNKNOWN)
        visit.choose(run.id)
        return self.page.show(visit)

    @in_plain_words
    def again(
        self,
        request: gr.Request,
        event: gr.EventData,
        stored: object,
        picture: str | None,
        *dials: Any,
    ) -> Updates:
        """Set dials and picture as the recipe says; the page presses Generate afterwards."""
        from harmony.recipe import recipe_from_json

        visit = self.page.visit(request)
        pins, found = self._find(visit, stored, getattr(event, "id", None))
        file = self._picture(found.recipe["image_sha256"], picture)
        recipe = recipe_from_json(json.dumps(found.recipe))
        settings = settings_of_recipe(recipe, settings_from(dials), self.share.cutouts)
        board = board_value(pins, self._runs(visit)) | {"go": True}
        return self.share.dials(settings) | {
            self.page.inputs.picture: str(file),
            self.parts.board: board,
        }

    def _picture(self, wanted: str, current: str | None) -> Path:
        files = [Path(current)] if current else []
        for file in (*files, *(example.file for example in self.share.examples)):
            if file_sha256(file) == wanted:
                return file
        raise ValueError(texts.OTHER_PICTURE)

    @in_plain_words
    def versus(self, request: gr.Request, event: gr.EventData) -> Updates:
        """Send two pinned runs to the comparison."""
        visit = self.page.visit(request)
        runs = self._runs(visit)
        pair = [runs.get(str(getattr(event, side, None))) for side in ("left", "right")]
        if None in pair:
            raise ValueError(texts.NOT_HERE)
        offered = choices(visit)
        return {
            side: gr.update(choices=offered, value=run.id)
            for side, run in zip((self.comparison.left, self.comparison.right), pair, strict=True)
            if run is not None
        }


OPEN_COMPARISON = """() => {
  const box = document.querySelector("#compare");
  const head = box.querySelector("button.label-wrap");
  if (!head.classList.contains("open")) head.click();
  document.querySelector("#compare-start").click();
  box.scrollIntoView({ block: "start" });
}"""
PRESS_GENERATE = """(board) => { if (board.go) document.querySelector("#generate").click(); }"""


def bind_pins(actions: PinActions, demo: gr.Blocks, button: gr.Button, coach: dict) -> None:
    """The board and the button that pins.

    Args:
        actions: The handlers.
        demo: The page.
        button: Pins the run on show.
        coach: How the input coach is shown after another picture was set.
    """
    parts, page = actions.parts, actions.page
    board: Any = parts.board
    changed: dict[str, Any] = {
        "inputs": parts.kept,
        "outputs": [parts.board, parts.kept],
        # One after the other: an answer may not come after that of a later event.
        "concurrency_id": LANE,
        "concurrency_limit": 1,
        **QUIET,
    }
    demo.load(actions.refresh, **changed)
    button.click(actions.pin, **changed)
    board.pin_rename(actions.rename, **changed)
    board.pin_remove(actions.remove, **changed)
    page.results.shown.change(actions.refresh, **changed)
    board.pin_show(actions.show, outputs=page.parts, **QUIET)
    board.pin_again(
        actions.again,
        inputs=[parts.kept, page.inputs.picture, *page.inputs.dials],
        outputs=[page.inputs.picture, *page.inputs.dials, parts.board],
        **QUIET,
    ).success(**coach).success(None, inputs=parts.board, js=PRESS_GENERATE, **QUIET)
    board.pin_versus(
        actions.versus, outputs=[actions.comparison.left, actions.comparison.right], **QUIET
    ).success(None, js=OPEN_COMPARISON, **QUIET)
