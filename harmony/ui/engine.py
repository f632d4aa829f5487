"""What stands behind the page: models that load on first use, and the road from file to file.

The page hands in paths and numbers and gets pictures, files and figures; whatever travels
between the stages in between is theirs. Nothing heavy is imported before it is needed.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image

from harmony.background import CutoutModels
from harmony.images import LoadedImage, read_image
from harmony.ui import texts
from harmony.ui.background_work import in_background
from harmony.ui.events import (
    Event,
    MeshReady,
    MeshStage,
    RunReady,
    SampleReady,
    Stage,
    Step,
)
from harmony.ui.lazy import Lazy
from harmony.ui.mesh_files import MeshFiles
from harmony.ui.settings import QUALITIES, Framing, Settings, choice
from harmony.ui.strips import make_strip, save_strip
from harmony.ui.views_zip import unpack_views
from harmony.ui.visits import Run, SampleFiles

if TYPE_CHECKING:
    from harmony.models.base import MultiviewDenoiser
    from harmony.painting.painter import Painter
    from harmony.pipeline import Prepared, Sample, StepEvent
    from harmony.records import CDScore, Recipe, Views
    from harmony.scoring import CDScorer

_Built = tuple[MeshFiles, dict[str, Any]]
PREVIEW_SIZE = 256
"""Frame in which the cut-out alone is checked, before any model is loaded."""


class Engine:
    """The model, the scorer and the cut-out networks of one process.

    Attributes:
        model_name: Shown on the page.
        rules: Guidance rules that the model serves.
        model: Loads on the first run.
        scorer: Loads on the first run, or None where nothing is scored.
        painter: Paints pictures from descriptions, or None where the page does not offer that.
    """

    def __init__(
        self,
        *,
        model_name: str,
        load_model: Callable[[], MultiviewDenoiser],
        load_scorer: Callable[[], CDScorer] | None,
        rules: Sequence[str] = ("decomposed", "cfg", "none"),
        painter: Painter | None = None,
    ) -> None:
        """Remember how to load the parts; nothing is loaded here."""
        self.model_name, self.rules = model_name, tuple(rules)
        self.model = Lazy(load_model)
        self.scorer = None if load_scorer is None else Lazy(load_scorer)
        self.painter = painter
        self._cutouts = CutoutModels()

    def status(self) -> str:
        """Return the state of the model in words."""
        device = str(self.model.get().device) if self.model.state == "ready" else ""
        return texts.STATUS_MODEL[self.model.state].format(model=self.model_name, device=device)

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

    def suggest_name(self, picture: Path, framing: Framing) -> str:
        """Return the scorer's guess of what the picture shows.

        Raises:
            ValueError: The picture cannot be read, or there is no scorer.
        """
        if self.scorer is None:
            raise ValueError(texts.NO_SCORER)
        prepared, _ = self._prepare(read_image(picture), framing, PREVIEW_SIZE)
        return self.scorer.get().suggest_name(prepared.reference)[0]

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
        from harmony.painting.record import read_painted_from
        from harmony.pipeline import SampleEvent, generate

        started = time.monotonic()
        yield Stage(texts.LOADING_MODEL)
        model = self.model.get()
        scorer = None if self.scorer is None else self.scorer.get()
        yield Stage(texts.CUTTING_OUT)
        loaded = read_image(picture)
        prepared, _ = self._prepare(loaded, settings.framing, model.image_size)
        recipe = _recipe(loaded, prepared, settings, model)
        recipe = replace(recipe, painted_from=read_painted_from(picture.read_bytes()))
        yield Stage(texts.ENCODING)
        samples: list[SampleFiles] = []
        events = generate(model, prepared.reference, recipe, scorer=scorer)
        try:
            for event in events:
                if isinstance(event, SampleEvent):
                    samples.append(_write_sample(event.sample, recipe, folder))
                    yield SampleReady(samples[-1])
                else:
                    yield _step(event)
        finally:
            # Stop closes this generator: the model's own loop ends with it.
            events.close()  # pyright: ignore[reportAttributeAccessIssue]
        seconds = time.monotonic() - started
        yield RunReady(_write_run(settings, recipe, samples, folder, seconds))

    def score(self, views_zip: Path, object_name: str) -> dict[str, Any]:
        """Return the CD score of a zip of views.

        Raises:
            ValueError: It is no such zip, the name is empty, or there is no scorer.
        """
        if self.scorer is None:
            raise ValueError(texts.NO_SCORER)
        views = _read_views(views_zip)
        return _score(self.scorer.get().score(views, object_name)[0])

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
        from harmony.reconstruction import reconstruct

        choice(texts.QUALITY, quality, QUALITIES)
        started = time.monotonic()
        yield MeshStage(texts.READING_VIEWS, 0.0)
        views = _read_views(views_zip)

        def build(tell: Callable[[tuple[str, float]], None]) -> _Built:
            result = reconstruct(
                views, quality=quality, on_progress=lambda at: tell((at.stage, at.fraction))
            )
            files = MeshFiles(result.mesh, views, folder)
            tell((texts.WRITING_MESH.format(format="GLB"), 1.0))
            files.get("glb")
            return files, asdict(result.report)

        work: in_background[tuple[str, float], _Built] = in_background(build)
        for stage, fraction in work:
            yield MeshStage(stage, fraction)
        files, report = work.result
        yield MeshReady(files, report, time.monotonic() - started)


def _read_views(views_zip: Path) -> Views:
    from harmony.reconstruction.files import read_views

    with tempfile.TemporaryDirectory() as folder:
        unpack_views(views_zip, Path(folder) / "views")
        return read_views(Path(folder) / "views")


def _recipe(
    loaded: LoadedImage, prepared: Prepared, settings: Settings, model: MultiviewDenoiser
) -> Recipe:
    from harmony.recipe import package_versions, validate_recipe
    from harmony.records import Guidance, Recipe, SamplerSettings

    return validate_recipe(
        Recipe(
            image_sha256=loaded.sha256,
            cutout=prepared.cutout_used,
            foreground=settings.framing.foreground,
            elevation_deg=settings.framing.elevation_deg,
            seeds=settings.seeds,
            guidance=Guidance(settings.rule, settings.s1, settings.s2, settings.cfg_scale),
            sampler=SamplerSettings(settings.sampler, int(settings.num_steps), settings.eta),
            model=model.name,
            weights_sha256=model.weights_sha256,
            object_name=settings.object_name,
            versions=package_versions(),
        )
    )


def _step(event: StepEvent) -> Step:
    strips = None
    if event.preview is not None:
        strips = tuple(
            make_strip([Image.fromarray(view) for view in views]) for views in event.preview
        )
    return Step(
        event.seeds,
        event.step,
        event.num_steps,
        event.pass_index,
        event.num_passes,
        strips,
        event.notice,
    )


def _score(score: CDScore) -> dict[str, Any]:
    return asdict(score)


def _write_sample(sample: Sample, recipe: Recipe, folder: Path) -> SampleFiles:
    from harmony.export import view_images, write_zip

    own = folder / f"seed-{sample.seed}"
    own.mkdir()
    views = view_images(sample.views)[0]
    save_strip(make_strip(views), own / "strip.webp")
    archive = write_zip(
        own / f"views-seed-{sample.seed}.zip", [sample], replace(recipe, seeds=(sample.seed,))
    )
    pictures = unpack_views(archive, own / "views")
    score = None if sample.score is None else _score(sample.score)
    return SampleFiles(sample.seed, pictures, own / "strip.webp", archive, score)


def _write_run(
    settings: Settings, recipe: Recipe, samples: Sequence[SampleFiles], folder: Path, seconds: float
) -> Run:
    from harmony.recipe import recipe_to_json

    text = recipe_to_json(recipe)
    file = folder / "recipe.json"
    file.write_text(text, encoding="utf-8")
    guidance = recipe.guidance
    title = texts.RUN_TITLE.format(
        time=time.strftime("%H:%M:%S"),
        guidance=texts.guidance(guidance.rule, guidance.s1, guidance.s2, guidance.cfg_scale),
        samples=texts.samples(len(samples)),
        steps=recipe.sampler.num_steps,
    )
    return Run(folder.name, title, settings, json.loads(text), file, tuple(samples), seconds)
