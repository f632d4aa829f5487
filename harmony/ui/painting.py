"""One run of the engine: samples that were made before come from the cache, the rest is painted."""

from __future__ import annotations

import shutil
import time
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from PIL import Image

from harmony.models.base import MultiviewDenoiser
from harmony.pipeline import Sample, SampleEvent, StepEvent, generate
from harmony.recipe import recipe_to_json
from harmony.records import Recipe, ReferenceImage
from harmony.sampling import passes_by_step
from harmony.scoring import CDScorer, ViewEmbeddings
from harmony.serving.pace import BRANCH_STEP, Pace
from harmony.ui.events import Event, SampleReady, Step
from harmony.ui.late_scorer import LateScorer
from harmony.ui.measuring import Embedding, MeasuringScorer, measure, spread
from harmony.ui.run_files import write_run, write_sample
from harmony.ui.sample_cache import KeptSample, SampleCache
from harmony.ui.settings import Settings
from harmony.ui.strips import make_strip
from harmony.ui.visits import Run, SampleFiles
from harmony.view_files import read_views


@dataclass
class Painting:
    """The samples of one recipe, as far as they are done.

    Attributes:
        model: Paints what is missing.
        scorer: Scores it, or None.
        cache: Where finished samples are kept.
        recipe: Of the run.
        folder: Where its files go.
        pace: Learns how long a step takes.
    """

    model: MultiviewDenoiser
    scorer: CDScorer | LateScorer | None
    cache: SampleCache
    recipe: Recipe
    folder: Path
    pace: Pace
    _done: dict[int, tuple[SampleFiles, Embedding | None]] = field(default_factory=dict)

    @property
    def missing(self) -> tuple[int, ...]:
        """Seeds that are not done."""
        return tuple(seed for seed in self.recipe.seeds if seed not in self._done)

    def restore(self) -> Iterator[Event]:
        """Take what the cache holds."""
        for seed in self.recipe.seeds:
            kept = self.cache.get(self.recipe, seed, self.folder)
            if kept is not None:
                files = self._renamed(kept)
                self._done[seed] = files, kept.embedding
                yield SampleReady(files)

    def _renamed(self, kept: KeptSample) -> SampleFiles:
        """Return the sample, scored and written anew where its recipe names another object."""
        files = kept.files
        if kept.recipe == recipe_to_json(replace(self.recipe, seeds=(files.seed,))):
            return files
        views, score = read_views(files.pictures[0].parent), None
        if self.scorer is not None and kept.embedding is not None:
            embedded = ViewEmbeddings(kept.embedding[None])
            score = self.scorer.score(embedded, self.recipe.object_name)[0]
        shutil.rmtree(files.strip.parent)
        sample = Sample(files.seed, views, score)
        files = write_sample(sample, self.recipe, self.folder, dict(files.measures))
        self.cache.put(self.recipe, files, kept.embedding)
        return files

    def paint(self, reference: ReferenceImage) -> Generator[Event]:
        """Paint the missing seeds; closing the iterator stops the work within one step."""
        scorer = None if self.scorer is None else MeasuringScorer(self.scorer)
        recipe = replace(self.recipe, seeds=self.missing)
        steps = recipe.sampler.num_steps
        passes = passes_by_step(self.model.schedule, recipe.guidance, steps)
        before = time.monotonic()
        events = generate(self.model, reference, recipe, scorer=scorer)
        try:
            for event in events:
                if isinstance(event, SampleEvent):
                    embedding = scorer.embeddings.popleft() if scorer else None
                    yield SampleReady(self._keep(event.sample, reference, embedding))
                else:
                    # The first step of a pass also warms up.
                    if event.step > 1:
                        spent = time.monotonic() - before
                        units = passes[event.step - 1] * len(event.seeds)
                        self.pace.measure(BRANCH_STEP, units, spent)
                    yield _step(event)
                before = time.monotonic()
        finally:
            # Stop closes this generator: the model's own loop ends with it.
            events.close()

    def _keep(
        self, sample: Sample, reference: ReferenceImage, embedding: Embedding | None
    ) -> SampleFiles:
        measures = measure(sample.views, embedding, reference)
        files = write_sample(sample, self.recipe, self.folder, measures)
        self.cache.put(self.recipe, files, embedding)
        self._done[sample.seed] = files, embedding
        return files

    def finish(self, settings: Settings, seconds: float) -> Run:
        """Write the run; every seed must be done."""
        samples, embeddings = zip(*(self._done[seed] for seed in self.recipe.seeds), strict=True)
        return write_run(
            settings,
            self.recipe,
            samples,
            self.folder,
            seconds=seconds,
            spread=spread(embeddings),
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
