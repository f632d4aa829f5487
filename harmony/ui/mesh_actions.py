"""What the controls of the mesh do."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import gradio as gr

from harmony.serving.lane import Place
from harmony.ui import settings, texts
from harmony.ui.actions import Updates, session_of
from harmony.ui.clock import ShareClock
from harmony.ui.engine import Engine
from harmony.ui.errors import in_plain_words
from harmony.ui.events import MeshReady
from harmony.ui.mesh_files import MeshFiles
from harmony.ui.mesh_shelf import mesh_key
from harmony.ui.mesh_turntable import mesh_turntable_value
from harmony.ui.results import Results
from harmony.ui.status import status_html, waiting_html
from harmony.ui.texts import mesh as mesh_texts
from harmony.ui.visits import SampleFiles, Visits


class MeshActions:
    """Handlers of the mesh part."""

    def __init__(self, engine: Engine, visits: Visits, results: Results) -> None:
        """Bind the handlers to the page's components."""
        self.engine, self.visits, self.results = engine, visits, results

    def buttons(self, *, running: bool) -> Updates:
        """Return Build and Stop as they stand while a mesh is made or not."""
        return {
            self.results.reconstruct: gr.update(interactive=not running),
            self.results.mesh_stop: gr.update(interactive=running),
        }

    def waiting(self, place: Place) -> Updates:
        """Say where in the queue the mesh waits; Stop takes it out."""
        return self.buttons(running=True) | {self.results.mesh_status: waiting_html(place)}

    @in_plain_words
    def reconstruct(self, request: gr.Request, quality: str) -> Iterator[Updates]:
        """Build the mesh of the chosen sample, or fetch the one built before."""
        visit = self.visits.of(session_of(request))
        sample = visit.sample
        if sample is None:
            raise ValueError(texts.NO_SAMPLE)
        key = mesh_key(sample.views_zip, quality)
        known = visit.meshes.get(key)
        if known is not None:
            visit.mesh = known.files
            yield self._done(known, sample, again=True)
            return
        yield self.buttons(running=True)
        folder, clock = visit.new_folder(), ShareClock()
        for event in self.engine.reconstruct(sample.views_zip, quality, folder):
            if isinstance(event, MeshReady):
                visit.meshes.put(key, event, folder)
                visit.mesh = event.files
                yield self._done(event, sample)
            else:
                text = stage_text(event.text, clock.left(event.fraction))
                yield {
                    self.results.mesh_status: status_html(text, fraction=event.fraction),
                }

    def _done(self, mesh: MeshReady, sample: SampleFiles, *, again: bool = False) -> Updates:
        """Return the page with a finished mesh, but for the viewer."""
        text = " ".join([done_text(mesh), *([mesh_texts.AGAIN] if again else [])])
        return self.buttons(running=False) | {
            self.results.mesh_status: status_html(text),
            self.results.mesh_file: self._download(mesh.files, "glb"),
            self.results.mesh_turntable: gr.update(
                value=mesh_turntable_value(sample.strip, mesh.strips, mesh.report), visible=True
            ),
        }

    def unfold(self) -> Any:
        """Make room for the mesh.

        Only then comes the mesh itself (`show`): a viewer of Gradio 6.31 that appears together
        with its value is told the value twice and drops the canvas that it is still loading.
        """
        return gr.update(visible=True)

    def show(self, request: gr.Request) -> Any:
        """Put the finished mesh on show."""
        files = self.visits.of(session_of(request)).mesh
        return files.get("glb") if files else None

    @in_plain_words
    def offer(self, request: gr.Request, mesh_format: str) -> Any:
        """Offer the finished mesh in the format that is chosen by now; it is there as GLB already."""
        files = self.visits.of(session_of(request)).mesh
        if files is None or mesh_format == "glb":
            return gr.skip()
        return self._download(
            files, settings.choice(texts.MESH_FORMAT, mesh_format, settings.MESH_FORMATS)
        )

    @in_plain_words
    def choose_format(self, request: gr.Request, mesh_format: str) -> Iterator[Updates]:
        """Offer the mesh in another format, which may have to be written first."""
        files = self.visits.of(session_of(request)).mesh
        if files is None:
            return
        name = settings.choice(texts.MESH_FORMAT, mesh_format, settings.MESH_FORMATS)
        writing = mesh_texts.STAGE.format(stage=texts.WRITING_MESH.format(format=name.upper()))
        yield {
            self.results.mesh_status: status_html(writing, busy=True),
            self.results.mesh_file: gr.update(interactive=False),
        }
        download = self._download(files, name)
        yield {
            self.results.mesh_status: status_html(texts.MESH_WRITTEN.format(format=name.upper())),
            self.results.mesh_file: download,
        }

    @staticmethod
    def _download(files: MeshFiles, mesh_format: str) -> Any:
        label = texts.DOWNLOAD_MESH.format(format=mesh_format.upper())
        return gr.update(value=files.get(mesh_format), label=label, visible=True, interactive=True)

    def stopped(self) -> Updates:
        """Say that no mesh was made."""
        return self.buttons(running=False) | {
            self.results.mesh_status: status_html(texts.STOPPED_EARLY)
        }

    def failed(self) -> Updates:
        """Let the visitor try again."""
        return self.buttons(running=False) | {self.results.mesh_status: status_html(texts.FAILED)}


def stage_text(stage: str, left: float | None) -> str:
    """Return what is being done and, once that can be told, how long the rest takes."""
    if left is None:
        return mesh_texts.STAGE.format(stage=stage)
    return mesh_texts.STAGE_LEFT.format(stage=stage, time=texts.duration(left))


def done_text(mesh: MeshReady) -> str:
    """Return the figures of a finished mesh in a sentence or two."""
    report = mesh.report
    ious = report["view_ious"]
    step = 360 / len(ious)
    text = mesh_texts.DONE.format(
        faces=report["faces"],
        time=texts.duration(mesh.seconds),
        closed=mesh_texts.CLOSED if report["watertight"] else mesh_texts.OPEN,
        agreement=mesh_texts.percent(report["silhouette_iou"]),
        worst=mesh_texts.percent(min(ious)),
        azimuth=f"{ious.index(min(ious)) * step:g}",
    )
    rejected = [f"{view * step:g}°" for view in report["rejected_views"]]
    return f"{text} {mesh_texts.REJECTED.format(views=', '.join(rejected))}" if rejected else text
