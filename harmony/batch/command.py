"""The command line: pictures or prompts -> folders of views, scores and the recipes that made them.

One picture or prompt goes straight into the output folder and repeats byte for byte on one
machine's CPU. Several pictures, a folder or a pattern each get OUTPUT/<name>; what is finished with
the same recipe is kept, and what fails is listed at the end. Exit code: 0 all done, 1 some items
failed, 2 refused with nothing written, 130 stopped (what was finished is kept).
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, NoReturn

import torch
from accelerate import PartialState

from harmony.background import CUTOUTS, SHIPPED
from harmony.batch.items import find_items
from harmony.batch.records import Result
from harmony.batch.run import Batch, StoppedError, run_batch, wait_for_all
from harmony.batch.settings import MESH_FORMATS, Settings
from harmony.batch.workshop import ModelLoader, NamedScorer, ScorerLoader
from harmony.devices import DEVICES, set_threads
from harmony.framing import DEFAULT_FOREGROUND
from harmony.guidance import RULES
from harmony.models.registry import load_model
from harmony.painting.models import DEFAULT_MODEL
from harmony.reconstruction.pipeline import QUALITIES
from harmony.sampling import SAMPLERS

EXIT_SOME_FAILED = 1
EXIT_REFUSED = 2
EXIT_STOPPED = 130


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(EXIT_REFUSED, f"{message}\n")


def _seeds(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} must be whole numbers with commas between, such as 0,1,2,3"
        ) from None


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line; its names are those of `Settings`."""
    parser = _Parser(prog="python -m harmony.generate", description=__doc__)
    parser.add_argument("pictures", nargs="*", metavar="IMAGE", help="picture, folder or pattern")
    parser.add_argument("--output", type=Path, required=True, metavar="DIR", help="folder to write")
    parser.add_argument("--model", default="small", help="small, syncdreamer or a model's folder")
    parser.add_argument("--seeds", type=_seeds, default=(0, 1, 2, 3), help="one sample each")
    _add_guidance(parser)
    picture = parser.add_argument_group("picture")
    picture.add_argument("--elevation-deg", type=float, default=30.0, help="of its camera")
    framing = picture.add_mutually_exclusive_group()
    framing.add_argument("--foreground", type=float, default=DEFAULT_FOREGROUND, help="share of the frame")  # fmt: skip
    framing.add_argument("--no-crop", action="store_true", help="keep the picture's framing")
    picture.add_argument("--cutout", choices=CUTOUTS, default=SHIPPED)
    _add_text(parser)
    score = parser.add_argument_group("score")
    score.add_argument("--object-name", help='the word in "An image of ..."')
    score.add_argument("--encoder", default="small", help="CLIP model that scores, or none")
    mesh = parser.add_argument_group("mesh")
    mesh.add_argument("--reconstruct", action="store_true", help="also make a mesh of each sample")
    mesh.add_argument("--quality", choices=list(QUALITIES), default="standard")
    mesh.add_argument("--mesh-format", choices=MESH_FORMATS, default="glb")
    parser.add_argument("--device", choices=DEVICES, default="auto")
    parser.add_argument("--threads", type=int, help="CPU threads (their number changes last bits)")
    return parser


def _add_guidance(parser: argparse.ArgumentParser) -> None:
    guidance = parser.add_argument_group("guidance (0 is off; default: the model's)")
    guidance.add_argument("--s1", type=float, help="consistency with the picture (Eq. 7)")
    guidance.add_argument("--s2", type=float, help="agreement and diversity of the views (Eq. 7)")
    guidance.add_argument("--cfg-scale", type=float, help="plain guidance instead (Eq. 3)")
    guidance.add_argument("--rule", choices=sorted(RULES), help="the guidance rule by name")
    sampler = parser.add_argument_group("sampler (default: the model's)")
    sampler.add_argument("--sampler", choices=sorted(SAMPLERS))
    sampler.add_argument("--steps", type=int, help="network steps, 1 to 1000")
    sampler.add_argument("--eta", type=float, help="DDIM's eta, 0 to 1")


def _add_text(parser: argparse.ArgumentParser) -> None:
    text = parser.add_argument_group("text to image (steps and guidance default to the model's)")
    text.add_argument(
        "--prompt", action="append", default=[], dest="prompts", help="paint this; may be repeated"
    )
    text.add_argument("--text-model", default=DEFAULT_MODEL, help="id of the hub, or a folder")
    text.add_argument("--text-seed", type=int, default=0, help="of the painted pictures")
    text.add_argument("--text-steps", type=int)
    text.add_argument("--text-guidance", type=float)


def settings_of(options: argparse.Namespace) -> Settings:
    """Return the wishes that a command line states."""
    given: dict[str, Any] = vars(options) | {
        "foreground": None if options.no_crop else options.foreground,
        "quality": options.quality if options.reconstruct else None,
    }
    return Settings(**{field.name: given[field.name] for field in fields(Settings)})


def load_cd_scorer(encoder: str, device: torch.device) -> NamedScorer:
    """Load the scorer that measures with a CLIP model."""
    from harmony.scoring import CDScorer

    return CDScorer.load(encoder, device)


def _say(sentence: str) -> None:
    print(sentence, file=sys.stderr, flush=True)


def _run(
    options: argparse.Namespace, load: ModelLoader, load_scorer: ScorerLoader
) -> tuple[tuple[Result, ...], bool]:
    """Return the results, and whether there are several items."""
    settings = settings_of(options)
    if options.threads is not None:
        set_threads(options.threads)
    items = find_items(options.pictures, options.prompts)
    for file in items.left_out:
        _say(f"{file} is left out: its ending is not that of a picture.")
    batch = Batch(items, options.output.resolve(), settings)
    return run_batch(batch, load=load, load_scorer=load_scorer), items.several


def summary(results: Sequence[Result]) -> list[str]:
    """Return the lines that close a batch: the counts, then one line for each failure."""
    counts = {state: sum(result.state == state for result in results) for state in ("made", "kept")}
    failed = [result for result in results if result.state == "failed"]
    lines = [f"{counts['made']} made, {counts['kept']} kept, {len(failed)} failed."]
    return lines + [f"{result.source}: {result.problem}" for result in failed]


def _report(results: Sequence[Result], *, several: bool) -> int:
    failed = [result for result in results if result.state == "failed"]
    if PartialState().is_main_process:
        for line in summary(results) if several else [str(r.problem) for r in failed]:
            _say(line)
    # A launcher ends every process as soon as one exits with a failure.
    wait_for_all()
    return EXIT_SOME_FAILED if failed else 0


def main(
    arguments: Sequence[str] | None = None,
    *,
    load: ModelLoader = load_model,
    load_scorer: ScorerLoader = load_cd_scorer,
) -> int:
    """Run the command line and return its exit code, see the module."""
    options = build_parser().parse_args(arguments)
    try:
        results, several = _run(options, load, load_scorer)
    except ValueError as error:
        _say(str(error))
        return EXIT_REFUSED
    except KeyboardInterrupt as stop:
        kept = stop.kept if isinstance(stop, StoppedError) else 0
        total = stop.total if isinstance(stop, StoppedError) else 0
        what = f"{kept} of {total} are finished and kept" if kept else "nothing was written"
        _say(f"\nStopped; {what}.")
        return EXIT_STOPPED
    return _report(results, several=several)
