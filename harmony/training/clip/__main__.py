"""Train the small CLIP: `python -m harmony.training.clip --objects DIR --output DIR`."""

from __future__ import annotations

import argparse
import platform
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from statistics import fmean
from typing import Any

import torch

from harmony.training.clip.captions import CaptionBook
from harmony.training.clip.export import save_clip
from harmony.training.clip.retrieval import Retrieval, measure_retrieval
from harmony.training.clip.settings import (
    CONTEXT_LENGTH,
    IMAGE_SIZE,
    ClipTrainingSettings,
    open_clip_config,
)
from harmony.training.clip.trainer import ClipTrainer, TrainingReport
from harmony.training.objects import (
    UNNAMED_CATEGORY,
    ObjectLibrary,
    load_library,
    training_split,
)
from harmony.training.stream import SceneStream

VALIDATION_SCENES = 600


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    defaults = ClipTrainingSettings()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--objects", type=Path, required=True, help="folder with the object set")
    parser.add_argument("--output", type=Path, required=True, help="folder for the trained model")
    parser.add_argument("--minutes", type=float, default=defaults.minutes)
    parser.add_argument("--max-steps", type=int, default=None, help="stop after so many steps")
    parser.add_argument("--device", default="cpu", help="such as cuda")
    parser.add_argument("--peak-learning-rate", type=float, default=defaults.peak_learning_rate)
    parser.add_argument("--scenes-per-step", type=int, default=defaults.scenes_per_step)
    parser.add_argument("--ring-size", type=int, default=defaults.ring_size)
    parser.add_argument("--validation-scenes", type=int, default=VALIDATION_SCENES)
    parser.add_argument("--seed", type=int, default=defaults.seed)
    return parser.parse_args()


def training_objects(
    library: ObjectLibrary, object_ids: tuple[int, ...], max_abstract: int
) -> tuple[int, ...]:
    """Return the ids with at most `max_abstract` objects of the abstract category."""
    abstract = [i for i in object_ids if library.categories[i] == UNNAMED_CATEGORY]
    left_out = set(abstract[max_abstract:])
    return tuple(i for i in object_ids if i not in left_out)


def describe_machine(device: torch.device) -> str:
    """Return the name of what computed."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"CPU {platform.machine()}"


def print_table(report: TrainingReport, seen: Retrieval, held_out: Retrieval) -> None:
    """Print what the training reached."""
    print(f"{'retrieval by name':30s} {'recall@1':>9s} {'recall@10':>9s} {'names':>6s}")
    for label, result in (("names held out of training", held_out), ("training names", seen)):
        print(f"{label:30s} {result.recall_at_1:9.3f} {result.recall_at_10:9.3f} {result.names:6d}")
        print(
            f"{'  mean of a scene':30s} {result.scene_recall_at_1:9.3f}"
            f" {result.scene_recall_at_10:9.3f}"
        )
        print(f"{'  blind guess':30s} {result.chance_at_1:9.3f} {result.chance_at_10:9.3f}")
    print(f"mean distance of views to view 0: {held_out.mean_view_distance:.3f} (held out)")
    print(
        f"{report.steps} steps, {report.pictures_seen} pictures, {report.seconds:.0f} s"
        f" ({report.render_seconds:.0f} s rendering)"
    )
    if report.losses:
        tenth = max(len(report.losses) // 10, 1)
        print(
            f"loss: {fmean(report.losses[:tenth]):.3f} in the first tenth,"
            f" {fmean(report.losses[-tenth:]):.3f} in the last"
        )


def make_card(
    settings: ClipTrainingSettings,
    report: TrainingReport,
    device: torch.device,
    objects: dict[str, int],
    retrieval: dict[str, Retrieval],
) -> dict[str, object]:
    """Return the model's card: how it was made and what it reached."""
    return {
        "name": "clip-small",
        "recipe": asdict(settings),
        "objects": objects,
        "training": {
            "machine": describe_machine(device),
            "torch": torch.__version__,
            "steps": report.steps,
            "pictures_seen": report.pictures_seen,
            "seconds": round(report.seconds, 1),
            "render_seconds": round(report.render_seconds, 1),
            "final_loss": fmean(report.losses[-100:]) if report.losses else None,
        },
        "retrieval": {key: asdict(value) for key, value in retrieval.items()},
    }


def train_and_measure(
    library: ObjectLibrary,
    settings: ClipTrainingSettings,
    device: torch.device,
    validation_scenes: int,
    output: Path,
) -> str:
    """Train, measure, write, and return the weights' sha256."""
    import open_clip

    all_training_ids, validation_ids = training_split(library)
    training_ids = training_objects(library, all_training_ids, settings.max_abstract_objects)
    training_names = [library.names[i] for i in training_ids]
    validation_names = [library.names[i] for i in validation_ids]
    tokenizer = open_clip.SimpleTokenizer(context_length=CONTEXT_LENGTH)
    book = CaptionBook(training_names, tokenizer, CONTEXT_LENGTH)
    held_out_book = CaptionBook(validation_names, tokenizer, CONTEXT_LENGTH)

    stream = partial(SceneStream, library, image_size=IMAGE_SIZE, rank=0, device=device)
    torch.manual_seed(settings.seed)
    model: Any = open_clip.CLIP(**open_clip_config()["model_cfg"]).to(device)
    source = stream(training_ids, ring_size=settings.ring_size, seed=settings.seed)
    trainer = ClipTrainer(model, source, library.names, book, settings)
    report = trainer.run(on_progress=lambda line: print(line, flush=True))

    unseen = stream(validation_ids, ring_size=validation_scenes, seed=settings.seed + 1)
    unseen.refill(validation_scenes)
    measure = partial(measure_retrieval, model, names=library.names, scenes=validation_scenes)
    seen = measure(source, book=book)
    held_out = measure(unseen, book=held_out_book)
    print_table(report, seen, held_out)
    objects = {"training": len(training_ids), "held_out": len(validation_ids)}
    retrieval = {"held_out_names": held_out, "training_names": seen}
    card = make_card(settings, report, device, objects, retrieval)
    return save_clip(output, model, training_names, card)


def main() -> None:
    """Do what the command line asks."""
    arguments = parse_arguments()
    device = torch.device(arguments.device)
    settings = replace(
        ClipTrainingSettings(),
        minutes=arguments.minutes,
        max_steps=arguments.max_steps,
        peak_learning_rate=arguments.peak_learning_rate,
        scenes_per_step=arguments.scenes_per_step,
        ring_size=arguments.ring_size,
        seed=arguments.seed,
    )
    library = load_library(arguments.objects, device=device)
    digest = train_and_measure(
        library, settings, device, arguments.validation_scenes, arguments.output
    )
    print(f"weights sha256 {digest}")


if __name__ == "__main__":
    main()
