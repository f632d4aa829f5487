"""The command line: one picture -> a folder of views, scores and the recipe that made them.

`python -m harmony.generate IMAGE --output DIR` repeats byte for byte on one machine's CPU. What
cannot be done is said in one sentence on stderr with exit code 2, and nothing is written.
"""

from __future__ import annotations

import argparse
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import torch

from harmony.background import CUTOUTS, SHIPPED, CutoutModels
from harmony.devices import DEVICES, choose_device
from harmony.export import run_files
from harmony.framing import DEFAULT_FOREGROUND, validate_elevation, validate_foreground
from harmony.guidance import RULES, branch_weights
from harmony.images import LoadedImage, read_image
from harmony.models.base import ModelDefaults, MultiviewDenoiser
from harmony.models.registry import load_model
from harmony.noise import validate_seeds
from harmony.pipeline import Sample, SampleEvent, Scorer, StepEvent, generate, prepare
from harmony.recipe import make_recipe, validate_object_name
from harmony.records import Guidance, Recipe, ReferenceImage, SamplerSettings
from harmony.sampling import SAMPLERS, validate_settings
from harmony.scoring_report import SUGGESTED, measure_run, name_object

EXIT_REFUSED = 2
EXIT_STOPPED = 130
OUR_FILES = re.compile(
    r"(recipe|scores|cameras)\.json|seed-\d{4,}(/(view-\d\d(\.alpha)?|strip)\.png)?"
)

ModelLoader = Callable[[str, torch.device], MultiviewDenoiser]
ScorerLoader = Callable[[str, torch.device], Scorer]


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
    """Return the parser of the command line."""
    parser = _Parser(prog="python -m harmony.generate", description=__doc__)
    parser.add_argument("image", type=Path, metavar="IMAGE", help="the picture of the object")
    parser.add_argument("--output", type=Path, required=True, metavar="DIR", help="folder to write")
    parser.add_argument("--model", default="small", help="small, syncdreamer or a model's folder")
    parser.add_argument("--seeds", type=_seeds, default=(0, 1, 2, 3), help="one sample each")
    guidance = parser.add_argument_group("guidance (0 is off; default: the model's)")
    guidance.add_argument("--s1", type=float, help="consistency with the picture (Eq. 7)")
    guidance.add_argument("--s2", type=float, help="agreement and diversity of the views (Eq. 7)")
    guidance.add_argument("--cfg-scale", type=float, help="plain guidance instead (Eq. 3)")
    guidance.add_argument("--rule", choices=sorted(RULES), help="the guidance rule by name")
    sampler = parser.add_argument_group("sampler (default: the model's)")
    sampler.add_argument("--sampler", choices=sorted(SAMPLERS))
    sampler.add_argument("--steps", type=int, help="network steps, 1 to 1000")
    sampler.add_argument("--eta", type=float, help="DDIM's eta, 0 to 1")
    picture = parser.add_argument_group("picture")
    picture.add_argument("--elevation-deg", type=float, default=30.0, help="of its camera")
    framing = picture.add_mutually_exclusive_group()
    framing.add_argument("--foreground", type=float, default=DEFAULT_FOREGROUND, help="share of the frame")  # fmt: skip
    framing.add_argument("--no-crop", action="store_true", help="keep the picture's framing")
    picture.add_argument("--cutout", choices=CUTOUTS, default=SHIPPED)
    score = parser.add_argument_group("score")
    score.add_argument(
        "--object-name", help='the word in "An image of ..."; default: the scorer\'s guess'
    )
    score.add_argument("--encoder", default="small", help="CLIP model that scores, or none")
    parser.add_argument("--device", choices=DEVICES, default="auto")
    return parser


def choose_guidance(options: argparse.Namespace, defaults: ModelDefaults) -> Guidance:
    """Return the guidance that the options ask for; what they leave open is the model's.

    Raises:
        ValueError: Options of different rules stand together, or a scale is out of its range.
    """
    decomposed = options.s1 is not None or options.s2 is not None
    rule, start = options.rule, defaults.guidance
    if options.cfg_scale is not None:
        if decomposed or rule not in (None, "cfg"):
            raise ValueError("Give either --cfg-scale or --s1 and --s2, not both.")
        rule = "cfg"
    elif rule is None:
        rule = start.rule if start.rule.startswith("decomposed") or not decomposed else "decomposed"
    given = {"s1": options.s1, "s2": options.s2, "cfg_scale": options.cfg_scale}
    chosen = {k: getattr(start, k) if value is None else value for k, value in given.items()}
    guidance = Guidance(rule, **chosen)
    branch_weights(guidance)
    return guidance


def choose_sampler(options: argparse.Namespace, defaults: ModelDefaults) -> SamplerSettings:
    """Return the sampler settings that the options ask for; what they leave open is the model's.

    Raises:
        ValueError: A setting is out of its range.
    """
    start = defaults.sampler
    return validate_settings(
        SamplerSettings(
            start.sampler if options.sampler is None else options.sampler,
            start.num_steps if options.steps is None else options.steps,
            start.eta if options.eta is None else options.eta,
        )
    )


