"""What every run that trains on rendered objects shares: options, scenes, record, pieces."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from harmony.models.small import SmallConfig
from harmony.models.small.weights import CARD_FILE, WEIGHTS_FILE
from harmony.training.generations import Generations, ProceduralSettings
from harmony.training.loop import LoopSettings
from harmony.training.objects import ObjectLibrary
from harmony.training.occlusion import with_visibility
from harmony.training.parallel import Processes, join_processes
from harmony.training.pieces import MEBIBYTE, split_file
from harmony.training.state import TrainingState
from harmony.training.stream import SceneStream
from harmony.training.weighting import repeated_by_spread, view_spread

FIRST_SCENES = 768  # so that the first batches do not repeat a handful of objects
PIECES_FOLDER = "pieces"


def add_run_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of every run that trains on rendered objects."""
    parser.add_argument("--objects", type=Path, required=True, help="folder of packed objects")
    parser.add_argument("--output", type=Path, required=True, help="folder of the run")
    parser.add_argument("--minutes", type=float, required=True, help="length of the schedule")
    parser.add_argument("--stop-after", type=float, help="minutes of this run; resume it later")
    parser.add_argument("--batch", type=int, default=96, help="samples a step and process")
    parser.add_argument("--new-scenes", type=int, default=24, help="rendered a step and process")
    parser.add_argument("--peak", type=float, default=1.0, help="learning rate, 1 is usual")
    parser.add_argument("--warmup-steps", type=int, default=300)
    parser.add_argument("--decay-share", type=float, default=0.4, help="of the time, at the end")
    parser.add_argument("--save-minutes", type=float, default=4.0, help="between checkpoints")
    parser.add_argument("--log-every", type=int, default=100, help="steps between log lines")
    parser.add_argument("--ring", type=int, default=3072, help="scenes kept for each process")
    parser.add_argument(
        "--procedural", type=int, default=0, help="procedural objects a generation and process"
    )
    parser.add_argument("--procedural-share", type=float, default=0.3, help="of all objects drawn")
    parser.add_argument("--generation", type=int, default=24_576, help="scenes of a generation")
    parser.add_argument(
        "--by-spread", action="store_true", help="draw objects more often whose views differ more"
    )
    parser.add_argument("--workers", type=int, default=8, help="processes that make the objects")
    parser.add_argument("--no-occlusion", action="store_true", help="without ambient occlusion")
    parser.add_argument("--resume", action="store_true", help="continue the run in --output")
    parser.add_argument("--check", type=int, default=16, help="objects at each checkpoint")
    parser.add_argument("--pieces", type=float, metavar="MEBIBYTES", help="cut the weights up too")
    parser.add_argument("--device", default="cuda", choices=["cuda", "cpu"])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--no-compile", action="store_true")


def begin_run(options: argparse.Namespace) -> Processes:
    """Join the processes, make the folder, seed, and set CUDA's arithmetic."""
    processes = join_processes(options.device)
    options.output.mkdir(parents=True, exist_ok=True)
    torch.backends.cuda.matmul.allow_tf32 = True
    torch.backends.cudnn.benchmark = True
    torch.manual_seed(options.seed)
    return processes


def loop_settings(options: argparse.Namespace, processes: Processes) -> LoopSettings:
    """Return what the options say of the loop."""
    return LoopSettings(
        minutes=options.minutes,
        batch=options.batch,
        new_scenes=options.new_scenes,
        seed=options.seed,
        peak=options.peak,
        warmup_steps=options.warmup_steps,
        decay_share=options.decay_share,
        compile=not options.no_compile and processes.device.type == "cuda",
        log_every=options.log_every,
        save_minutes=options.save_minutes,
        stop_after=options.stop_after,
    )


def _procedural(options: argparse.Namespace, rank: int) -> ProceduralSettings | None:
    if not options.procedural:
        return None
    return ProceduralSettings(
        count=options.procedural,
        share=options.procedural_share,
        scenes=options.generation,
        seed=options.seed,
        rank=rank,
        workers=options.workers,
        occlusion=not options.no_occlusion,
    )


def drawn_ids(
    library: ObjectLibrary, train_ids: tuple[int, ...], *, by_spread: bool
) -> Sequence[int]:
    """Return the ids that scenes draw from, an id as often as it shall be drawn."""
    if not by_spread:
        return train_ids
    return repeated_by_spread(train_ids, view_spread(library, train_ids)).tolist()


def scene_stream(
    library: ObjectLibrary,
    drawn: Sequence[int],
    config: SmallConfig,
    options: argparse.Namespace,
    processes: Processes,
    stack: ExitStack,
) -> SceneStream:
    """Return this process's scenes; `stack` ends the workers behind them."""
    if not options.no_occlusion:
        library = with_visibility(library)
    procedural = _procedural(options, processes.rank)
    generations = None
    if procedural is not None:
        generations = stack.enter_context(Generations(library, drawn, procedural))
    return SceneStream(
        library,
        drawn,
        image_size=config.image_size,
        ring_size=options.ring,
        seed=options.seed,
        rank=processes.rank,
        device=processes.device,
        generations=generations,
    )


def fill(scenes: SceneStream, rendered: int, options: argparse.Namespace) -> None:
    """Bring the ring to where a run that rendered so many scenes would have left it."""
    count = min(options.ring, FIRST_SCENES) + rendered
    scenes.load_state_dict({"scene_count": count, "seed": scenes.seed, "rank": scenes.rank})


def cut_up(folder: Path, options: argparse.Namespace) -> None:
    """Cut weights and card into pieces beside them, where that was asked for."""
    if options.pieces:
        for name in (WEIGHTS_FILE, CARD_FILE):
            size = int(options.pieces * MEBIBYTE)
            split_file(folder / name, options.output / PIECES_FOLDER, size)


def run_record(
    options: argparse.Namespace,
    settings: LoopSettings,
    state: TrainingState,
    processes: Processes,
    objects: tuple[int, int],
) -> dict[str, Any]:
    """Return what the card says of the run."""
    procedural = _procedural(options, 0)
    record = {
        "progress": asdict(state.progress),
        "loop": asdict(settings),
        "processes": processes.count,
        "objects": {"training": objects[0], "validation": objects[1]},
        "procedural": None if procedural is None else asdict(procedural),
        "by_spread": options.by_spread,
        "ambient_occlusion": not options.no_occlusion,
        "torch": torch.__version__,
    }
    if processes.device.type == "cuda":
        record["device"] = torch.cuda.get_device_name(processes.device)
    return record
