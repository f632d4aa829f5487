"""The left side of the page: the picture, the dials, Generate and Stop."""

from __future__ import annotations

from abc import ABCMeta
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr

from harmony.painting.painter import Painter
from harmony.ui import settings, texts
from harmony.ui.coach import coach, elevation_sketch
from harmony.ui.describe import DESCRIBE, PICTURE, Describe, build_describe
from harmony.ui.examples import Example, example_row
from harmony.ui.fold import fold
from harmony.ui.live import NO_OFFER, OFF, STEP_COUNTS, LiveOffer
from harmony.ui.offers import cutout_choices
from harmony.ui.texts import describe as describe_texts
from harmony.ui.texts import dials as dial_texts
from harmony.ui.texts import live as live_texts
from harmony.ui.turntable import script


def _preprocess(self: gr.Image, payload: Any) -> Any:
    """Return the path of the file as it was given; the engine reads and judges it."""
    if payload is not None and payload.path and not (payload.url or "").startswith("data:"):
        return payload.path
    return gr.Image.preprocess(self, payload)


# An image input that hands over the file untouched: its bytes belong to the recipe, and the
# engine refuses a damaged one in plainer words. A `class` statement would make Gradio write a
# stub file beside this one, and Gradio makes such inputs anew from their class, so that a method
# set on one instance would be lost.
FileImage = ABCMeta.__new__(type(gr.Image), "Image", (gr.Image,), {"preprocess": _preprocess})


@dataclass(frozen=True)
class Defaults:
    """Where the dials stand when the page opens; the model recommends them.

    Attributes:
        why: A sentence that is shown below the dials, or nothing.
    """

    rule: str = "decomposed"
    s1: float = 2.0
    s2: float = 1.0
    cfg_scale: float = 1.0
    sampler: str = "ddim"
    num_steps: int = 50
    eta: float = 1.0
    instances: int = 1
    foreground: float = 0.8
    elevation_deg: float = 30.0
    cutout: str = "u2netp"
    why: str = ""


@dataclass(frozen=True)
class Inputs:
    """The components of the left side."""

    picture: gr.Image
    examples: gr.HTML
    cutout_view: gr.HTML
    warnings: gr.Markdown
    s1: gr.Slider
    s2: gr.Slider
    instances: gr.Slider
    rule: gr.Dropdown
    cfg_scale: gr.Slider
    sampler: gr.Dropdown
    num_steps: gr.Slider
    eta: gr.Slider
    first_seed: gr.Number
    random_seed: gr.Checkbox
    live: gr.Radio
    refine: gr.Checkbox
    asked: gr.State
    wire: gr.HTML
    elevation_deg: gr.Slider
    foreground: gr.Slider
    cutout: gr.Dropdown
    object_name: gr.Textbox
    suggest: gr.Button
    recipe: gr.File
    generate: gr.Button
    stop: gr.Button
    estimate: gr.HTML
    describe: Describe | None = None

    @property
    def framing(self) -> list[gr.Component]:
        """What `Framing` is made of, in its order."""
        return [self.cutout, self.foreground, self.elevation_deg]

    @property
    def dials(self) -> list[gr.Component]:
        """What `Settings` is made of, in its order."""
        return [
            *self.framing,
            self.rule,
            self.s1,
            self.s2,
            self.cfg_scale,
            self.sampler,
            self.num_steps,
            self.eta,
            self.instances,
            self.first_seed,
            self.object_name,
        ]


def _picture(examples: Sequence[Example]) -> dict[str, Any]:
    picture = FileImage(
        label=texts.PICTURE,
        type="filepath",
        image_mode=None,
        format="png",
        sources=["upload", "webcam", "clipboard"],
        height=210,
        placeholder=texts.PICTURE_HINT,
        alt_text=texts.PICTURE,
        buttons=[],
        elem_id="picture",
    )
    row = example_row(examples)
    cutout_view = coach(elem_id="cutout")
    warnings = gr.Markdown(visible=False, elem_id="warnings")
    return {
        "picture": picture,
        "examples": row,
        "cutout_view": cutout_view,
        "warnings": warnings,
    }


def _live_dials(offer: LiveOffer) -> dict[str, Any]:
    live = gr.Radio(
        list(live_texts.CHOICES),
        value=max(STEP_COUNTS) if offer.load else OFF,
        label=live_texts.LIVE,
        info=live_texts.LIVE_INFO,
        visible=offer.load is not None,
        elem_id="live",
    )
    label, info = (
        (live_texts.REFINE, live_texts.REFINE_INFO)
        if offer.load
        else (dial_texts.RUN_ON_RELEASE, dial_texts.RUN_ON_RELEASE_INFO)
    )
    refine = gr.Checkbox(False, label=label, info=info, elem_id="refine")
    if offer.why_not:
        gr.Markdown(offer.why_not, elem_classes="fine-print", elem_id="live-off")
    wire = gr.HTML(
        value={},
        html_template="",
        js_on_load=script("wire.js") if offer.load else None,
        apply_default_css=False,
        elem_id="wire",
    )
    return {"live": live, "refine": refine, "asked": gr.State(0), "wire": wire}


