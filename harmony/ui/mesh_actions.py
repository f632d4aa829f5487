"""What the controls of the mesh do."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import gradio as gr

from harmony.serving.lane import Place
from harmony.ui import settings, texts
from harmony.ui.actions import Updates, session_of
from harmony.ui.engine import Engine
from harmony.ui.errors import in_plain_words
from harmony.ui.events import MeshReady
from harmony.ui.mesh_files import MeshFiles
from harmony.ui.results import Results
from harmony.ui.status import status_html, waiting_html
from harmony.ui.visits import Visits


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
        """Build the mesh of the chosen sample."""
        visit = self.visits.of(session_of(request))
        sample = visit.sample
        if sample is None:
            raise ValueError(texts.NO_SAMPLE)
        yield self.buttons(running=True)
        status = self.results.mesh_status
        for event in self.engine.reconstruct(sample.views_zip, quality, visit.new_folder()):
            if isinstance(event, MeshReady):
                visit.mesh = event.files
                text = texts.MESH_DONE.format(
                    faces=event.report["faces"], time=texts.duration(event.seconds)
                )
                yield self.buttons(running=False) | {
                    status: status_html(text),
                    self.results.mesh_format: "glb",
                    self.results.mesh_file: self._download(event.files, "glb"),
                }
            else:
                text = texts.RECONSTRUCTING.format(stage=event.text)
                yield {status: status_html(text, fraction=event.fraction)}

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
    def choose_format(self, request: gr.Request, mesh_format: str) -> Iterator[Updates]:
        """Offer the mesh in another format, which may have to be written first."""
        files = self.visits.of(session_of(request)).mesh
        if files is None:
            return
        name = settings.choice(texts.MESH_FORMAT, mesh_format, settings.MESH_FORMATS)
        writing = texts.RECONSTRUCTING.format(stage=texts.WRITING_MESH.format(format=name.upper()))
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
