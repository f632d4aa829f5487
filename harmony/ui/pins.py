"""Pinned runs: up to eight recipes that this browser keeps, and the board that shows them."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import gradio as gr

from harmony.ui import texts as common
from harmony.ui.shown import VIEW_COUNT, badge
from harmony.ui.strips import file_url
from harmony.ui.texts import pins as texts
from harmony.ui.turntable import script
from harmony.ui.visits import Run

MAX_PINS, MAX_NAME = 8, 40
STORAGE_KEY, SECRET = "harmony-pins", "harmony-pins-1"
"""Fixed, so that pins outlive a restart of the server; nothing in them is secret."""


@dataclass(frozen=True)
class Pin:
    """One pinned run.

    Attributes:
        name: What the visitor calls it.
        recipe: As JSON-ready values; all that is needed to make the run again.
        ratio: Mean D / mean S_var of its samples, or None where nothing was measured.
    """

    name: str
    recipe: dict[str, Any]
    ratio: float | None

    @property
    def id(self) -> str:
        """Short name that follows from the recipe alone."""
        text = json.dumps(self.recipe, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def run_ratio(run: Run) -> float | None:
    """Return mean D / mean S_var over the run's samples, as the published tables do."""
    scores = [sample.score for sample in run.samples if sample.score is not None]
    variance = math.fsum(score["semantic_variance"] for score in scores)
    diversity = math.fsum(score["diversity"] for score in scores)
    if not variance or not math.isfinite(diversity / variance):
        return None
    return diversity / variance


def detail(recipe: Mapping[str, Any]) -> str:
    """Return what was done: "s1 2, s2 1 · 25 steps · Seed 0"."""
    guidance, seeds = recipe["guidance"], recipe["seeds"]
    said = common.guidance(guidance["rule"], guidance["s1"], guidance["s2"], guidance["cfg_scale"])
    return texts.DETAIL.format(
        guidance=said,
        steps=recipe["sampler"]["num_steps"],
        seeds=common.SAMPLE.format(seed=", ".join(map(str, seeds))),
    )


def pin_of(run: Run) -> Pin:
    """Return a pin of the run, named after what it shows."""
    return Pin(str(run.recipe["object_name"])[:MAX_NAME], run.recipe, run_ratio(run))


def clean_name(found: object) -> str:
    """Return a name on one line.

    Raises:
        ValueError: It is empty or long, or no text.
    """
    name = " ".join(found.split()) if isinstance(found, str) else ""
    if not name or len(name) > MAX_NAME or not name.isprintable():
        raise ValueError(texts.BAD_NAME.format(limit=MAX_NAME))
    return name


def read_pins(stored: object) -> tuple[list[Pin], int]:
    """Return the pins that a browser kept and the number of entries that will not do.

    Whoever uses the browser can write there, so every recipe is read as a stranger's.
    """
    if not stored:
        return [], 0
    entries = stored if isinstance(stored, list) else [stored]
    pins: dict[str, Pin] = {}
    bad = 0
    for entry in entries:
        try:
            pin = _read_pin(entry)
        except (ValueError, TypeError, KeyError):
            bad += 1
            continue
        pins[pin.id] = pin
    kept = list(pins.values())[:MAX_PINS]
    return kept, bad


def _read_pin(entry: Any) -> Pin:
    from harmony.recipe import recipe_from_json, recipe_to_json

    recipe = recipe_from_json(json.dumps(entry["recipe"]))
    ratio = entry["ratio"]
    if ratio is not None and not math.isfinite(float(ratio)):
        raise ValueError(texts.UNKNOWN)
    known = json.loads(recipe_to_json(recipe))
    return Pin(clean_name(entry["name"]), known, None if ratio is None else float(ratio))


def stored_pins(pins: Sequence[Pin]) -> list[dict[str, Any]]:
    """Return what the browser keeps."""
    return [asdict(pin) for pin in pins]


def board_value(pins: Sequence[Pin], runs: Mapping[str, Run]) -> dict[str, Any]:
    """Return what the board shows.

    Args:
        pins: In the order in which they were pinned.
        runs: The visit's runs by the pin's id; a pin without one has no pictures here.
    """
    cards = []
    for pin in pins:
        run = runs.get(pin.id)
        cards.append(
            {
                "id": pin.id,
                "name": pin.name,
                "detail": detail(pin.recipe),
                "badge": badge({"ratio": pin.ratio}),
                "ratio": pin.ratio,
                "strip": "" if run is None else file_url(run.samples[0].strip),
            }
        )
    return {
        "pins": cards,
        "frames": VIEW_COUNT,
        "group": "main",
        "go": False,
        "words": texts.WORDS,
    }


@dataclass(frozen=True)
class Pins:
    """The components of the pinned runs."""

    kept: gr.BrowserState
    board: gr.HTML


def build_pins() -> Pins:
    """Lay out the board."""
    kept = gr.BrowserState([], storage_key=STORAGE_KEY, secret=SECRET)
    with gr.Accordion(texts.TITLE, open=False, elem_id="pins"):
        gr.Markdown(texts.INFO.format(limit=MAX_PINS), elem_classes="fine-print")
        board = gr.HTML(
            value=board_value((), {}),
            html_template='<div class="pn-root"></div>',
            js_on_load=script("turning.js", "pins.js"),
            apply_default_css=False,
            label=texts.TITLE,
            elem_id="pin-board",
        )
    return Pins(kept, board)