def _main_dials(start: Defaults, offer: LiveOffer) -> dict[str, Any]:
    with gr.Group(elem_classes="card"):
        s1 = gr.Slider(
            0, settings.MAX_S1, start.s1, step=0.1, label=texts.S1, info=texts.S1_INFO, elem_id="s1"
        )
        s2 = gr.Slider(
            0, settings.MAX_S2, start.s2, step=0.1, label=texts.S2, info=texts.S2_INFO, elem_id="s2"
        )
        instances = gr.Slider(
            1,
            settings.MAX_INSTANCES,
            start.instances,
            step=1,
            precision=0,
            label=texts.INSTANCES,
            info=texts.INSTANCES_INFO,
            elem_id="instances",
        )
        live = _live_dials(offer)
    if start.why:
        gr.Markdown(start.why, elem_classes="fine-print")
    return {"s1": s1, "s2": s2, "instances": instances, **live}


def _advanced_run(start: Defaults, rules: Sequence[str]) -> dict[str, Any]:
    rule = gr.Dropdown(
        [(texts.RULES[key], key) for key in rules],
        value=start.rule,
        label=texts.RULE,
        elem_id="rule",
    )
    cfg_scale = gr.Slider(
        0,
        settings.MAX_S1,
        start.cfg_scale,
        step=0.1,
        label=texts.CFG,
        info=texts.CFG_INFO,
        visible=start.rule == "cfg",
        elem_id="cfg-scale",
    )
    num_steps = gr.Slider(
        1,
        settings.MAX_STEPS,
        start.num_steps,
        step=1,
        precision=0,
        label=texts.NUM_STEPS,
        info=texts.NUM_STEPS_INFO,
        elem_id="steps",
    )
    sampler = gr.Dropdown(
        list(settings.SAMPLERS), value=start.sampler, label=texts.SAMPLER, elem_id="sampler"
    )
    eta = gr.Slider(0, 1, start.eta, step=0.05, label=texts.ETA, info=texts.ETA_INFO, elem_id="eta")
    with gr.Row():
        first_seed = gr.Number(
            0,
            label=texts.FIRST_SEED,
            precision=0,
            minimum=0,
            maximum=settings.MAX_SEED,
            min_width=120,
            elem_id="seed",
        )
        random_seed = gr.Checkbox(False, label=texts.RANDOM_SEED, min_width=160)
    return {
        "rule": rule,
        "cfg_scale": cfg_scale,
        "num_steps": num_steps,
        "sampler": sampler,
        "eta": eta,
        "first_seed": first_seed,
        "random_seed": random_seed,
    }


def _advanced_picture(start: Defaults, cutouts: Sequence[str]) -> dict[str, Any]:
    elevation = gr.Slider(
        -90,
        90,
        start.elevation_deg,
        step=1,
        label=texts.ELEVATION,
        info=texts.ELEVATION_INFO,
        elem_id="elevation",
    )
    elevation_sketch(start.elevation_deg, elem_id="elevation-sketch")
    foreground = gr.Slider(
        0.1,
        1.0,
        start.foreground,
        step=0.01,
        label=texts.FOREGROUND,
        info=texts.FOREGROUND_INFO,
        elem_id="foreground",
    )
    cutout = gr.Dropdown(
        cutout_choices(cutouts),
        value=start.cutout,
        label=texts.CUTOUT_MODEL,
        info=texts.CUTOUT_MODEL_INFO,
        elem_id="cutout-model",
    )
    object_name = gr.Textbox(
        "object",
        label=texts.OBJECT_NAME,
        info=texts.OBJECT_NAME_INFO,
        max_length=settings.MAX_NAME,
        elem_id="object-name",
    )
    suggest = gr.Button(texts.SUGGEST_NAME, size="sm")
    recipe = gr.File(
        label=texts.RESTORE, file_types=[".json", ".png"], height=110, elem_id="restore"
    )
    return {
        "elevation_deg": elevation,
        "foreground": foreground,
        "cutout": cutout,
        "object_name": object_name,
        "suggest": suggest,
        "recipe": recipe,
    }


def build_inputs(
    *,
    start: Defaults,
    cutouts: Sequence[str],
    rules: Sequence[str],
    examples: Sequence[Example],
    painter: Painter | None = None,
    live: LiveOffer = NO_OFFER,
) -> Inputs:
    """Lay out the left side; call it inside a `gr.Column`."""
    describe = None
    if painter is None:
        parts = _picture(examples)
    else:
        with gr.Tabs(selected=PICTURE, elem_id="source") as tabs:
            with gr.Tab(describe_texts.PICTURE_TAB, id=PICTURE):
                parts = _picture(examples)
            gr.Tab(describe_texts.TAB, id=DESCRIBE)
        describe = build_describe(painter, tabs)
    parts |= _main_dials(start, live)
    with gr.Row(elem_id="run-row", elem_classes="run-row"):
        generate = gr.Button(texts.GENERATE, variant="primary", scale=3, elem_id="generate")
        stop = gr.Button(texts.STOP, interactive=False, scale=1, min_width=90, elem_id="stop")
    estimate = gr.HTML(elem_id="estimate", js_on_load=None)
    with fold(texts.ADVANCED, "advanced"):
        parts |= _advanced_run(start, rules)
        parts |= _advanced_picture(start, cutouts)
    return Inputs(generate=generate, stop=stop, estimate=estimate, describe=describe, **parts)
