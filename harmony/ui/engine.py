"""What stands behind the page: models that load on first use, and the road from file to file.

The page hands in paths and numbers and gets pictures, files and figures; whatever travels
between the stages in between is theirs. Nothing heavy is imported before it is needed.
"""

from __future__ import annotations

import functools
import importlib
import json
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image

from harmony.background import SHIPPED, CutoutModels
from harmony.images import LoadedImage, read_image
from harmony.serving.heap import give_back
from harmony.serving.pace import Pace
from harmony.ui import texts
from harmony.ui.cache import FileCache
from harmony.ui.events import (
    Event,
    MeshReady,
    MeshStage,
    RunReady,
    Stage,
)
from harmony.ui.faults import guarded
from harmony.ui.late_scorer import LateScorer
from harmony.ui.lazy import Lazy
from harmony.ui.live import NO_OFFER, LiveOffer
from harmony.ui.mesh_building import building
from harmony.ui.preload import preload
from harmony.ui.settings import CPU_QUALITIES, QUALITIES, Framing, Settings, choice
from harmony.ui.student import Student
from harmony.ui.texts import modes
from harmony.ui.views_zip import unpack_views
from harmony.ui.visits import Run

if TYPE_CHECKING:
    from harmony.models.base import MultiviewDenoiser, NoiseSchedule
    from harmony.painting.painter import Painter
    from harmony.pipeline import Prepared
    from harmony.records import Views
    from harmony.scoring import CDScorer
    from harmony.ui.painting import Painting

FULL_GUIDANCE = 3
"""Branches of Eq. 7 with neither scale at 0."""
LONGEST_FIRST_STEP = 60.0
"""Seconds after which what a run needs later is loaded even beside its first step."""
PREVIEW_SIZE = 256
"""Frame in which the cut-out alone is checked, before any model is loaded."""


@dataclass(frozen=True)
class Known:
    """What is known of a model and a scorer before they are loaded.

    Attributes:
        encoder_name: The scorer's, or None.
        device_name: What was asked for; "auto" until the model is loaded.
        load_schedule: Reads the model's forward process without its weights, or None.
    """

    encoder_name: str | None = None
    device_name: str = "auto"
    load_schedule: Callable[[], NoiseSchedule] | None = None


