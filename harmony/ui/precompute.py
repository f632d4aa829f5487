"""Makes the maps that ship with the examples: python -m harmony.ui.precompute.

It may be stopped and started again: cells whose recipe is the wanted one stay as they are.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from PIL import Image

from harmony.ui.engine import Engine
from harmony.ui.events import RunReady
from harmony.ui.examples import FOLDER, Example, load_examples
from harmony.ui.inputs import Defaults
from harmony.ui.loading import DEVICES, standard_defaults, standard_engine
from harmony.ui.precomputed import Cell, folder_of, load_precomputed, write_map
from harmony.ui.settings import Framing, Settings
from harmony.ui.shown import VIEW_COUNT
from harmony.ui.strips import make_strip, save_strip, split_strip

S1_VALUES, S2_VALUES = (0.0, 1.0, 2.0), (0.0, 0.5, 1.0)
SIDE, QUALITY = 224, 82
"""Of a view in pixels, and of the WebP: eight maps of nine cells stay below 4 MB."""


def build_parser() -> argparse.ArgumentParser:
    """Return the command line; what is left out is what the model's card recommends."""
    parser = argparse.ArgumentParser(
        prog="python -m harmony.ui.precompute", description="Make the examples' maps."
    )
    parser.add_argument("--examples", type=Path, default=FOLDER, help="folder with examples.json")
    parser.add_argument("--only", nargs="*", metavar="NAME", help="names of some examples")
    parser.add_argument("--model", default="small")
    parser.add_argument("--device", choices=DEVICES, default="auto")
    parser.add_argument("--s1", type=float, nargs="+", default=S1_VALUES, metavar="VALUE")
    parser.add_argument("--s2", type=float, nargs="+", default=S2_VALUES, metavar="VALUE")
    parser.add_argument("--steps", type=int)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--side", type=int, default=SIDE, help="of a view, in pixels")
    parser.add_argument("--quality", type=int, default=QUALITY, help="of the WebP, 1 to 100")
    return parser


def settings_for(
    example: Example, start: Defaults, options: argparse.Namespace
) -> Iterator[Settings]:
    """Yield the settings of an example's cells; those nearest to the model's own come first."""
    scales = [(s1, s2) for s1 in options.s1 for s2 in options.s2]
    scales.sort(key=lambda pair: (pair[0] - start.s1) ** 2 + (pair[1] - start.s2) ** 2)
    for s1, s2 in scales:
        yield Settings(
            framing=Framing(start.cutout, start.foreground, example.elevation_deg),
            rule="decomposed",
            s1=s1,
            s2=s2,
            cfg_scale=start.cfg_scale,
            sampler=start.sampler,
            num_steps=start.num_steps if options.steps is None else options.steps,
            eta=start.eta,
            instances=1,
            first_seed=options.seed,
            object_name=example.name,
        )


def make_cell(
    engine: Engine, picture: Path, settings: Settings, folder: Path, *, side: int, quality: int
) -> tuple[Cell, float]:
    """Run one setting, write its strip and return the cell and the seconds that it took."""
    with tempfile.TemporaryDirectory() as own:
        run = next(
            event.run
            for event in engine.generate(picture, settings, Path(own))
            if isinstance(event, RunReady)
        )
        (sample,) = run.samples
        with Image.open(sample.strip) as opened:
            views = split_strip(opened.convert("RGB"), VIEW_COUNT)
    strip = folder / f"s1-{settings.s1:g}_s2-{settings.s2:g}.webp"
    save_strip(make_strip(views, max_side=side), strip, quality=quality)
    return Cell(strip, run.recipe, sample.score, dict(sample.measures)), run.seconds


def precompute(
    engine: Engine, example: Example, start: Defaults, options: argparse.Namespace
) -> Iterator[str]:
    """Make the cells of one example that are missing; yield a line for each."""
    folder, wanted = folder_of(example), list(settings_for(example, start, options))
    recipes = [engine.recipe(example.file, settings) for settings in wanted]
    shipped = load_precomputed(example)
    kept = [cell for cell in shipped.cells if cell.recipe in recipes] if shipped else []
    known = [cell.recipe for cell in kept]
    if shipped is not None:
        # A strip that is about to be replaced must not stand under its old recipe.
        write_map(folder, kept)
    for settings, recipe in zip(wanted, recipes, strict=True):
        if recipe in known:
            continue
        folder.mkdir(parents=True, exist_ok=True)
        cell, seconds = make_cell(
            engine, example.file, settings, folder, side=options.side, quality=options.quality
        )
        kept.append(cell)
        write_map(folder, kept)
        yield f"{cell.strip}: {seconds:.1f} s"
    _tidy(folder, kept)


def _tidy(folder: Path, cells: Sequence[Cell]) -> None:
    """Remove strips that no cell names."""
    names = {cell.strip.name for cell in cells}
    for file in folder.glob("*.webp"):
        if file.name not in names:
            file.unlink()


def main(
    arguments: Sequence[str] | None = None,
    *,
    build_engine: Callable[[str, str], Engine] = standard_engine,
) -> int:
    """Run the command line; return 0, or 2 on bad input."""
    options = build_parser().parse_args(arguments)
    engine, start = build_engine(options.model, options.device), standard_defaults(options.model)
    try:
        for example in load_examples(options.examples):
            if options.only and example.name not in options.only:
                continue
            for line in precompute(engine, example, start, options):
                print(line, flush=True)  # noqa: T201
    except ValueError as error:
        print(error, file=sys.stderr)  # noqa: T201
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
