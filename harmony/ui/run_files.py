"""A run on disk: what the engine writes for a sample and for the whole."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from harmony.export import view_files, view_images, write_zip
from harmony.images import LoadedImage
from harmony.models.base import MultiviewDenoiser
from harmony.pipeline import Sample, used_cutout
from harmony.recipe import make_recipe, recipe_to_json
from harmony.records import CDScore, Guidance, Recipe, SamplerSettings
from harmony.ui import texts
from harmony.ui.measuring import Measures
from harmony.ui.settings import Settings
from harmony.ui.strips import make_strip, save_strip
from harmony.ui.visits import Run, SampleFiles


def run_recipe(loaded: LoadedImage, settings: Settings, model: MultiviewDenoiser) -> Recipe:
    """Return the recipe of a run; known before any work is done.

    Raises:
        ValueError: A setting is out of its range; the sentence names it.
    """
    return make_recipe(
        model,
        image_sha256=loaded.sha256,
        cutout=used_cutout(loaded.image, settings.framing.cutout),
        foreground=settings.framing.foreground,
        elevation_deg=settings.framing.elevation_deg,
        seeds=settings.seeds,
        guidance=Guidance(settings.rule, settings.s1, settings.s2, settings.cfg_scale),
        sampler=SamplerSettings(settings.sampler, int(settings.num_steps), settings.eta),
        object_name=settings.object_name,
    )


def score_values(score: CDScore) -> dict[str, Any]:
    """Return the figures of a score by name, as JSON has them: lists, not tuples."""
    return {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in asdict(score).items()
    }


def write_sample(sample: Sample, recipe: Recipe, folder: Path, measures: Measures) -> SampleFiles:
    """Write one sample into a folder of its own below `folder`."""
    own = folder / f"seed-{sample.seed}"
    (own / "views").mkdir(parents=True)
    save_strip(make_strip(view_images(sample.views)[0]), own / "strip.webp")
    for name, content in view_files(sample, recipe):
        (own / "views" / name).write_bytes(content)
    archive = write_zip(
        own / f"views-seed-{sample.seed}.zip", [sample], replace(recipe, seeds=(sample.seed,))
    )
    pictures = tuple(
        own / "views" / f"view-{k:02d}.png" for k in range(sample.views.pixels.shape[1])
    )
    score = None if sample.score is None else score_values(sample.score)
    return SampleFiles(sample.seed, pictures, own / "strip.webp", archive, score, measures)


def write_run(
    settings: Settings,
    recipe: Recipe,
    samples: Sequence[SampleFiles],
    folder: Path,
    *,
    seconds: float,
    spread: float | None,
) -> Run:
    """Write the recipe of a run and return the run."""
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
    values = json.loads(text)
    return Run(folder.name, title, settings, values, file, tuple(samples), seconds, spread)
