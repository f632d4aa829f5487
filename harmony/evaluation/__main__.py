"""Evaluate a model against ground truth.

`python -m harmony.evaluation --dataset DIR --output OUT`. Started by `accelerate launch -m` (several
GPUs) or `torchrun --nproc_per_node N -m` (CPUs too), it spreads the objects over the processes and
writes the same bytes.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from harmony.batch.settings import choose_sampler
from harmony.devices import DEVICES, set_threads
from harmony.evaluation.dataset import EvaluationObject, find_objects
from harmony.evaluation.flow import AUTO, FLOW_CHOICES, load_flow
from harmony.evaluation.measurement import Instruments
from harmony.evaluation.perceptual import load_lpips
from harmony.evaluation.report import tables, write_report
from harmony.evaluation.rules import RULE_FORMS, parse_rules, parse_seeds
from harmony.evaluation.run import (
    RUN_FILE,
    RunSettings,
    describe_run,
    evaluate_objects,
    open_run,
    read_records,
)
from harmony.evaluation.summary import AGGREGATES
from harmony.models.base import MultiviewDenoiser
from harmony.models.registry import load_model
from harmony.processes import join_processes
from harmony.sampling import SAMPLERS, validate_request
from harmony.scoring import CDScorer
from harmony.scoring_encoder import DEFAULT_ENCODER

METRICS = ("ssim", "lpips", "e_flow", "cd")
BAR_LENGTH = 30
EXIT_REFUSED = 2


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(prog="python -m harmony.evaluation", description=__doc__)
    parser.add_argument("--dataset", type=Path, required=True, help="one folder for each object")
    parser.add_argument("--output", type=Path, required=True, help="folder; a run is taken up")
    parser.add_argument("--model", default="small", help="small, syncdreamer or a model's folder")
    parser.add_argument("--objects", default="", help="only these names, commas between")
    parser.add_argument("--rules", default="none,cfg:1,dg:2:1", help=RULE_FORMS)
    parser.add_argument("--seeds", default="0-3", help="such as 0-3 or 0,1,5")
    parser.add_argument("--steps", type=int, help="default: the model's; published: 50")
    parser.add_argument("--sampler", choices=sorted(SAMPLERS), help="default: the model's")
    parser.add_argument("--eta", type=float, help="DDIM's; default: the model's; published: 1")
    parser.add_argument("--aggregate", choices=AGGREGATES, default="mean", help="over the samples")
    parser.add_argument("--metrics", default=",".join(METRICS), help="beside PSNR; commas between")
    parser.add_argument("--encoder", default=DEFAULT_ENCODER, help="CLIP model of the CD score")
    parser.add_argument("--flow", choices=FLOW_CHOICES, default=AUTO)
    parser.add_argument(
        "--lpips",
        type=Path,
        metavar="DIR",
        help="folder with VGG and LPIPS files; default: fetched",
    )
    parser.add_argument("--reconstruct", action="store_true", help="also make and measure meshes")
    parser.add_argument("--device", choices=DEVICES, default="auto")
    # The thread count changes the last bits of a sum, so it is fixed and not the machine's.
    parser.add_argument("--threads", type=int, default=1, help="CPU threads of each process")
    return parser


def _bar(lead: str) -> Callable[[float, str], None]:
    def tell(fraction: float, text: str) -> None:
        filled = "#" * int(BAR_LENGTH * fraction)
        line = f"\r{lead}[{filled:<{BAR_LENGTH}}] {fraction:6.1%} {text[:60]:<60}"
        print(line, end="\n" if fraction >= 1 else "", file=sys.stderr, flush=True)

    return tell


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def run(
    options: argparse.Namespace,
    load: Callable[[str, torch.device], MultiviewDenoiser] = load_model,
) -> str:
    """Do what the command line asks and return the tables.

    Raises:
        ValueError: It cannot be done; the sentence says why.
    """
    state, device = join_processes(options.device)
    names = tuple(name for name in options.objects.split(",") if name)
    objects = find_objects(options.dataset, names)
    rules, seeds = parse_rules(options.rules), parse_seeds(options.seeds)
    set_threads(options.threads)
    model = load(options.model, device)
    settings = RunSettings(rules, seeds, choose_sampler(options, model.defaults))
    for rule in rules:
        validate_request(model, rule, settings.sampler)
    instruments = _instruments(options, device, _say if state.is_main_process else _ignore)
    if state.is_main_process:
        open_run(options.output, describe_run(model, settings, instruments))
    state.wait_for_everyone()
    mine = objects[state.process_index :: state.num_processes]
    lead = f"process {state.process_index} " if state.num_processes > 1 else ""
    evaluate_objects(model, mine, settings, instruments, options.output, _bar(lead))
    state.wait_for_everyone()
    return _report(options, objects, settings) if state.is_main_process else ""


def parse_metrics(text: str) -> frozenset[str]:
    """Return the metrics of a list with commas between; PSNR is always measured.

    Raises:
        ValueError: A name is unknown.
    """
    chosen = frozenset(text.split(",")) - {"psnr", ""}
    if unknown := sorted(chosen - set(METRICS)):
        raise ValueError(
            f"There is no metric {unknown[0]!r}; take from psnr, {', '.join(METRICS)}."
        )
    return chosen


def _instruments(
    options: argparse.Namespace, device: torch.device, say: Callable[[str], None]
) -> Instruments:
    chosen = parse_metrics(options.metrics)
    return Instruments(
        scorer=CDScorer.load(options.encoder, device) if "cd" in chosen else None,
        flow=load_flow(options.flow, device, say) if "e_flow" in chosen else None,
        lpips=load_lpips(options.lpips, device, say) if "lpips" in chosen else None,
        reconstructs=options.reconstruct,
        ssim="ssim" in chosen,
    )


def _ignore(text: str) -> None:
    """Leave the telling to the main process."""


def _report(
    options: argparse.Namespace, objects: Sequence[EvaluationObject], settings: RunSettings
) -> str:
    description = json.loads((options.output / RUN_FILE).read_text(encoding="utf-8"))
    records = read_records(options.output, objects, settings.rules)
    summaries = write_report(options.output, description, records, options.aggregate)
    return tables(description, summaries, options.aggregate, records)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code: 0 done, 2 refused."""
    options = build_parser().parse_args(arguments)
    try:
        text = run(options)
    except (ValueError, FileNotFoundError) as error:
        _say(str(error))
        return EXIT_REFUSED
    if text:
        print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
