"""`python -m harmony.training measure`: a model's weights on held-out objects.

Every combination of guidance, sampler and steps is one record of the output file; records that
are there are not computed again, so a run that was cut short is taken up.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from itertools import product
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import numpy as np
import torch
from torch import Tensor

from harmony.devices import DEVICES, choose_device, choose_dtype
from harmony.evaluation.files import read_same_run, write_json
from harmony.evaluation.rules import parse_seeds
from harmony.guidance import branch_weights
from harmony.models.small import SmallDenoiser, load
from harmony.records import Guidance, ReferenceImage, SamplerSettings
from harmony.sampling import validate_settings
from harmony.training.finish import validation_set
from harmony.training.objects import ObjectLibrary, load_library, training_split
from harmony.training.validation import Embed, ValidationObject, validate, view_diversity

NO_ENCODER = "none"
TABLE_HEAD = (
    "| s1, s2 | sampler | steps | PSNR 16 | views 1-15 | view 0 | std over seeds | seed spread "
    "| D | s a sample |\n|---|---|---|---|---|---|---|---|---|---|"
)


@dataclass(frozen=True)
class Setting:
    """One combination that is measured."""

    guidance: Guidance
    sampler: SamplerSettings

    @property
    def key(self) -> str:
        """Name of its record."""
        scales = f"{self.guidance.s1:g}:{self.guidance.s2:g}"
        return f"{scales} {self.sampler.sampler} {self.sampler.num_steps}"


def parse_scales(text: str) -> tuple[Guidance, ...]:
    """Return the guidance of "S1:S2,S1:S2,...", such as "0:0,2:1".

    Raises:
        ValueError: The text has another form, or a scale is out of its range.
    """
    rules = []
    for part in text.split(","):
        try:
            s1, s2 = (float(number) for number in part.split(":"))
        except ValueError:
            raise ValueError(f"Scales are {part!r}; write them like 0:0,1:0,2:1.") from None
        rules.append(Guidance("decomposed", s1, s2))
        branch_weights(rules[-1])
    return tuple(rules)


def parse_settings(rules: str, samplers: str, steps: str) -> tuple[Setting, ...]:
    """Return every combination of the lists, which have commas between.

    Raises:
        ValueError: A part is not what it should be.
    """
    try:
        counts = [int(part) for part in steps.split(",")]
    except ValueError:
        raise ValueError(f"Steps are {steps!r}; write them like 12,25.") from None
    return tuple(
        Setting(guidance, validate_settings(SamplerSettings(sampler, count, 0.0)))
        for guidance, sampler, count in product(parse_scales(rules), samplers.split(","), counts)
    )


def held_out_objects(
    folder: Path, count: int, image_size: int, device: torch.device, cache: Path | None
) -> list[ValidationObject]:
    """Return the first `count` held-out objects, from `cache` where they were rendered before."""
    path = None if cache is None else cache / f"validation-{count}-{image_size}.npz"
    if path is not None and path.is_file():
        with np.load(path, allow_pickle=False) as archive:
            return _from_arrays({name: archive[name] for name in archive.files})
    library = load_library(folder, device=device)
    objects = validation_set(library, _held_out_ids(library, count), image_size)
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part.npz")
        np.savez(part, **_to_arrays(objects))  # pyright: ignore[reportArgumentType]
        part.replace(path)
    return objects


def _held_out_ids(library: ObjectLibrary, count: int) -> tuple[int, ...]:
    _, ids = training_split(library)
    if len(ids) < count:
        raise ValueError(f"Only {len(ids)} objects are held out; --count asks for {count}.")
    return ids[:count]


def _bytes(pictures: Tensor) -> np.ndarray:
    return (pictures * 255).round().to(torch.uint8).numpy()


def _to_arrays(objects: Sequence[ValidationObject]) -> dict[str, np.ndarray]:
    references = torch.stack([item.reference.pixels for item in objects])
    return {
        "names": np.array([item.name for item in objects]),
        "references": _bytes((references + 1) / 2),
        "alpha": _bytes(torch.stack([item.reference.alpha for item in objects])),
        "elevation_deg": np.array([item.reference.elevation_deg for item in objects]),
        "views": _bytes(torch.stack([item.views for item in objects])),
    }


def _from_arrays(arrays: dict[str, np.ndarray]) -> list[ValidationObject]:
    pixels = torch.from_numpy(arrays["references"]).float() / 127.5 - 1
    alpha = torch.from_numpy(arrays["alpha"]).float() / 255
    views = torch.from_numpy(arrays["views"])
    return [
        ValidationObject(
            str(name),
            ReferenceImage(pixels[k], alpha[k], float(arrays["elevation_deg"][k])),
            views[k].float() / 255,
        )
        for k, name in enumerate(arrays["names"])
    ]


def measure(
    model: SmallDenoiser,
    objects: Sequence[ValidationObject],
    setting: Setting,
    seeds: Sequence[int],
    *,
    batch: int,
    embed: Embed | None,
) -> dict[str, Any]:
    """Return the record of one setting."""

    def tell(done: int) -> None:
        sys.stderr.write(f"\r{setting.key}: {done}/{len(objects)} objects ")
        sys.stderr.flush()

    start = time.perf_counter()
    score = validate(
        model,
        objects,
        guidance=setting.guidance,
        settings=setting.sampler,
        seeds=seeds,
        batch=batch,
        embed=embed,
        on_progress=tell,
    )
    # The scores are read on the host, so the device is done here.
    seconds = (time.perf_counter() - start) / (len(objects) * len(seeds))
    return {
        "s1": setting.guidance.s1,
        "s2": setting.guidance.s2,
        "sampler": setting.sampler.sampler,
        "steps": setting.sampler.num_steps,
        "psnr_first_view": score.psnr_first_view,
        "psnr_other_views": score.psnr_other_views,
        "diversity": score.diversity,
        "seconds_a_sample": seconds,
        **asdict(score),
    }


def true_diversity(objects: Sequence[ValidationObject], embed: Embed) -> float:
    """Return D of the true views, in the mean over objects; views that go wrong have more."""
    return fmean(view_diversity(item.views[None], embed).item() for item in objects)


def table(records: Sequence[dict[str, Any]]) -> str:
    """Return the records as a Markdown table."""
    return "\n".join([TABLE_HEAD, *(_row(record) for record in records)])


def _row(record: dict[str, Any]) -> str:
    by_seed = record["psnr_by_seed"]
    over_seeds = f"{stdev(by_seed):.3f}" if len(by_seed) > 1 else "-"
    diversity = "-" if record["diversity"] is None else f"{record['diversity']:.3f}"
    cells = (
        f"{record['s1']:g}, {record['s2']:g}",
        record["sampler"],
        record["steps"],
        f"{record['psnr']:.2f} ± {record['standard_error']:.2f}",
        f"{record['psnr_other_views']:.2f}",
        f"{record['psnr_first_view']:.2f}",
        over_seeds,
        f"{record['spread']:.4f}",
        diversity,
        f"{record['seconds_a_sample']:.2f}",
    )
    return "| " + " | ".join(str(cell) for cell in cells) + " |"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument("--weights", type=Path, required=True, help="folder of the model")
    parser.add_argument("--objects", type=Path, required=True, help="folder of packed objects")
    parser.add_argument("--output", type=Path, required=True, help="JSON file; a run is taken up")
    parser.add_argument("--rules", default="0:0,1:0,2:0,2:1", help="pairs s1:s2, commas between")
    parser.add_argument("--samplers", default="ddim", help="commas between")
    parser.add_argument("--steps", default="25", help="commas between")
    parser.add_argument("--seeds", default="0", help="such as 0-3 or 0,1,5")
    parser.add_argument("--count", type=int, default=200, help="held-out objects")
    parser.add_argument("--batch", type=int, default=32, help="samples made together")
    parser.add_argument("--encoder", default=NO_ENCODER, help="CLIP model that measures D")
    parser.add_argument("--cache", type=Path, help="folder that keeps the rendered objects")
    parser.add_argument("--device", choices=DEVICES, default="auto")
    parser.add_argument("--plain", action="store_true", help="float32, not packed for a CPU")
    parser.add_argument("--shift", type=float, help="of the noise schedule; default: the card's")
    parser.add_argument(
        "--guided-share", type=float, help="guide below this share of signal; default: the card's"
    )
    parser.add_argument(
        "--guidance-bound",
        type=float,
        help="of each guidance term's root mean square, inf for none; default: the card's",
    )
    parser.add_argument("--no-clip", action="store_true", help="leave the guided estimate as it is")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> str:
    """Measure what is missing in the output file and return the table.

    Raises:
        ValueError: An option is wrong, or the file holds another run.
        FileNotFoundError: The weights are missing.
    """
    device = choose_device(options.device)
    settings = parse_settings(options.rules, options.samplers, options.steps)
    seeds = parse_seeds(options.seeds)
    dtype = torch.float32 if options.plain else choose_dtype(device)
    model = load(
        options.weights,
        device,
        dtype=dtype,
        packed=not options.plain,
        shift=options.shift,
        guided_share=options.guided_share,
        guidance_bound=options.guidance_bound,
    )
    if options.no_clip:
        model.schedule = replace(model.schedule, clip_sample_range=None)
    described = {
        "weights_sha256": model.weights_sha256,
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
        "objects": options.count,
        "seeds": list(seeds),
        "encoder": options.encoder,
        "clip_sample_range": model.schedule.clip_sample_range,
        "plain": options.plain,
        "shift": options.shift,
        "guided_share": options.guided_share,
        "guidance_bound": model.schedule.guidance_bound,
    }
    earlier = read_same_run(options.output, described)
    records, truth = earlier.get("records", {}), earlier.get("true_views", {})
    missing = [setting for setting in settings if setting.key not in records]
    if missing:
        embed = _load_embed(options.encoder, device)
        objects = held_out_objects(
            options.objects, options.count, model.image_size, device, options.cache
        )
        if embed is not None and not truth:
            truth = {"diversity": true_diversity(objects, embed)}
        for setting in missing:
            records[setting.key] = measure(
                model, objects, setting, seeds, batch=options.batch, embed=embed
            )
            write_json(options.output, {**described, "true_views": truth, "records": records})
    said = [f"D of the true views: {truth['diversity']:.3f}"] if truth else []
    return "\n\n".join([table([records[setting.key] for setting in settings]), *said])


def _load_embed(encoder: str, device: torch.device) -> Embed | None:
    if encoder == NO_ENCODER:
        return None
    from harmony.scoring_encoder import load_encoder

    return load_encoder(encoder, device).embed_images
