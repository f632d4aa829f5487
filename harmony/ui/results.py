"""The right side of the page: progress, turntables, pictures, scores, mesh, downloads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr

from harmony.ui import settings, texts
from harmony.ui.fold import fold
from harmony.ui.inspector import inspector
from harmony.ui.mesh_turntable import mesh_turntable
from harmony.ui.sharing_view import build_sharing, contents_html
from harmony.ui.status import status_html
from harmony.ui.texts import inspector as inspector_texts
from harmony.ui.texts import live as live_texts
from harmony.ui.texts import pins as pin_texts
from harmony.ui.turntable import turntable


@dataclass(frozen=True)
class Results:
    """The components of the right side."""

    status: gr.HTML
    banner: gr.HTML
    back: gr.Button
    turntable: gr.HTML
    details: gr.Column
    runs: gr.Dropdown
    gallery: gr.HTML
    rename: gr.Textbox
    score_again: gr.Button
    link: gr.Textbox
    command: gr.Textbox
    recipe: gr.Code
    views_file: gr.DownloadButton
    recipe_file: gr.DownloadButton
    shown: gr.State
    pin: gr.Button
    quality: gr.Radio
    reconstruct: gr.Button
    mesh_stop: gr.Button
    mesh_status: gr.HTML
    mesh_view: gr.Model3D
    mesh_turntable: gr.HTML
    mesh_format: gr.Radio
    mesh_file: gr.DownloadButton

    @property
    def on_show(self) -> list[gr.Component | gr.Column]:
        """Everything that changes when another run is put on show."""
        return [
            *self.of_example,
            *(self.runs, self.recipe_file, self.shown),
            *(self.gallery, self.views_file, self.mesh_view, self.mesh_file),
            *(self.mesh_status, self.mesh_turntable),
        ]

    @property
    def of_example(self) -> list[gr.Component | gr.Column]:
        """Everything that changes when a shipped result or a live answer is put on show."""
        return [self.status, self.banner, self.back, self.turntable, self.details]


def _mesh(qualities: Sequence[str]) -> dict[str, gr.Component]:
    with gr.Row(elem_classes="run-row"):
        quality = gr.Radio(
            [(texts.QUALITY_NAMES[key], key) for key in qualities],
            value=qualities[0],
            label=texts.QUALITY,
            info=texts.FINE_TIME if "fine" in qualities else None,
            elem_id="quality",
        )
        mesh_format = gr.Radio(
            [(name.upper(), name) for name in settings.MESH_FORMATS],
            value="glb",
            label=texts.MESH_FORMAT,
            elem_id="mesh-format",
        )
    with gr.Row(elem_classes="run-row"):
        reconstruct = gr.Button(
            texts.RECONSTRUCT, variant="primary", scale=3, elem_id="reconstruct"
        )
        mesh_stop = gr.Button(
            texts.STOP, interactive=False, scale=1, min_width=90, elem_id="mesh-stop"
        )
    mesh_status = gr.HTML(elem_id="mesh-status", js_on_load=None)
    mesh_view = gr.Model3D(
        label=texts.MODEL_3D, height=420, visible=False, buttons=[], elem_id="mesh-view"
    )
    turning = mesh_turntable()
    mesh_file = gr.DownloadButton(
        texts.DOWNLOAD_MESH.format(format="GLB"), visible=False, elem_id="mesh-file"
    )
    return {
        "quality": quality,
        "reconstruct": reconstruct,
        "mesh_stop": mesh_stop,
        "mesh_status": mesh_status,
        "mesh_view": mesh_view,
        "mesh_turntable": turning,
        "mesh_format": mesh_format,
        "mesh_file": mesh_file,
    }


def build_results(
    *,
    qualities: Sequence[str],
    text: str = texts.READY,
    value: dict[str, Any] | None = None,
) -> Results:
    """Lay out the right side; call it inside a `gr.Column`.

    Args:
        qualities: Of a mesh, as the engine offers them.
        text: The status line at first paint.
        value: What the turntables show at first paint.
    """
    with gr.Column(elem_id="told"):
        status = gr.HTML(status_html(text), elem_id="status", js_on_load=None)
        with gr.Row(elem_id="on-show", equal_height=True):
            banner = gr.HTML(elem_id="banner", js_on_load=None)
            back = gr.Button(
                live_texts.BACK, size="sm", scale=0, min_width=240, visible=False, elem_id="back"
            )
    samples = turntable(value, elem_id="turntables", label=texts.RESULT)
    with gr.Column(visible=False, elem_id="details") as details:
        with gr.Row(elem_classes="run-row"):
            views_file = gr.DownloadButton(texts.DOWNLOAD_VIEWS, elem_id="views-file")
            recipe_file = gr.DownloadButton(texts.DOWNLOAD_RECIPE, elem_id="recipe-file")
            pin = gr.Button(pin_texts.PIN, elem_id="pin")
        gr.HTML(contents_html(), elem_id="zip-contents", js_on_load=None)
        runs = gr.Dropdown([], label=texts.RUNS, interactive=True, elem_id="runs")
        with gr.Accordion(inspector_texts.TITLE, open=False, elem_id="all-views"):
            gallery = inspector(elem_id="gallery")
            gr.Markdown(texts.CD_EXPLAINED, elem_classes="fine-print")
        link, command, recipe = build_sharing()
        with fold(texts.MEASURE, "measure"):
            rename = gr.Textbox(
                "object",
                label=texts.OBJECT_NAME,
                info=texts.OBJECT_NAME_INFO,
                max_length=settings.MAX_NAME,
                elem_id="rename",
            )
            score_again = gr.Button(texts.SCORE_AGAIN, elem_id="score-again")
        with gr.Column(elem_classes=["card", "padded"]):
            gr.Markdown(f"### {texts.MESH}")
            mesh = _mesh(qualities)
    return Results(
        status=status,
        banner=banner,
        back=back,
        turntable=samples,
        details=details,
        runs=runs,
        gallery=gallery,
        rename=rename,
        score_again=score_again,
        link=link,
        command=command,
        recipe=recipe,
        views_file=views_file,
        recipe_file=recipe_file,
        shown=gr.State(),
        pin=pin,
        **mesh,  # pyright: ignore[reportArgumentType]
    )
