"""What one visitor made: files in a folder with a name that nobody can guess, gone on leaving."""

from __future__ import annotations

import secrets
import shutil
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harmony.serving.shelf import MAX_BYTES, Shelf
from harmony.ui.live import LiveMemory
from harmony.ui.mesh_files import MeshFiles
from harmony.ui.mesh_shelf import MeshShelf
from harmony.ui.settings import Settings

KEEP_RUNS = 8
IDLE_SECONDS = 12 * 3600.0
LENT_SECONDS = 3600.0
"""How long a program may fetch the files of its call."""


@dataclass(frozen=True)
class SampleFiles:
    """One sample of a finished run.

    Attributes:
        seed: Its seed.
        pictures: Its sixteen views (PNG), by azimuth.
        strip: The same in one strip (WebP).
        views_zip: Its sixteen views, as written by `harmony.export`.
        score: Figures of the CD score by name, or None if it was not measured.
        measures: Other figures by name, see `harmony.ui.measuring.measure`.
    """

    seed: int
    pictures: tuple[Path, ...]
    strip: Path
    views_zip: Path
    score: dict[str, Any] | None
    measures: Mapping[str, float | None] = field(default_factory=dict)


@dataclass(frozen=True)
class Run:
    """One finished run.

    Attributes:
        id: Folder's name; unguessable.
        title: What a visitor calls it.
        settings: What the dials said.
        recipe: Recipe as JSON-ready values.
        recipe_file: The same on disk.
        samples: In the order of the seeds.
        seconds: How long it took.
        spread: How much its seeds differ, or None where there is one or nothing was measured.
    """

    id: str
    title: str
    settings: Settings
    recipe: dict[str, Any]
    recipe_file: Path
    samples: tuple[SampleFiles, ...]
    seconds: float
    spread: float | None = None


@dataclass
class Visit:
    """The files and runs of one visitor.

    Attributes:
        folder: Theirs alone.
        runs: The last `KEEP_RUNS` by id.
        cells: Runs of the map by `harmony.ui.parameter_map.cell_key`.
        current: Id of the run on show.
        previous: Id of the one before, while a new one is made.
        chosen: Index of the chosen sample.
        last_step: Step and number of steps of the run that is made or was stopped.
        state: Of the run for the turntable: "idle", "running", "stopped" by hand, or "broken".
        refining: Whether the run that is made follows a live answer, so that a dial may stop it.
        replaced: Counts up when a newer run takes the place of the one that is being made.
        task: Which other work is being done: "map", "compare" or "".
        mesh: Files of the mesh on show.
        live: What the live dials remember.
        used_at: On the clock of `Visits`.
        idle_seconds: How long it is kept unused.
        shelf: Counts the bytes of all visits, or None.
        key: Told to their page alone, which shows it where it asks past Gradio.
    """

    folder: Path
    runs: OrderedDict[str, Run] = field(default_factory=OrderedDict)
    cells: dict[str, Run] = field(default_factory=dict)
    pinned: set[str] = field(default_factory=set)
    pins: list[Any] | None = None
    current: str | None = None
    previous: str | None = None
    chosen: int = 0
    last_step: tuple[int, int] | None = None
    state: str = "idle"
    refining: bool = False
    replaced: int = 0
    task: str = ""
    mesh: MeshFiles | None = None
    meshes: MeshShelf = field(default_factory=MeshShelf)
    live: LiveMemory = field(default_factory=LiveMemory)
    used_at: float = 0.0
    idle_seconds: float = IDLE_SECONDS
    shelf: Shelf | None = None
    key: str = field(default_factory=lambda: secrets.token_urlsafe(18))

    def new_folder(self) -> Path:
        """Make a folder for one result; fails once the visit is closed."""
        folder = self.folder / secrets.token_urlsafe(18)
        folder.mkdir()
        if self.shelf is not None:
            self.shelf.add(folder)
        return folder

    def forget(self, folder: Path) -> None:
        """Let go of the results in a folder that is no more."""
        if self.runs.pop(folder.name, None) is not None and self.current == folder.name:
            self.current = None
        for key in [key for key, run in self.cells.items() if run.id == folder.name]:
            del self.cells[key]
        if self.mesh is not None and self.mesh.folder == folder:
            self.mesh = None

    def keep(self, run: Run) -> None:
        """Keep a run and put it on show."""
        self.add(run)
        self.choose(run.id)
        self.chosen = 0
        self.last_step, self.state = None, "idle"

    def choose(self, run_id: str) -> None:
        """Put a run that is kept on show."""
        if self.current != run_id:
            self.current, self.chosen = run_id, 0
        self.live.settle()

    def add(self, run: Run) -> None:
        """Keep a run; of those that are not pinned, the oldest beyond `KEEP_RUNS` goes."""
        self.runs[run.id] = run
        loose = [name for name in self.runs if name not in self.pinned]
        for name in loose[:-KEEP_RUNS]:
            oldest = self.runs.pop(name)
            shutil.rmtree(oldest.recipe_file.parent, ignore_errors=True)

    def begin(self, *, refining: bool = False) -> Path:
        """Take the run on show aside for a new one; returns the new one's folder.

        Args:
            refining: Whether it follows a live answer.
        """
        folder = self.new_folder()
        self.put_aside()
        self.last_step, self.state, self.refining = None, "running", refining
        return folder

    def put_aside(self) -> None:
        """Take the run on show away for something that is no run of this visit."""
        self.previous, self.current = self.current or self.previous, None
        self.live.settle()

    def stop_refining(self) -> bool:
        """End a run that follows a live answer at its next step; return whether there was one."""
        if not (self.running and self.refining):
            return False
        self.replaced += 1
        self.restore()
        return True

    def restore(self) -> None:
        """Put back what `begin` took aside."""
        self.state = "idle"
        if self.current is None:
            self.current = self.previous

    def replace(self, run: Run) -> None:
        """Put a run with new scores in the place of the old one."""
        if run.id in self.runs:
            self.runs[run.id] = run

    @property
    def running(self) -> bool:
        """Whether a run for the turntable is being made."""
        return self.state == "running"

    @property
    def run(self) -> Run | None:
        """The run that is on show."""
        return self.runs.get(self.current) if self.current else None

    @property
    def earlier(self) -> Run | None:
        """The run that was on show before something that is no run of this visit."""
        return self.runs.get(self.previous) if self.previous else None

    @property
    def sample(self) -> SampleFiles | None:
        """The chosen sample of the run on show."""
        if self.run is None:
            return None
        return self.run.samples[min(self.chosen, len(self.run.samples) - 1)]


