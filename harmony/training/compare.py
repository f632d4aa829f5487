"""`python -m harmony.training compare`: the live model beside its teacher on held-out objects.

Every position of the dials is one record of the output file; records that are there are not
computed again, so a run that was cut short is taken up, and several processes may share the
positions and join their files.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise, product
from pathlib import Path
from statistics import fmean
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from harmony.devices import DEVICES, choose_device, choose_dtype
from harmony.evaluation.files import read_same_run, write_json
from harmony.evaluation.rules import parse_seeds
from harmony.models import small, small_live
from harmony.models.small import SmallDenoiser
from harmony.records import Guidance, SamplerSettings
from harmony.training.measure import held_out_objects
from harmony.training.validation import ValidationObject, paint, psnr

Painter = Callable[[Sequence[ValidationObject], int, Guidance], Float[Tensor, "O S N 3 H W"]]
"""Objects, the number of the first among all, and the dials, to pictures."""
HEAD = (
    "| dials | PSNR teacher | PSNR {n} steps | difference | spread teacher | spread {n} steps "
    "| ratio | PSNR to the teacher |\n|---|---|---|---|---|---|---|---|"
)


@dataclass(frozen=True)
class Scores:
    """Of one model at one position of the dials.

    Attributes:
        psnr: To the true views, in dB, mean over objects, seeds and views.
        spread: Standard deviation across seeds of a pixel in [0, 1], averaged.
        agreement: PSNR to the teacher's views of the same seed and dials, in dB.
    """

    psnr: float
    spread: float
    agreement: float


def scored(
    pixels: Float[Tensor, "O S N 3 H W"],
    teacher: Float[Tensor, "O S N 3 H W"],
    truth: Float[Tensor, "O N 3 H W"],
) -> Scores:
    """Compare one batch of objects."""
    return Scores(
        psnr=psnr(pixels, truth[:, None]).mean().item(),
        spread=pixels.std(dim=1).mean().item() if pixels.shape[1] > 1 else 0.0,
        agreement=psnr(pixels, teacher).mean().item(),
    )


def mean_scores(parts: Sequence[tuple[int, Scores]]) -> Scores:
    """Return the mean of batches of so many objects each."""
    total = sum(count for count, _ in parts)
    fields = Scores.__dataclass_fields__
    return Scores(**{f: sum(n * getattr(s, f) for n, s in parts) / total for f in fields})


def painter(model: SmallDenoiser, num_steps: int, seeds: Sequence[int]) -> Painter:
    """Return what paints objects with a model."""
    settings = SamplerSettings("ddim", num_steps, 0.0)
    return lambda objects, first, guidance: paint(model, objects, first, guidance, settings, seeds)


def compare(
    teacher: Painter,
    students: Mapping[int, Painter],
    objects: Sequence[ValidationObject],
    guidance: Guidance,
    together: int,
    device: torch.device,
) -> dict[str, Any]:
    """Return the record of one position of the dials: the teacher and each number of steps."""
    parts: dict[str, list[tuple[int, Scores]]] = {}
    for first in range(0, len(objects), together):
        chosen = objects[first : first + together]
        truth = torch.stack([item.views for item in chosen]).to(device)
        right = teacher(chosen, first, guidance)
        parts.setdefault("teacher", []).append((len(chosen), scored(right, right, truth)))
        for steps, paint_student in students.items():
            pixels = paint_student(chosen, first, guidance)
            parts.setdefault(str(steps), []).append((len(chosen), scored(pixels, right, truth)))
    return {name: asdict(mean_scores(values)) for name, values in parts.items()}


def dial_path(name: str, start: Guidance, largest: float, moves: int) -> tuple[Guidance, ...]:
    """Return even positions of one dial from 0 to `largest`, the other dial staying put."""
    values = [largest * k / moves for k in range(moves + 1)]
    return tuple(
        Guidance("decomposed", **{"s1": start.s1, "s2": start.s2, name: v}) for v in values
    )


def continuity(
    paint_with: Painter, objects: Sequence[ValidationObject], path: Sequence[Guidance]
) -> dict[str, float]:
    """Return how far the views move from position to position, as shares of a pixel's range.

    `mean_move` and `largest_move` are over positions and objects; `evenness` is the largest move
    divided by the mean one of the same object, in the mean over objects: 1 is a steady morph, a
    jump is far more. `straightness` is the distance between the ends over the sum of the moves.
    """
    moves, ends = [], []
    for first, item in enumerate(objects):
        frames = [paint_with([item], first, guidance) for guidance in path]
        moves.append([(b - a).abs().mean().item() for a, b in pairwise(frames)])
        ends.append((frames[-1] - frames[0]).abs().mean().item())
    return {
        "mean_move": fmean(fmean(row) for row in moves),
        "largest_move": max(max(row) for row in moves),
        "evenness": fmean(max(row) / max(fmean(row), 1e-9) for row in moves),
        "straightness": fmean(e / max(sum(row), 1e-9) for e, row in zip(ends, moves, strict=True)),
    }


def positions(s1: str, s2: str, cfg: str) -> tuple[Guidance, ...]:
    """Return every pair of the scales of Eq. 7, then the scales of Eq. 3; commas between.

    Raises:
        ValueError: A part is not a number.
    """
    ones, twos, scales = (_numbers(text) for text in (s1, s2, cfg))
    pairs = tuple(Guidance("decomposed", a, b) for a, b in product(ones, twos))
    return pairs + tuple(Guidance("cfg", cfg_scale=scale) for scale in scales)


def _numbers(text: str) -> list[float]:
    try:
        return [float(part) for part in text.split(",") if part]
    except ValueError:
        raise ValueError(f"Positions are {text!r}; write numbers, commas between.") from None


def key_of(guidance: Guidance) -> str:
    """Return the name of a position's record."""
    if guidance.rule == "cfg":
        return f"cfg {guidance.cfg_scale:g}"
    return f"{guidance.s1:g}, {guidance.s2:g}"


