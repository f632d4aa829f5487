"""The loop over objects and guidance rules; it can be stopped and taken up again.

Every finished pair of object and rule is one file under `records/`; what is there is not computed
again. `run.json` holds what all records have in common, and records of another run are refused.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from harmony.background import NO_CUTOUT
from harmony.cameras import ELEVATION_DEG
from harmony.evaluation.dataset import EvaluationObject
from harmony.evaluation.files import write_json
from harmony.evaluation.measurement import (
    Instruments,
    SampleRecord,
    Truth,
    load_truth,
    measure_sample,
)
from harmony.evaluation.rules import rule_text
from harmony.images import read_image
from harmony.models.base import MultiviewDenoiser
from harmony.pipeline import SampleEvent, generate, prepare
from harmony.recipe import make_recipe
from harmony.records import Guidance, Recipe, ReferenceImage, SamplerSettings
from harmony.sampling import VERSION

RUN_FILE = "run.json"
RECORDS_DIR = "records"
NO_LPIPS = "not available"
NOT_MEASURED = "none"

OnProgress = Callable[[float, str], None]
"""Told the finished share in [0, 1] and what is being done."""


@dataclass(frozen=True)
class RunSettings:
    """What all records of a run have in common, beside model and instruments.

    Attributes:
        rules: The guidance rules, in the order of the tables.
        seeds: One sample each.
        sampler: Sampler, steps and eta.
    """

    rules: tuple[Guidance, ...]
    seeds: tuple[int, ...]
    sampler: SamplerSettings


def describe_run(
    model: MultiviewDenoiser, settings: RunSettings, instruments: Instruments
) -> dict[str, Any]:
    """Return what makes two records comparable; the rules are not part of it."""
    return {
        "model": model.name,
        "weights_sha256": model.weights_sha256,
        "sampling": VERSION,
        "guidance_interval": list(model.schedule.guidance_interval or ()),
        "guidance_bound": model.schedule.guidance_bound,
        "sampler": settings.sampler.sampler,
        "steps": settings.sampler.num_steps,
        "eta": settings.sampler.eta,
        "seeds": list(settings.seeds),
        "encoder": NOT_MEASURED if instruments.scorer is None else instruments.scorer.encoder.name,
        "ssim": instruments.ssim,
        "e_flow_estimator": NOT_MEASURED if instruments.flow is None else instruments.flow.name,
        "lpips": NO_LPIPS if instruments.lpips is None else "vgg 0.1",
        "reconstruct": instruments.reconstructs,
    }


def open_run(output: Path, description: Mapping[str, Any]) -> None:
    """Create the output folder, or check that it holds the same run.

    Raises:
        ValueError: It holds another run.
    """
    path = output / RUN_FILE
    if path.is_file():
        earlier = json.loads(path.read_text(encoding="utf-8"))
        keys = sorted(earlier.keys() | description.keys())
        changed = [key for key in keys if earlier.get(key) != description.get(key)]
        if changed:
            raise ValueError(
                f"{output} holds a run with other {', '.join(changed)}; choose another output."
            )
        return
    write_json(path, description)


def record_path(output: Path, object_name: str, rule: Guidance) -> Path:
    """Return the file of one object and rule."""
    return output / RECORDS_DIR / object_name / f"{rule_text(rule).replace(':', '_')}.json"


def read_records(
    output: Path, objects: Sequence[EvaluationObject], rules: Sequence[Guidance]
) -> list[SampleRecord]:
    """Return the records of these rules and objects, sorted by rule, object and seed.

    Raises:
        ValueError: A pair is not finished.
    """
    records = []
    for rule in rules:
        for item in objects:
            path = record_path(output, item.name, rule)
            if not path.is_file():
                raise ValueError(f"{path} is missing; run the evaluation again to finish it.")
            rows = json.loads(path.read_text(encoding="utf-8"))
            records.extend(SampleRecord(**row) for row in rows)
    return records


def evaluate_objects(
    model: MultiviewDenoiser,
    objects: Sequence[EvaluationObject],
    settings: RunSettings,
    instruments: Instruments,
    output: Path,
    on_progress: OnProgress | None = None,
) -> None:
    """Write the records that are missing for these objects.

    Args:
        model: The denoiser.
        objects: What to evaluate.
        settings: With which rules, seeds and sampler.
        instruments: What measures.
        output: The run's folder, which `open_run` has checked.
        on_progress: Told what is being done; an exception that it raises stops the work.
    """
    tell = on_progress or (lambda fraction, text: None)
    total = len(objects) * len(settings.rules)
    for number, item in enumerate(objects):
        missing = [
            rule for rule in settings.rules if not record_path(output, item.name, rule).is_file()
        ]
        if not missing:
            continue
        tell(number / len(objects), f"{item.name}: reading")
        truth = load_truth(item, instruments)
        done = number * len(settings.rules) + len(settings.rules) - len(missing)
        for position, rule in enumerate(missing):
            unit = _Unit(model, truth, rule, settings, instruments)

            def tell_unit(fraction: float, text: str, before: int = done + position) -> None:
                tell((before + fraction) / total, text)

            records = unit.run(tell_unit)
            rows = [asdict(record) for record in records]
            write_json(record_path(output, item.name, rule), rows)
    tell(1.0, "done")


def seed_spread(pictures: Sequence[Tensor]) -> float | None:
    """Return the standard deviation of a pixel across samples, averaged over all pixels.

    Args:
        pictures: One tensor in [0, 1] for each seed; all of one shape.

    Returns:
        None for fewer than two.
    """
    if len(pictures) < 2:  # noqa: PLR2004
        return None
    return float(torch.stack(list(pictures)).double().std(dim=0).mean())


class _Unit:
    """One object under one rule."""

    def __init__(
        self,
        model: MultiviewDenoiser,
        truth: Truth,
        rule: Guidance,
        settings: RunSettings,
        instruments: Instruments,
    ) -> None:
        self.model, self.truth, self.rule = model, truth, rule
        self.settings, self.instruments = settings, instruments

    def run(self, tell: OnProgress) -> list[SampleRecord]:
        """Generate and measure the samples of all seeds."""
        recipe, reference = self._prepare()
        name, rule = self.truth.item.name, rule_text(self.rule)
        total = recipe.sampler.num_steps
        records: list[SampleRecord] = []
        pictures: list[Tensor] = []
        for event in generate(self.model, reference, recipe, preview_every=0):
            if isinstance(event, SampleEvent):
                sample = event.sample
                pictures.append(sample.views.pixels[0])
                records.append(
                    measure_sample(
                        sample.views,
                        self.truth,
                        reference,
                        self.instruments,
                        rule=rule,
                        seed=sample.seed,
                    )
                )
            else:
                share = (event.pass_index + event.step / total) / event.num_passes
                tell(share, f"{name} {rule}: step {event.step}/{event.num_steps}")
        spread = seed_spread(pictures)
        records = [replace(record, seed_spread=spread) for record in records]
        return sorted(records, key=lambda record: record.seed)

    def _prepare(self) -> tuple[Recipe, ReferenceImage]:
        loaded = read_image(self.truth.item.input_path)
        prepared = prepare(
            loaded.image,
            cutout=NO_CUTOUT,
            foreground=None,
            elevation_deg=ELEVATION_DEG,
            image_size=self.model.image_size,
        )
        recipe = make_recipe(
            self.model,
            image_sha256=loaded.sha256,
            cutout=prepared.cutout_used,
            foreground=None,
            elevation_deg=ELEVATION_DEG,
            seeds=self.settings.seeds,
            guidance=self.rule,
            sampler=self.settings.sampler,
            object_name=self.truth.item.name,
        )
        return recipe, prepared.reference