def _validate_early(options: argparse.Namespace) -> None:
    """Refuse what needs no model to be refused."""
    fallback = ModelDefaults(Guidance(), SamplerSettings())
    choose_guidance(options, fallback)
    choose_sampler(options, fallback)
    validate_seeds(options.seeds)
    if options.object_name is not None:
        validate_object_name(options.object_name)
    validate_elevation(options.elevation_deg)
    validate_foreground(options.foreground)


def _validate_output(output: Path) -> None:
    """Refuse an output that would cost the user anything but an earlier run."""
    if output.exists() and not output.is_dir():
        raise ValueError(f"The output {output} is a file; name a folder.")
    if output == Path.cwd():
        raise ValueError("The output is the current folder; name another one.")
    for path in output.rglob("*"):
        if not OUR_FILES.fullmatch(path.relative_to(output).as_posix()):
            raise ValueError(
                f"The output folder {output} holds other things ({path.name}); name a new folder."
            )


@contextmanager
def _staging(output: Path) -> Iterator[Path]:
    """Yield a temporary folder on the file system of `output`; it is gone afterwards."""
    nearest = next(folder for folder in output.parents if folder.exists())
    try:
        folder = Path(tempfile.mkdtemp(dir=nearest, prefix=".harmony-"))
    except OSError as error:
        raise ValueError(f"The output {output} cannot be written: {error.strerror}.") from error
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _publish(files: Iterable[tuple[str, bytes]], staging: Path, output: Path) -> None:
    """Write the files and move them to `output` as a whole, in place of an earlier run."""
    try:
        for name, content in files:
            (staging / "new" / name).parent.mkdir(parents=True, exist_ok=True)
            (staging / "new" / name).write_bytes(content)
        output.parent.mkdir(parents=True, exist_ok=True)
        if output.exists():
            output.rename(staging / "old")
        (staging / "new").rename(output)
    except OSError as error:
        raise ValueError(f"The output {output} cannot be written: {error.strerror}.") from error


def _show(event: StepEvent) -> None:
    """Draw the progress bar on stderr."""
    if event.notice:
        print(f"\n{event.notice}", file=sys.stderr)
    total = event.num_steps * event.num_passes
    done = event.num_steps * event.pass_index + event.step
    bar = "#" * (30 * done // total)
    seeds = ",".join(map(str, event.seeds))
    end = "\n" if done == total else ""
    print(f"\r[{bar:<30}] {done}/{total} steps, seed {seeds}", end=end, file=sys.stderr, flush=True)


def run(options: argparse.Namespace, load: ModelLoader, load_scorer: ScorerLoader) -> None:
    """Do what the command line asks.

    Raises:
        ValueError: It cannot be done; the sentence says why.
    """
    output = options.output.resolve()
    _validate_early(options)
    _validate_output(output)
    loaded = read_image(options.image)
    with _staging(output) as staging:
        device = choose_device(options.device)
        model = load(options.model, device)
        scorer = None if options.encoder == "none" else load_scorer(options.encoder, device)
        recipe, reference = _prepare(options, loaded, model, scorer)
        samples: list[Sample] = []
        for event in generate(model, reference, recipe, scorer=scorer, preview_every=0):
            if isinstance(event, SampleEvent):
                samples.append(event.sample)
            else:
                _show(event)
        measures = measure_run([sample.views for sample in samples], reference, scorer)
        _publish(run_files(samples, recipe, measures), staging, output)


def _prepare(
    options: argparse.Namespace,
    loaded: LoadedImage,
    model: MultiviewDenoiser,
    scorer: Scorer | None,
) -> tuple[Recipe, ReferenceImage]:
    foreground = None if options.no_crop else options.foreground
    prepared = prepare(
        loaded.image,
        cutout=options.cutout,
        foreground=foreground,
        elevation_deg=options.elevation_deg,
        image_size=model.image_size,
        cutout_models=CutoutModels(on_message=_say),
    )
    for sentence in dict.fromkeys((*loaded.notes, *prepared.warnings)):
        _say(sentence)
    named = name_object(options.object_name, scorer, prepared.reference)
    if named.source == SUGGESTED:
        _say(f"Scored as {named.name!r} (a guess, {named.probability:.0%}); see --object-name.")
    recipe = make_recipe(
        model,
        image_sha256=loaded.sha256,
        cutout=prepared.cutout_used,
        foreground=foreground,
        elevation_deg=options.elevation_deg,
        seeds=options.seeds,
        guidance=choose_guidance(options, model.defaults),
        sampler=choose_sampler(options, model.defaults),
        object_name=named.name,
    )
    return recipe, prepared.reference


def _say(sentence: str) -> None:
    print(sentence, file=sys.stderr)


def _load_scorer(encoder: str, device: torch.device) -> Scorer:
    from harmony.scoring import CDScorer

    return CDScorer.load(encoder, device)


def main(
    arguments: Sequence[str] | None = None,
    *,
    load: ModelLoader = load_model,
    load_scorer: ScorerLoader = _load_scorer,
) -> int:
    """Run the command line and return its exit code: 0 done, 2 refused, 130 stopped."""
    options = build_parser().parse_args(arguments)
    try:
        run(options, load, load_scorer)
    except ValueError as error:
        _say(str(error))
        return EXIT_REFUSED
    except KeyboardInterrupt:
        _say("\nStopped; nothing was written.")
        return EXIT_STOPPED
    return 0


if __name__ == "__main__":
    sys.exit(main())
