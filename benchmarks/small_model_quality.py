"""PSNR and seconds of the small model: python -m benchmarks.small_model_quality --objects DIR.

Paints objects of the validation split, which training never sees, at every pair of guidance and
sampler, as shipped and (with --both) also without clipping the guided estimate. Prints one JSON
line for each; `gain` is in decibels over the first line. The truth is rendered here.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from harmony.devices import choose_device
from harmony.models.base import NoiseSchedule
from harmony.models.registry import WEIGHTS, load_model
from harmony.models.small import SmallDenoiser, load
from harmony.records import Guidance, SamplerSettings
from harmony.training.objects import load_library, training_split
from harmony.training.small import validation_set
from harmony.training.validation import ValidationObject, validate


def held_out(folder: Path, count: int, image_size: int) -> list[ValidationObject]:
    """Render `count` objects of the validation split, spread over it."""
    library = load_library(folder)
    _, validation = training_split(library)
    chosen = validation[:: max(1, len(validation) // count)][:count]
    return validation_set(library, chosen, image_size)


def guidance(text: str) -> Guidance:
    """Read "s1:s2"."""
    s1, s2 = (float(part) for part in text.split(":"))
    return Guidance("decomposed", s1, s2)


def sampler(text: str) -> SamplerSettings:
    """Read "name:steps"."""
    name, steps = text.split(":")
    return SamplerSettings(name, int(steps), 0.0)


def schedules(shipped: NoiseSchedule, *, both: bool) -> list[NoiseSchedule]:
    """Return the schedules to compare."""
    return [shipped, replace(shipped, clip_sample_range=None)] if both else [shipped]


def measure(
    model: SmallDenoiser,
    objects: Sequence[ValidationObject],
    dials: Guidance,
    settings: SamplerSettings,
) -> dict[str, Any]:
    """Return one row of the table; one seed, one object at a time, as the app paints."""
    begin = time.monotonic()
    score = validate(model, objects, guidance=dials, settings=settings, batch=1)
    return {
        "s1": dials.s1,
        "s2": dials.s2,
        "sampler": settings.sampler,
        "steps": settings.num_steps,
        "clip": model.schedule.clip_sample_range,
        "psnr": round(score.psnr, 3),
        "view 0": round(score.psnr_by_view[0], 2),
        "seconds": round((time.monotonic() - begin) / len(objects), 2),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--objects", type=Path, required=True, help="folder of packed objects")
    parser.add_argument("--model", type=Path, default=WEIGHTS / "small")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--count", type=int, default=4)
    parser.add_argument("--guidance", type=guidance, nargs="+", metavar="S1:S2")
    parser.add_argument("--sampler", type=sampler, nargs="+", metavar="NAME:STEPS")
    parser.add_argument("--plain", action="store_true", help="float32, layers not packed for a CPU")
    parser.add_argument("--both", action="store_true", help="also without clipping")
    parser.set_defaults(
        guidance=[guidance(text) for text in ("0:0", "1:0", "2:0", "2:1")],
        sampler=[sampler("ddim:12")],
    )
    options = parser.parse_args()
    device = choose_device(options.device)
    if options.plain:
        model = load(options.model, device, packed=False)
    else:
        model = load_model(options.model, device)
    assert isinstance(model, SmallDenoiser)
    objects = held_out(options.objects, options.count, model.image_size)
    print(json.dumps({"objects": [item.name for item in objects]}), flush=True)
    first, compared = None, schedules(model.schedule, both=options.both)
    for dials in options.guidance:
        for settings in options.sampler:
            for model.schedule in compared:
                row = measure(model, objects, dials, settings)
                first = row["psnr"] if first is None else first
                print(json.dumps({**row, "gain": round(row["psnr"] - first, 3)}), flush=True)


if __name__ == "__main__":
    main()
