"""Faults that nobody's input caused: each is injected, and the next visitor is served."""

from __future__ import annotations

import errno
import logging
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image, ImageDraw

from harmony.ui.engine import Engine
from harmony.ui.errors import MAX_SENTENCE, as_error, in_plain_words
from harmony.ui.events import RunReady, Step
from harmony.ui.settings import Framing, Settings
from harmony.ui.texts import faults as texts
from tests.page_fakes import PageDenoiser, PixelScorer, fake_engine

SETTINGS = Settings(
    Framing("none", 0.8, 30.0), "decomposed", 2.0, 1.0, 1.0, "ddim", 3, 1.0, 2, 0, "mug"
)


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    image = Image.new("RGBA", (64, 64))
    ImageDraw.Draw(image).ellipse((8, 8, 56, 56), fill="red")
    image.save(tmp_path / "ball.png")
    return tmp_path / "ball.png"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "run").mkdir()
    return tmp_path / "run"


class FailingOnce(PageDenoiser):
    """Raises at one step of one network's life; the next network is sound."""

    def __init__(self, error: Exception | None, at: int = 4) -> None:
        super().__init__()
        self.error, self.at = error, at

    def predict(self, latents, timestep, condition, branches):
        if len(self.calls) == self.at and self.error is not None:
            raise self.error
        return super().predict(latents, timestep, condition, branches)


class Loads:
    """Counts how often the model is loaded; only the first one fails."""

    def __init__(self, error: Exception) -> None:
        self.error, self.count = error, 0

    def engine(self) -> Engine:
        return Engine(model_name="fake", load_model=self, load_scorer=PixelScorer)  # pyright: ignore[reportArgumentType]

    def __call__(self) -> PageDenoiser:
        self.count += 1
        return FailingOnce(self.error if self.count == 1 else None)


CUDA = torch.AcceleratorError if hasattr(torch, "AcceleratorError") else RuntimeError
DEVICE_ERRORS = {
    "cuda": lambda: CUDA("CUDA error: an illegal memory access was encountered"),
    "cudnn": lambda: RuntimeError("cuDNN error: CUDNN_STATUS_EXECUTION_FAILED"),
    "kernel": lambda: NotImplementedError("no such kernel"),
}


@pytest.mark.parametrize("kind", list(DEVICE_ERRORS))
def test_after_a_device_error_the_model_is_loaded_afresh(kind, picture, folder, tmp_path, caplog):
    loads = Loads(DEVICE_ERRORS[kind]())
    engine = loads.engine()
    run = engine.generate(picture, SETTINGS, folder)
    with pytest.raises(ValueError, match="failed while it computed") as failed:
        list(run)
    assert str(failed.value).endswith(".")
    assert "dropped" in caplog.text
    assert engine.model.state == "asleep"
    # Nothing half made is left: the first seed's files were on the disk already.
    assert not folder.exists()
    (tmp_path / "next").mkdir()
    events = list(engine.generate(picture, SETTINGS, tmp_path / "next"))
    assert isinstance(events[-1], RunReady)
    assert len(events[-1].run.samples) == 2
    assert loads.count == 2


def test_a_failure_does_not_touch_what_others_have(picture, folder, tmp_path):
    loads = Loads(RuntimeError("CUDA error: device-side assert triggered"))
    loads.count = 1
    engine = loads.engine()
    (ready,) = (e for e in engine.generate(picture, SETTINGS, folder) if isinstance(e, RunReady))
    before = {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()}
    engine.model.drop()
    loads.count = 0
    (tmp_path / "failing").mkdir()
    with pytest.raises(ValueError, match="loaded afresh"):
        list(engine.generate(picture, replace(SETTINGS, first_seed=50), tmp_path / "failing"))
    assert {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()} == before
    assert engine.score(ready.run.samples[0].views_zip, "mug")["diversity"] > 0


def test_what_a_visitor_asked_wrongly_does_not_drop_the_model(picture, folder):
    engine = fake_engine()
    engine.model.get()
    with pytest.raises(ValueError, match="picture"):
        list(engine.generate(picture.with_name("absent.png"), SETTINGS, folder))
    assert engine.model.state == "ready"


def test_stop_keeps_the_finished_samples(picture, folder):
    run = fake_engine().generate(picture, SETTINGS, folder)
    for event in run:
        if isinstance(event, Step) and event.pass_index == 1:
            break
    run.close()  # pyright: ignore[reportAttributeAccessIssue]
    assert list(folder.rglob("*.webp"))


class FullDisk:
    """Lets some writes through, then the disk is full."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, room: int) -> None:
        self.room, self.write = room, zipfile.ZipFile.writestr
        monkeypatch.setattr(zipfile.ZipFile, "writestr", lambda *args: self(*args))

    def __call__(self, archive: zipfile.ZipFile, *args) -> None:
        self.room -= 1
        if self.room < 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        self.write(archive, *args)


@pytest.mark.parametrize("room", [0, 5, 40])
def test_a_full_disk_fails_the_run_with_a_sentence(room, picture, folder, tmp_path, monkeypatch):
    engine = fake_engine()
    (tmp_path / "earlier").mkdir()
    list(engine.generate(picture, SETTINGS, tmp_path / "earlier"))
    earlier = {
        file: file.read_bytes() for file in (tmp_path / "earlier").rglob("*.*") if file.is_file()
    }
    changed = replace(SETTINGS, first_seed=100)
    FullDisk(monkeypatch, room)
    with pytest.raises(Exception, match="disk is full") as failed:
        list(in_plain_words(engine.generate)(picture, changed, folder))
    assert str(tmp_path) not in str(failed.value)
    assert not folder.exists()
    monkeypatch.undo()
    now = {
        file: file.read_bytes() for file in (tmp_path / "earlier").rglob("*.*") if file.is_file()
    }
    assert now == earlier
    folder.mkdir()
    assert isinstance(list(engine.generate(picture, changed, folder))[-1], RunReady)


def test_a_mesh_file_is_whole_or_not_there(tmp_path, monkeypatch):
    from harmony.reconstruction import files
    from harmony.ui.mesh_files import MeshFiles

    def half(mesh, path, **options):
        path.write_bytes(b"half of it")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(files, "write_mesh", half)
    made = MeshFiles(None, None, tmp_path)  # pyright: ignore[reportArgumentType]
    for name in ("glb", "obj"):
        with pytest.raises(OSError, match="No space"):
            made.get(name)
    assert list(tmp_path.iterdir()) == []


def test_memory_that_runs_out_of_python_is_said():
    assert str(as_error(MemoryError()).message) == texts.NO_MEMORY


def test_what_nobody_planned_is_logged_and_told_without_its_insides(caplog):
    with caplog.at_level(logging.ERROR):
        told = as_error(KeyError("/srv/secret"))
    assert "KeyError" in told.message
    assert "secret" not in told.message
    assert "secret" in caplog.text


def test_a_sentence_is_one_line_of_plain_text():
    hostile = "The link says <img src=x onerror=alert(1)>\n\x1b[31m" + "9" * 5000
    told = as_error(ValueError(hostile)).message
    assert "<" not in told
    assert told.isprintable()
    assert len(told) <= MAX_SENTENCE + 12
