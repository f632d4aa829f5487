"""The engine over several GPUs: the model's work goes to worker processes, one for each.

Cut-outs and meshes, which need no GPU, stay in the server's own process.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harmony.background import CutoutModels
from harmony.serving.json_log import log_as_json
from harmony.serving.workers import WorkerPool
from harmony.ui.engine import Engine, Known
from harmony.ui.events import Event
from harmony.ui.live import NO_OFFER, LiveOffer, LivePainted, LivePicture, LiveRequest
from harmony.ui.settings import Framing, Settings
from harmony.ui.student import Student
from harmony.ui.visits import Run

if TYPE_CHECKING:
    from harmony.models.base import NoiseSchedule


class WorkerEngine:
    """What a worker offers: the engine, and a way to load its models ahead of the first run."""

    def __init__(self, make: Callable[[], Engine]) -> None:
        """Make the worker's own engine; the worker logs as the server does."""
        log_as_json()
        self._engine = make()
        self.generate, self.recipe = self._engine.generate, self._engine.recipe
        self.score, self.suggest_name = self._engine.score, self._engine.suggest_name

    def live(self, picture: LivePicture, request: LiveRequest) -> Iterator[LivePainted | None]:
        """Let the student paint a picture that was made ready elsewhere."""
        student = self._student
        yield from student.paint(student.encoded(picture), request)

    def live_size(self) -> int:
        """Return the side of the reference that the student wants."""
        return self._student.model.get().image_size

    @property
    def _student(self) -> Student:
        assert self._engine.student is not None  # the server asks only where there is one
        return self._engine.student

    def load(self) -> str:
        """Load the models and the code of a run; returns the name of the device."""
        if self._engine.student is not None:
            self._engine.student.model.get()
        importlib.import_module("harmony.ui.painting")
        return str(self._engine.model.get().device)


@dataclass(frozen=True)
class RemoteModel:
    """Stands for the models in the workers; only the status line and the estimate ask for it."""

    device: str
    schedule: NoiseSchedule | None = None


@dataclass(frozen=True)
class RemoteStudent:
    """Stands for the students in the workers; a picture is framed for it."""

    image_size: int


class PooledStudent(Student):
    """A student in the workers: pictures are made ready here and encoded there, which is quick."""

    def __init__(self, pool: WorkerPool, cutouts: CutoutModels) -> None:
        """Use the pool of the page."""
        super().__init__(lambda: RemoteStudent(pool.call("live_size")), cutouts)
        self._pool = pool

    def encoded(self, picture: LivePicture) -> LivePicture:
        """Return the picture as it is."""
        return picture

    def paint(self, picture: LivePicture, request: LiveRequest) -> Iterator[LivePainted | None]:
        """Paint in a free worker; see `Student.paint`."""
        yield from self._pool.run("live", picture, request)


class PooledEngine(Engine):
    """An engine whose model works in the workers of a pool."""

    def __init__(
        self,
        *,
        model_name: str,
        rules: Sequence[str],
        pool: WorkerPool,
        live: LiveOffer = NO_OFFER,
        known: Known | None = None,
    ) -> None:
        """Use a pool of `WorkerEngine`s.

        Args:
            model_name: Shown on the page.
            rules: Guidance rules that the model serves.
            pool: The workers.
            live: Whether their engines have a student, and why not.
            known: What is known before they are loaded.
        """

        def load() -> Any:
            devices = pool.start("load")
            return RemoteModel(f"{len(devices)} × {devices[0].partition(':')[0]}")

        super().__init__(
            model_name=model_name,
            load_model=load,
            load_scorer=None,
            rules=rules,
            live=live,
            known=known,
        )
        self.student = None if live.load is None else PooledStudent(pool, self._cutouts)
        self._pool = pool

    def hardware(self) -> str:
        """Return the workers' devices."""
        return str(self.model.get().device)

    def guess(self, settings: Settings) -> float | None:
        """Return None: the workers' speed is known once they have worked."""
        return None

    def generate(self, picture: Path, settings: Settings, folder: Path) -> Iterator[Event]:
        """Paint one sample for each seed, in a free worker; see `Engine.generate`."""
        yield from self._pool.run("generate", picture, settings, folder)

    def peek(self, picture: Path, settings: Settings, new_folder: Callable[[], Path]) -> Run | None:
        """Return None: what was made before is known to the workers, and they may be busy."""
        return None

    def recipe(self, picture: Path, settings: Settings) -> dict[str, Any]:
        """Return the recipe of a run; see `Engine.recipe`."""
        return self._pool.call("recipe", picture, settings)

    def score(self, views_zip: Path, object_name: str) -> dict[str, Any]:
        """Return the CD score of a zip of views; see `Engine.score`."""
        return self._pool.call("score", views_zip, object_name)

    def suggest_name(self, picture: Path, framing: Framing) -> str:
        """Return the scorer's guess of what the picture shows; see `Engine.suggest_name`."""
        return self._pool.call("suggest_name", picture, framing)

    def close(self) -> None:
        """End the workers."""
        self._pool.close()
