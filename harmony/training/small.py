"""`python -m harmony.training small`: the command that made the shipped weights.

One process trains on one device; `torchrun --nproc_per_node K -m harmony.training small ...`
trains on K GPUs.
"""

from __future__ import annotations

import argparse
import functools
import json
from contextlib import ExitStack
from pathlib import Path

import torch

from harmony.models.small import SmallConfig, SmallNetwork
from harmony.models.small.weights import load_state
from harmony.training.finish import CheckpointCheck, denoiser, export, validation_set
from harmony.training.loop import compile_objective, train, training_step
from harmony.training.loss import FlowObjective
from harmony.training.objects import load_library, training_split
from harmony.training.parallel import leave_processes
from harmony.training.runs import (
    add_run_arguments,
    begin_run,
    cut_up,
    drawn_ids,
    fill,
    loop_settings,
    run_record,
    scene_stream,
)
from harmony.training.state import TrainingState


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    add_run_arguments(parser)
    parser.add_argument("--start-from", type=Path, help="weights folder to begin at")
    parser.add_argument("--validation", type=int, default=200, help="objects at the end")
    parser.add_argument("--config", type=Path, help="JSON of SmallConfig; default: as started from")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Train, validate, and write `OUTPUT/weights` (model.safetensors, card.json).

    Raises:
        ValueError: The options do not fit together, or what they name is damaged.
        FileNotFoundError: Something they name is missing.
    """
    processes = begin_run(options)
    config, weights = _beginning(options)
    library = load_library(options.objects, device=processes.device)
    train_ids, validation_ids = training_split(library)
    network = SmallNetwork(config).to(processes.device).to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    state = TrainingState(network)
    if options.resume:
        state.load(options.output)
    elif weights is not None:
        state.start_from(weights)
    settings = loop_settings(options, processes)
    validation = []
    if processes.is_first:
        wanted = max(options.validation, options.check)
        validation = validation_set(library, validation_ids[:wanted], config.image_size)
    make = functools.partial(denoiser, config=config, device=processes.device)
    check = CheckpointCheck(validation[: options.check], make)
    with ExitStack() as stack:
        drawn = drawn_ids(library, train_ids, by_spread=options.by_spread)
        scenes = scene_stream(library, drawn, config, options, processes, stack)
        fill(scenes, state.progress.step * options.new_scenes, options)
        objective = FlowObjective(network)
        if settings.compile:
            compile_objective(objective)

        def advance(rate: float, seconds: float) -> tuple[torch.Tensor, torch.Tensor]:
            return training_step(
                objective, state, scenes, processes, settings, rate=rate, seconds=seconds
            )

        finished = train(advance, state, processes, settings, options.output, on_checkpoint=check)
    if processes.is_first:
        objects = (len(train_ids), len(validation_ids))
        told = run_record(options, settings, state, processes, objects)
        if options.start_from:
            told["start_from_sha256"] = load_state(options.start_from)[1]["weights_sha256"]
        judged = validation[: options.validation] if finished else []
        folder = options.output / "weights"
        export(state, config, told, judged, folder, processes.device)
        cut_up(folder, options)
    processes.wait()
    leave_processes(processes)


def _beginning(options: argparse.Namespace) -> tuple[SmallConfig, dict[str, torch.Tensor] | None]:
    """Return the network's size and the weights to begin at, if there are any."""
    weights, config = None, SmallConfig()
    if options.start_from:
        weights, card = load_state(options.start_from)
        config = SmallConfig.from_json(card["config"])
    if options.config:
        config = SmallConfig.from_json(json.loads(options.config.read_text(encoding="utf-8")))
    return config, weights
