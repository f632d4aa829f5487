"""Makes the results that ship with the examples: python -m harmony.ui.precompute."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from PIL import Image

from harmony.ui.engine import Engine
from harmony.ui.events import RunReady
from harmony.ui.examples import FOLDER, Example, load_examples
from harmony.ui.loading import DEVICES, standard_defaults, standard_engine
from harmony.ui.precomputed import folder_of, write_precomputed
from harmony.ui.settings import Framing, Settings
from harmony.ui.visits import Run


def build_parser() -> argparse.ArgumentParser:
    """Return the command line; what is left out is what the model's card recommends."""
    parser = argparse.ArgumentParser(
        prog="python -m harmony.ui.precompute", description="Make the examples' results."
    )
    parser.add_argument("--examples", type=Path, default=FOLDER, help="folder with examples.json")
    parser.add_argument("--only", nargs="*", metavar="NAME", help="names of some examples")
    parser.add_argument("--model", default="small")
    parser.add_argument("--device", choices=DEVICES, default="auto")
    parser.add_argument("--instances", type=int, default=2, help="seeds for each, from 0")
    parser.add_argument("--steps", type=int)
    parser.add_argument("--rule")
    parser.add_argument("--s1", type=float)
    parser.add_argument("--s2", type=float)
    return parser


def settings_for(example: Example, options: argparse.Namespace) -> Settings:
    """Return the settings of one example's run."""
    wished = {
        "rule": options.rule,
        "s1": options.s1,
        "s2": options.s2,
        "num_steps": options.steps,
    }
    start = replace(
        standard_defaults(options.model),
        **{name: value for name, value in wished.items() if value is not None},
    )
    return Settings(
        framing=Framing(start.cutout, start.foreground, example.elevation_deg),
        rule=start.rule,
        s1=start.s1,
        s2=start.s2,
        cfg_scale=start.cfg_scale,
        sampler=start.sampler,
        num_steps=start.num_steps,
        eta=start.eta,
        instances=options.instances,
        first_seed=0,
        object_name=example.name,
    )


def precompute(engine: Engine, example: Example, settings: Settings) -> Run:
    """Run one example and write its result beside it."""
    with tempfile.TemporaryDirectory() as folder:
        run = next(
            event.run
            for event in engine.generate(example.file, settings, Path(folder))
            if isinstance(event, RunReady)
        )
        strips = [_opened(sample.strip) for sample in run.samples]
        scores = {
            "object_name": settings.object_name,
            "scores": [{"seed": sample.seed, "cd_score": sample.score} for sample in run.samples],
        }
        write_precomputed(
            folder_of(example),
            strips,
            run.recipe_file.read_text(encoding="utf-8"),
            json.dumps(scores, indent=2, allow_nan=False) + "\n",
        )
    return run


def _opened(strip: Path) -> Image.Image:
    with Image.open(strip) as opened:
        return opened.convert("RGB")


def main(
    arguments: Sequence[str] | None = None,
    *,
    build_engine: Callable[[str, str], Engine] = standard_engine,
) -> int:
    """Run the command line; return 0, or 2 on bad input."""
    options = build_parser().parse_args(arguments)
    engine = build_engine(options.model, options.device)
    try:
        for example in load_examples(options.examples):
            if options.only and example.name not in options.only:
                continue
            run = precompute(engine, example, settings_for(example, options))
            print(f"{folder_of(example)}: {len(run.samples)} seeds in {run.seconds:.1f} s")  # noqa: T201
    except ValueError as error:
        print(error, file=sys.stderr)  # noqa: T201
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