def table(records: Mapping[str, Any], num_steps: int) -> str:
    """Return the records of one number of steps as a Markdown table."""
    rows = [HEAD.format(n=num_steps)]
    for key, record in records.items():
        right, mine = record["teacher"], record[str(num_steps)]
        ratio = mine["spread"] / right["spread"] if right["spread"] else float("nan")
        cells = (
            *(key, f"{right['psnr']:.2f}", f"{mine['psnr']:.2f}"),
            f"{mine['psnr'] - right['psnr']:+.2f}",
            *(f"{right['spread']:.4f}", f"{mine['spread']:.4f}", f"{ratio:.2f}"),
            f"{mine['agreement']:.2f}",
        )
        rows.append("| " + " | ".join(cells) + " |")
    return "\n".join(rows)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument("--student", type=Path, required=True, help="folder of the live model")
    parser.add_argument("--teacher", type=Path, required=True, help="folder of the small model")
    parser.add_argument("--objects", type=Path, required=True, help="folder of packed objects")
    parser.add_argument("--output", type=Path, required=True, help="JSON file; a run is taken up")
    parser.add_argument("--s1", default="0,1,2,4", help="positions, commas between")
    parser.add_argument("--s2", default="0,0.5,1,1.5", help="positions, commas between")
    parser.add_argument("--cfg", default="", help="positions of Eq. 3's s, commas between")
    parser.add_argument("--steps", default="4,2", help="of the student, commas between")
    parser.add_argument("--seeds", default="0-3", help="such as 0-3 or 0,1,5")
    parser.add_argument("--count", type=int, default=64, help="held-out objects")
    parser.add_argument("--batch", type=int, default=32, help="samples made together")
    parser.add_argument("--moves", type=int, default=0, help="positions of a dial's whole way")
    parser.add_argument("--moved", type=int, default=4, help="objects whose dials are moved")
    parser.add_argument("--cache", type=Path, help="folder that keeps the rendered objects")
    parser.add_argument("--device", choices=DEVICES, default="auto")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> str:
    """Compare what is missing in the output file and return the tables.

    Raises:
        ValueError: An option is wrong, or the file holds another run.
        FileNotFoundError: Weights are missing.
    """
    device = choose_device(options.device)
    dtype, seeds = choose_dtype(device), parse_seeds(options.seeds)
    right = small.load(options.teacher, device, dtype=dtype)
    mine = small_live.load(options.student, device, dtype=dtype)
    counts = [int(part) for part in options.steps.split(",")]
    wanted = positions(options.s1, options.s2, options.cfg)
    described = {
        "teacher_sha256": right.weights_sha256,
        "student_sha256": mine.weights_sha256,
        "teacher_steps": right.defaults.sampler.num_steps,
        "guidance_bound": right.schedule.guidance_bound,
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
        "objects": options.count,
        "seeds": list(seeds),
    }
    earlier = read_same_run(options.output, described)
    records, moved = earlier.get("records", {}), earlier.get("continuity", {})
    objects = held_out_objects(
        options.objects, options.count, right.image_size, device, options.cache
    )
    teacher = painter(right, right.defaults.sampler.num_steps, seeds)
    students = {steps: painter(mine, steps, seeds) for steps in counts}
    together = max(1, options.batch // len(seeds))
    for guidance in wanted:
        key = key_of(guidance)
        if key not in records:
            records[key] = compare(teacher, students, objects, guidance, together, device)
            write_json(options.output, {**described, "records": records, "continuity": moved})
    if options.moves:
        usual = right.defaults
        single = {"teacher": painter(right, usual.sampler.num_steps, seeds[:1])}
        single |= {str(steps): painter(mine, steps, seeds[:1]) for steps in counts}
        for name, largest in (("s1", small_live.MAX_S1), ("s2", small_live.MAX_S2)):
            path = dial_path(name, usual.guidance, largest, options.moves)
            for label, paint_with in single.items():
                moved[f"{name} {label}"] = continuity(paint_with, objects[: options.moved], path)
        write_json(options.output, {**described, "records": records, "continuity": moved})
    tables = [table({key_of(g): records[key_of(g)] for g in wanted}, n) for n in counts]
    return "\n\n".join([*tables, *(f"{key}: {_figures(value)}" for key, value in moved.items())])


def _figures(values: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {value:.4g}" for name, value in values.items())
