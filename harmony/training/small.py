"""`python -m harmony.training small`: the command that made the shipped weights.

One process trains on one device; `torchrun --nproc_per_node K -m harmony.training small ...`
trains on K GPUs.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from harmony.models.base import ModelDefaults
from harmony.models.small import SmallConfig, SmallDenoiser, SmallNetwork
from harmony.models.small.denoiser import write_defaults
from harmony.models.small.weights import load_state, save_model
from harmony.records import Guidance, ReferenceImage, SamplerSettings
from harmony.training.loop import LoopSettings, train
from harmony.training.loss import FlowObjective
from harmony.training.objects import ObjectLibrary, load_library, training_split
from harmony.training.parallel import Processes, join_processes, leave_processes
from harmony.training.state import TrainingState
from harmony.training.stream import SceneStream, render_views
from harmony.training.validation import ValidationObject, validate

SHIFT = 1.5
DEFAULTS = ModelDefaults(Guidance("decomposed", 2.0, 1.0), SamplerSettings("ddim", 25, 0.0))
GUIDANCE_GRID = ((0.0, 0.0), (1.0, 0.0), (2.0, 0.0), (2.0, 1.0))
GRID_OBJECTS = 64
FIRST_SCENES = 768  # so that the first batches do not repeat a handful of objects


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument("--objects", type=Path, required=True, help="folder of packed objects")
    parser.add_argument("--output", type=Path, required=True, help="folder of the run")
    parser.add_argument("--minutes", type=float, required=True, help="length of the schedule")
    parser.add_argument("--batch", type=int, default=96, help="samples a step and process")
    parser.add_argument("--new-scenes", type=int, default=24, help="rendered a step and process")
    parser.add_argument("--peak", type=float, default=1.0, help="learning rate, 1 is usual")
    parser.add_argument("--warmup-steps", type=int, default=300)
    parser.add_argument("--decay-share", type=float, default=0.4, help="of the time, at the end")
    parser.add_argument("--ring", type=int, default=3072, help="scenes kept for each process")
    parser.add_argument("--procedural", type=int, default=0, help="procedural objects besides")
    parser.add_argument("--workers", type=int, default=8, help="processes that make them")
    parser.add_argument("--start-from", type=Path, help="weights folder to begin at")
    parser.add_argument("--resume", action="store_true", help="continue the run in --output")
    parser.add_argument("--validation", type=int, default=200, help="objects at the end")
    parser.add_argument("--config", type=Path, help="JSON of SmallConfig; the default is shipped")
    parser.add_argument("--device", default="cuda", choices=["cuda", "cpu"])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--no-compile", action="store_true")


def run(options: argparse.Namespace) -> None:
    """Train, validate, and write `OUTPUT/weights` (model.safetensors, card.json)."""
    processes = join_processes(options.device)
    options.output.mkdir(parents=True, exist_ok=True)
    torch.backends.cuda.matmul.allow_tf32 = True
    torch.backends.cudnn.benchmark = True
    library = load_library(options.objects)
    train_ids, validation_ids = training_split(library)
    config = SmallConfig()
    if options.config:
        config = SmallConfig.from_json(json.loads(options.config.read_text(encoding="utf-8")))
    torch.manual_seed(options.seed)
    network = SmallNetwork(config).to(processes.device).to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    state = TrainingState(network)
    if options.start_from:
        state.start_from(load_state(options.start_from)[0])
    if options.resume:
        state.load(options.output)
    scenes = _scene_stream(library, train_ids, config, options, processes)
    _fill(scenes, state.progress.step, options)
    settings = LoopSettings(
        minutes=options.minutes,
        batch=options.batch,
        new_scenes=options.new_scenes,
        seed=options.seed,
        peak=options.peak,
        warmup_steps=options.warmup_steps,
        decay_share=options.decay_share,
        compile=not options.no_compile and processes.device.type == "cuda",
    )
    train(FlowObjective(network), state, scenes, processes, settings, options.output)
    if processes.is_first:
        record = {
            "progress": asdict(state.progress),
            "loop": asdict(settings),
            "processes": processes.count,
            "objects": {"training": len(train_ids), "validation": len(validation_ids)},
            "procedural": options.procedural,
            "torch": torch.__version__,
        }
        if processes.device.type == "cuda":
            record["device"] = torch.cuda.get_device_name(processes.device)
        validation = validation_set(
            scenes.library, validation_ids[: options.validation], config.image_size
        )
        export(state, config, record, validation, options.output / "weights", processes.device)
    processes.wait()
    leave_processes(processes)


def _scene_stream(
    library: ObjectLibrary,
    train_ids: Sequence[int],
    config: SmallConfig,
    options: argparse.Namespace,
    processes: Processes,
) -> SceneStream:
    return SceneStream(
        library,
        train_ids,
        image_size=config.image_size,
        ring_size=options.ring,
        seed=options.seed,
        rank=processes.rank,
        device=processes.device,
    )


def _fill(scenes: SceneStream, step: int, options: argparse.Namespace) -> None:
    """Bring the ring to where a run of `step` steps would have left it."""
    count = min(options.ring, FIRST_SCENES) + step * options.new_scenes
    scenes.load_state_dict({"scene_count": count, "seed": scenes.seed, "rank": scenes.rank})


def validation_set(
    library: ObjectLibrary, ids: Sequence[int], image_size: int
) -> list[ValidationObject]:
    """Render held-out objects once, lit plainly, with the input at elevation 30."""
    objects = []
    for index in ids:
        reference, views = (
            pictures.cpu()
            for pictures in render_views(library, index, image_size=image_size, elevation_deg=30.0)
        )
        rgb, alpha = reference[:3].float() / 127.5 - 1, reference[3:].float() / 255
        truth = views[:, :3].float() / 255
        objects.append(
            ValidationObject(library.names[index], ReferenceImage(rgb, alpha, 30.0), truth)
        )
    return objects


def export(
    state: TrainingState,
    config: SmallConfig,
    record: dict[str, Any],
    validation: Sequence[ValidationObject],
    folder: Path,
    device: torch.device,
) -> None:
    """Write the averaged weights with a card that holds the run and its validation scores."""
    card: dict[str, Any] = {
        "name": "small",
        "kind": "small",
        "shift": SHIFT,
        "config": config.to_json(),
        "defaults": write_defaults(DEFAULTS),
        "training": record,
    }
    weights = state.averaged_state()
    save_model(folder, weights, card)
    stored, _ = load_state(folder)
    scores = {}
    if validation:
        chosen = validation[:GRID_OBJECTS]
        exact = _denoiser(weights, config, device)
        rounded = _denoiser(stored, config, device)
        for s1, s2 in GUIDANCE_GRID:
            guidance = Guidance("decomposed", s1, s2)
            score = validate(rounded, chosen, guidance=guidance, settings=DEFAULTS.sampler)
            scores[f"s1={s1:g} s2={s2:g}"] = asdict(score)
        guidance = Guidance("decomposed", 1.0, 0.0)
        scores["s1=1 s2=0, unrounded weights"] = asdict(
            validate(exact, chosen, guidance=guidance, settings=DEFAULTS.sampler)
        )
        scores["s1=1 s2=0, all"] = asdict(
            validate(rounded, validation, guidance=guidance, settings=DEFAULTS.sampler)
        )
    save_model(folder, weights, {**card, "validation": scores})


def _denoiser(
    weights: dict[str, torch.Tensor], config: SmallConfig, device: torch.device
) -> SmallDenoiser:
    network = SmallNetwork(config)
    network.load_state_dict(weights, strict=True)
    dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
    return SmallDenoiser(
        network.to(device),
        name="small",
        weights_sha256="",
        shift=SHIFT,
        defaults=DEFAULTS,
        dtype=dtype,
    )