class Engine:
    """The model, the scorer and the cut-out networks of one process.

    Attributes:
        model_name: Shown on the page.
        rules: Guidance rules that the model serves.
        model: Loads on the first run.
        scorer: Loads on the first run, or None where nothing is scored.
        painter: Paints pictures from descriptions, or None where the page does not offer that.
        student: Answers the dials while they move, or None where nothing does.
        live: Whether there is a student, and why not.
        cache: Finished samples; without a folder of their own they are kept in memory.
        pace: What a step takes on this machine.
        known: What is known before anything is loaded.
        schedule: The model's forward process, read without the model, or None.
        mesh_device: Where a "fine" mesh is optimised.
    """

    def __init__(  # noqa: PLR0913 (an engine has that many parts)
        self,
        *,
        model_name: str,
        load_model: Callable[[], MultiviewDenoiser],
        load_scorer: Callable[[], CDScorer] | None,
        rules: Sequence[str] = ("decomposed", "cfg", "none"),
        painter: Painter | None = None,
        cache: FileCache | None = None,
        known: Known | None = None,
        mesh_device: str = "cpu",
        live: LiveOffer = NO_OFFER,
    ) -> None:
        """Remember how to load the parts; nothing is loaded here."""
        self.model_name, self.rules = model_name, tuple(rules)
        self.known = known or Known()
        self.model = Lazy(load_model)
        self.scorer = None if load_scorer is None else Lazy(load_scorer)
        self.painter = painter
        self.cache = cache or FileCache()
        self.pace = Pace()
        load_schedule = self.known.load_schedule
        self.schedule = None if load_schedule is None else Lazy(load_schedule)
        self.mesh_device = mesh_device
        self._cutouts = CutoutModels()
        self.live = live
        self.student = None if live.load is None else Student(live.load, self._cutouts)
        self._may_load = threading.Event()
        self._may_load.set()

    def preload(self) -> threading.Thread:
        """Load what a run needs, in the order in which it needs it, in a thread."""
        self.model.announce()
        parts: list[Callable[[], Any]] = [
            self.model.get,
            lambda: self._cutouts.load(SHIPPED),
            functools.partial(importlib.import_module, "harmony.ui.painting"),
        ]
        if self.student is not None:
            parts += [self._when_idle, self.student.model.get]
        if self.scorer is not None:
            self.scorer.announce()
            parts += [self._when_idle, self.scorer.get]
        return preload(parts)

    def _when_idle(self) -> None:
        """Wait: a visitor who waits for a first picture has the processor for that alone."""
        self._may_load.wait(LONGEST_FIRST_STEP)

    def status(self) -> str:
        """Return the state of the model in words."""
        if self.model.state != "ready":
            return modes.STATES[self.model.state].format(model=self.model_name)
        return modes.ready(self.model_name, self.hardware(), self.step_seconds)

    def hardware(self) -> str:
        """Return the device and the number type of the loaded model."""
        from harmony.devices import describe_device, describe_precision

        model = self.model.get()
        return f"{describe_device(model.device)} · {describe_precision(model.dtype)}"

    def close(self) -> None:
        """Give back what outlives a call; the process' own model goes with the process."""

    def _prepare(
        self, loaded: LoadedImage, framing: Framing, image_size: int
    ) -> tuple[Prepared, tuple[str, ...]]:
        from harmony.pipeline import prepare

        prepared = prepare(
            loaded.image,
            cutout=framing.cutout,
            foreground=framing.foreground,
            elevation_deg=framing.elevation_deg,
            image_size=image_size,
            cutout_models=self._cutouts,
        )
        return prepared, loaded.notes + prepared.warnings

    def cut_out(self, picture: Path, framing: Framing) -> tuple[Image.Image, tuple[str, ...]]:
        """Return the object alone (RGBA) and warnings in plain sentences.

        Raises:
            ValueError: The picture cannot be read, or no object is left of it.
        """
        prepared, warnings = self._prepare(read_image(picture), framing, PREVIEW_SIZE)
        return prepared.cutout, warnings

    @guarded
    def suggest_name(self, picture: Path, framing: Framing) -> str:
        """Return the scorer's guess of what the picture shows.

        Raises:
            ValueError: The picture cannot be read, or there is no scorer.
        """
        if self.scorer is None:
            raise ValueError(texts.NO_SCORER)
        prepared, _ = self._prepare(read_image(picture), framing, PREVIEW_SIZE)
        return self.scorer.get().suggest_name(prepared.reference)[0]

    @guarded
    def generate(self, picture: Path, settings: Settings, folder: Path) -> Iterator[Event]:
        """Paint one sample for each seed.

        Args:
            picture: The file as it was given.
            settings: What the dials say.
            folder: Empty folder for the results.

        Returns:
            An iterator of events that ends with `RunReady`; closing it stops the work within one
            step.

        Raises:
            ValueError: The picture or a setting will not do; the sentence says why.
        """
        self._may_load.clear()
        try:
            yield from self._generate(picture, settings, folder)
        finally:
            self._may_load.set()

    def _generate(self, picture: Path, settings: Settings, folder: Path) -> Iterator[Event]:
        started = time.monotonic()
        yield Stage(texts.LOADING_MODEL)
        loaded = read_image(picture)
        painting = self._painting(picture, loaded, settings, folder)
        yield from painting.restore()
        if painting.missing:
            yield Stage(texts.CUTTING_OUT)
            size = painting.model.image_size
            prepared, _ = self._prepare(loaded, settings.framing, size)
            yield Stage(texts.ENCODING)
            with closing(painting.paint(prepared.reference)) as events:
                for event in events:
                    yield event
                    self._may_load.set()  # the first picture is out
            give_back()
        yield RunReady(painting.finish(settings, time.monotonic() - started))

    def _painting(
        self, picture: Path, loaded: LoadedImage, settings: Settings, folder: Path
    ) -> Painting:
        from harmony.painting.record import read_painted_from
        from harmony.ui.painting import Painting
        from harmony.ui.run_files import run_recipe
        from harmony.ui.sample_cache import SampleCache

        model = self.model.get()
        scorer = None if self.scorer is None else LateScorer(self.scorer, self.known.encoder_name)
        encoder = "" if scorer is None else scorer.encoder_name
        painted_from = read_painted_from(picture.read_bytes())
        recipe = replace(run_recipe(loaded, settings, model), painted_from=painted_from)
        cache = SampleCache(self.cache, model, encoder)
        return Painting(model, scorer, cache, recipe, folder, self.pace)

    def peek(self, picture: Path, settings: Settings, new_folder: Callable[[], Path]) -> Run | None:
        """Return the run of these settings where every sample of it was made before.

        Nothing is painted or loaded for it: while the model is asleep the answer is None.

        Args:
            picture: The file as it was given.
            settings: What the dials say.
            new_folder: Makes the folder for the files; only called where there are some.

        Raises:
            ValueError: The picture or a setting will not do; the sentence says why.
        """
        if self.model.state != "ready":
            return None
        loaded = read_image(picture)
        looked_up = self._painting(picture, loaded, settings, Path())
        if not looked_up.cache.holds(looked_up.recipe):
            return None
        painting, started = replace(looked_up, folder=new_folder()), time.monotonic()
        for _ in painting.restore():
            pass
        # An entry may have gone between the two looks.
        return None if painting.missing else painting.finish(settings, time.monotonic() - started)

    def recipe(self, picture: Path, settings: Settings) -> dict[str, Any]:
        """Return the recipe of a run as JSON-ready values; loads the model, paints nothing.

        Raises:
            ValueError: The picture or a setting will not do; the sentence says why.
        """
        from harmony.recipe import recipe_to_json

        painting = self._painting(picture, read_image(picture), settings, Path())
        return json.loads(recipe_to_json(painting.recipe))

    def passes(self, settings: Settings) -> int:
        """Return the network passes of one sample: in each step one for each branch that acts.

        While no forward process is known every step counts as guided, which is the most there
        can be.

        Raises:
            ValueError: The model has not so many steps, or its card is damaged.
        """
        from harmony.guidance import branch_weights
        from harmony.records import Guidance
        from harmony.sampling import passes_by_step

        guidance = Guidance(settings.rule, settings.s1, settings.s2, settings.cfg_scale)
        steps = int(settings.num_steps)
        schedule = self._schedule()
        if schedule is None:
            return len(branch_weights(guidance)) * steps
        return sum(passes_by_step(schedule, guidance, steps))

    def _schedule(self) -> NoiseSchedule | None:
        if self.schedule is not None:
            return self.schedule.get()
        return self.model.get().schedule if self.model.state == "ready" else None

    def _branch_steps(self, settings: Settings) -> float:
        return self.passes(settings) * settings.instances

    def estimate(self, settings: Settings) -> float | None:
        """Return the seconds that a run takes here, or None before anything was measured."""
        from harmony.ui.painting import BRANCH_STEP

        return self.pace.seconds(BRANCH_STEP, self._branch_steps(settings))

    def guess(self, settings: Settings) -> float | None:
        """Return a rough guess of the same before anything was measured; None where none is known."""
        from harmony.devices import choose_device
        from harmony.serving.guess import guess_seconds

        ready = self.model.state == "ready"
        device = self.model.get().device if ready else choose_device(self.known.device_name)
        return guess_seconds(self.model_name, self._branch_steps(settings), device)

    @property
    def qualities(self) -> tuple[str, ...]:
        """Qualities of a mesh on offer; "fine" only on a CUDA device."""
        return QUALITIES if self.mesh_device == "cuda" else CPU_QUALITIES

    @property
    def step_seconds(self) -> float | None:
        """Measured seconds of one step of one sample with all three branches."""
        from harmony.ui.painting import BRANCH_STEP

        return self.pace.seconds(BRANCH_STEP, FULL_GUIDANCE)

    @guarded
    def score(self, views_zip: Path, object_name: str) -> dict[str, Any]:
        """Return the CD score of a zip of views.

        Raises:
            ValueError: It is no such zip, the name is empty, or there is no scorer.
        """
        if self.scorer is None:
            raise ValueError(texts.NO_SCORER)
        views = _read_views(views_zip)
        return asdict(self.scorer.get().score(views, object_name)[0])

    def score_run(self, run: Run, object_name: str) -> Run:
        """Return the run with its samples scored for another object name."""
        samples = tuple(
            replace(sample, score=self.score(sample.views_zip, object_name))
            for sample in run.samples
        )
        return replace(run, samples=samples)

    def reconstruct(
        self, views_zip: Path, quality: str, folder: Path
    ) -> Iterator[MeshStage | MeshReady]:
        """Build a mesh from a zip of views and write its GLB; other formats wait to be asked for.

        Raises:
            ValueError: The zip or the quality will not do; the sentence says why.
        """
        choice(texts.QUALITY, quality, self.qualities)
        started = time.monotonic()
        yield MeshStage(texts.READING_VIEWS, 0.0)
        views = _read_views(views_zip)
        work = building(views, quality, folder, device=self.mesh_device)
        for stage, fraction in work:
            yield MeshStage(stage, fraction)
        files, report, strips = work.result
        yield MeshReady(files, report, time.monotonic() - started, strips)


def _read_views(views_zip: Path) -> Views:
    from harmony.view_files import read_views

    with tempfile.TemporaryDirectory() as folder:
        unpack_views(views_zip, Path(folder) / "views")
        return read_views(Path(folder) / "views")
