"""`python -m harmony.training live`: distils the small model into `small-live`.

Guidance (Meng et al., arXiv 2210.03142) and steps are distilled at once: the student takes the
dials as inputs and learns steps that each go where several of the teacher go.
Several GPUs: `torchrun --nproc_per_node K -m harmony.training live ...`.
"""

from __future__ import annotations

import argparse
import functools
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
import torch._dynamo
from torch import Tensor

from harmony.models.base import ModelDefaults
from harmony.models.small import SmallConfig, SmallNetwork
from harmony.models.small.denoiser import read_defaults, read_network, write_defaults
from harmony.models.small.schedule import schedule_of, signal_shares
from harmony.models.small.weights import load_state, save_model
from harmony.models.small_live import LiveDenoiser, LiveNetwork
from harmony.models.small_live.schedule import Walks, walks_of
from harmony.records import SamplerSettings
from harmony.training.distillation import UPDATES, Distillation
from harmony.training.distillation_settings import ERRORS, METHODS, DistillationSettings
from harmony.training.finish import CheckpointCheck, validation_set
from harmony.training.loop import compile_network, train
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
from harmony.training.trajectories import Teacher
from harmony.training.trajectory_ring import TrajectoryRing

NAME, STEPS = "small-live", SamplerSettings("ddim", 4, 0.0)
KINDS_COMPILED = 64  # teacher and student, guided and plain, inside and across views


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    add_run_arguments(parser)
    usual = DistillationSettings()
    parser.add_argument("--teacher", type=Path, required=True, help="folder of the small model")
    parser.add_argument("--start-from", type=Path, help="a live model to go on from")
    parser.add_argument("--trajectories", type=int, default=usual.trajectories, help="new a round")
    parser.add_argument("--kept", type=int, default=usual.kept, help="trajectories a process keeps")
    parser.add_argument("--method", choices=METHODS, default=usual.method)
    parser.add_argument("--error", choices=ERRORS, default=usual.error)
    parser.add_argument(
        "--ends",
        type=_ends,
        default=usual.ends,
        metavar="A,B,C,D",
        help="after how many of the teacher's 12 steps each of four steps ends",
    )
    parser.add_argument(
        "--fast-ends", type=_ends, default=usual.fast_ends, metavar="A,B", help="likewise, of two"
    )
    parser.add_argument(
        "--spread-weight",
        type=float,
        default=usual.spread_weight,
        help="of the distance between two seeds of one object",
    )
    parser.set_defaults(run=run)


def _ends(text: str) -> tuple[int, ...]:
    return tuple(int(end) for end in text.split(","))


def run(options: argparse.Namespace) -> None:
    """Distil, and write `OUTPUT/weights` (model.safetensors, card.json).

    Raises:
        ValueError: The options do not fit together, or what they name is damaged.
        FileNotFoundError: Something they name is missing.
    """
    settings = DistillationSettings(
        trajectories=options.trajectories,
        kept=options.kept,
        method=options.method,
        error=options.error,
        ends=options.ends,
        fast_ends=options.fast_ends,
        spread_weight=options.spread_weight,
    )
    processes = begin_run(options)
    torch._dynamo.config.recompile_limit = KINDS_COMPILED
    library = load_library(options.objects, device=processes.device)
    train_ids, validation_ids = training_split(library)
    teacher, card = load_teacher(options.teacher, settings.teacher_steps, processes.device)
    config = teacher.network.config
    student = LiveNetwork(config).to(processes.device).to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    state = TrainingState(student)
    if options.resume:
        state.load(options.output)
    else:
        state.start_from(_first_weights(teacher, student, options.start_from))
    loop = loop_settings(options, processes)
    chosen = validation_ids[: options.check] if processes.is_first else ()
    own = live_card(card, settings.walks(teacher.steps))
    check = CheckpointCheck(
        validation_set(library, chosen, config.image_size),
        functools.partial(student_with, card=own, device=processes.device),
        read_defaults(card["defaults"]).guidance,
        STEPS,
    )
    if loop.compile:
        compile_network(teacher.network)
        compile_network(student)
    with ExitStack() as stack:
        drawn = drawn_ids(library, train_ids, by_spread=options.by_spread)
        scenes = scene_stream(library, drawn, config, options, processes, stack)
        fill(scenes, state.progress.step // UPDATES * options.new_scenes, options)
        ring = TrajectoryRing(teacher, scenes, loop, settings, processes.rank)
        distillation = Distillation(student, teacher, ring, state, processes, loop, settings)
        if loop.compile:
            distillation.error.compile(dynamic=False)
        train(distillation.advance, state, processes, loop, options.output, on_checkpoint=check)
    if processes.is_first:
        told = run_record(options, loop, state, processes, (len(train_ids), len(validation_ids)))
        told |= {"distillation": asdict(settings), "teacher_sha256": card["weights_sha256"]}
        folder = options.output / "weights"
        save_model(folder, state.averaged_state(), {**own, "training": told})
        cut_up(folder, options)
    processes.wait()
    leave_processes(processes)


def load_teacher(
    folder: Path, num_steps: int, device: torch.device
) -> tuple[Teacher, dict[str, Any]]:
    """Return the guided small model as its card has it, and the card.

    Raises:
        ValueError: A file is missing, damaged, or does not fit the network.
    """
    network, card = read_network(folder, SmallNetwork)
    network = network.to(device).to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    schedule = schedule_of(card)
    shares = signal_shares(card["shift"]).float()
    return Teacher(network, schedule, shares, num_steps), card


def live_card(teacher: Mapping[str, Any], walks: Walks) -> dict[str, Any]:
    """Return what the student's card takes over from its teacher's, and the walks."""
    guidance = read_defaults(teacher["defaults"]).guidance
    return {
        "name": NAME,
        "kind": NAME,
        "shift": teacher["shift"],
        "walks": [list(walk) for walk in walks],
        "config": teacher["config"],
        "defaults": write_defaults(ModelDefaults(guidance, STEPS)),
    }


def _first_weights(
    teacher: Teacher, student: LiveNetwork, start_from: Path | None
) -> dict[str, Tensor]:
    """Return the weights to begin at: those of an earlier student, or the teacher's."""
    if start_from is not None:
        return load_state(start_from)[0]
    return {**student.state_dict(), **teacher.network.state_dict()}


def student_with(
    weights: Mapping[str, Tensor], card: Mapping[str, Any], device: torch.device
) -> LiveDenoiser:
    """Return a model that samples with these weights, apart from the network in training."""
    network = LiveNetwork(SmallConfig.from_json(card["config"]))
    network.load_state_dict(weights, strict=True)
    return LiveDenoiser(
        network.to(device),
        name=NAME,
        weights_sha256="",
        shift=card["shift"],
        defaults=read_defaults(card["defaults"]),
        walks=walks_of(card),
        dtype=torch.bfloat16 if device.type == "cuda" else torch.float32,
    )