class Visits:
    """Every visitor's `Visit`, by the session's secret name."""

    def __init__(
        self,
        root: Callable[[], Path],
        *,
        clock: Callable[[], float] = time.monotonic,
        max_bytes: int = MAX_BYTES,
        busy_since: Callable[[], float | None] = lambda: None,
    ) -> None:
        """Keep folders below `root()`, which is asked at the first visit.

        Args:
            root: Returns the folder.
            clock: Seconds.
            max_bytes: What all files below the root may take; the oldest results go first.
            busy_since: Returns when the oldest running work began, on the same clock: no result
                that is younger goes, for it may still be written. None: nothing runs.
        """
        self._root = root
        self._clock = clock
        self._shelf = Shelf(root, clock, max_bytes, busy_since)
        self._visits: dict[str, Visit] = {}
        self._lock = threading.Lock()

    def lend(self) -> Path:
        """Make a folder for a program's call; it goes an hour later.

        Not when its session ends: a program's connection may drop while a long call computes,
        and its files are fetched after the answer.
        """
        return self.of(secrets.token_urlsafe(18), idle_seconds=LENT_SECONDS).new_folder()

    def of(self, session: str, *, idle_seconds: float = IDLE_SECONDS) -> Visit:
        """Return the visit of a session; opens it on first use and drops forgotten ones."""
        with self._lock:
            now = self._clock()
            for name, visit in list(self._visits.items()):
                if name != session and now - visit.used_at > visit.idle_seconds:
                    self._remove(name)
            if session not in self._visits:
                folder = self._root() / f"visit-{secrets.token_urlsafe(18)}"
                folder.mkdir(parents=True)
                self._visits[session] = Visit(folder, idle_seconds=idle_seconds, shelf=self._shelf)
            self._visits[session].used_at = now
            gone = self._shelf.make_room()
            for folder in gone:
                for visit in self._visits.values():
                    visit.forget(folder)
            return self._visits[session]

    def with_key(self, key: str) -> tuple[str, Visit] | None:
        """Return the session and the visit that a key is of, or None where there is none."""
        with self._lock:
            for session, visit in self._visits.items():
                if secrets.compare_digest(visit.key.encode(), key.encode()):
                    visit.used_at = self._clock()
                    return session, visit
        return None

    def close_all(self) -> None:
        """Remove everything that anybody made."""
        with self._lock:
            for session in list(self._visits):
                self._remove(session)

    def close(self, session: str) -> None:
        """Remove everything that a session made."""
        with self._lock:
            self._remove(session)

    def _remove(self, session: str) -> None:
        visit = self._visits.pop(session, None)
        if visit is not None:
            shutil.rmtree(visit.folder, ignore_errors=True)
