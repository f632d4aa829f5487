"""Measure SyncDreamer's rounding errors: `python -m benchmarks.syncdreamer_precision`.

A guided step (s1 = 2, s2 = 1) with formula weights is computed in float32, without TF32, and then
in every variant of `precision_variants`. Printed are the relative error ||a - b|| / ||b|| of the
guided noise (bar 2e-2), of every branch, of the decoded pictures and after every stage, the
largest numbers of each part, and the time of a step.

    python -m benchmarks.syncdreamer_precision --device cuda
    python -m benchmarks.syncdreamer_precision --device cuda --compile default --only fp16
    python -m benchmarks.syncdreamer_precision --size tiny --device cpu     # a smoke test
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass

import torch
from torch import Tensor

from benchmarks.formula_weights import formula_input, formula_weights
from benchmarks.precision_probes import (
    Extremes,
    Outputs,
    Peaks,
    recorded,
    relative_error,
    stages,
)
from benchmarks.precision_variants import EXACT, VARIANTS, Variant, build
from benchmarks.syncdreamer_speed import TINY, timed
from harmony.devices import choose_device, describe_device
from harmony.guidance import branch_weights, guide
from harmony.models.syncdreamer.config import SyncDreamerConfig
from harmony.models.syncdreamer.model import SyncDreamer
from harmony.models.syncdreamer.runtime import RuntimeSettings
from harmony.records import Branch, ReferenceImage

BAR = 2e-2
TIMESTEP = 501


@dataclass(frozen=True)
class Observed:
    """A guided step: what came out of it and of its stages, its peaks, and a step's time."""

    outputs: Outputs
    peaks: Peaks
    milliseconds: float


@dataclass(frozen=True)
class Row:
    """A variant's relative errors by output, its peaks by part, and its time of a step."""

    errors: Mapping[str, float]
    peaks: Peaks
    milliseconds: float


def guided_step(model: SyncDreamer, seeds: int, repeat: int) -> tuple[Outputs, float]:
    """Return the guided noise, each branch's and some pictures, and the milliseconds of a step."""
    side, latent = model.image_size, model.latent_shape[-1]
    pixels = formula_input("image", 1, 3, side, side).tanh()[0]
    condition = model.encode_reference(ReferenceImage(pixels, torch.ones(1, side, side), 30.0))
    latents = formula_input("x_noisy", seeds, model.view_count, 4, latent, latent)
    latents = latents.to(model.device)
    guidance = model.defaults.guidance
    branches = tuple(branch_weights(guidance))

    def step() -> Mapping[Branch, Tensor]:
        return model.predict(latents, TIMESTEP, condition, branches)

    predictions = step()
    outputs = {"guided": [guide(predictions, guidance)]}
    outputs |= {branch.value: [predictions[branch]] for branch in branches}
    outputs["pictures"] = [model.decode_pixels(latents[:1])]
    times = [timed(model.device, lambda: step()[branches[0]])[1] for _ in range(repeat)]
    return outputs, 1000 * min(times, default=0.0)


def observe(model: SyncDreamer, variant: Variant, seeds: int, repeat: int) -> Observed:
    """Watch one guided step, unless it is compiled, then time others unwatched."""
    watches = model.settings.compile_mode is None
    products = variant.products
    found: Outputs = {}
    extremes = Extremes(model.network, products or variant.dtype)
    with ExitStack() as stack:
        stack.enter_context(
            torch.autocast(model.device.type, products, enabled=products is not None)
        )
        if watches:
            with recorded(stages(model.network)) as found, extremes:
                guided_step(model, seeds, repeat=0)
        outputs, milliseconds = guided_step(model, seeds, repeat)
    return Observed(outputs | found, extremes.by_part(), milliseconds)


def compare(observed: Observed, exact: Observed) -> Row:
    """Return what to print of a variant."""
    errors = {
        name: relative_error(found, exact.outputs[name]) for name, found in observed.outputs.items()
    }
    return Row(errors, observed.peaks, observed.milliseconds)


def print_tables(rows: Mapping[str, Row], exact: Observed) -> None:
    """Print float16's peaks, errors by output with a column for each variant, and the summary."""
    for name, row in rows.items():
        if torch.float16 in (VARIANTS[name].dtype, VARIANTS[name].products):
            peaks = sorted(row.peaks.values(), reverse=True)
            parts = "; ".join(f"{value:.3g} {where}" for value, where in peaks)
            print(f"largest numbers in {name}: {parts}")
    print("\nerrors by output; columns:")
    print("\n".join(f"  {index}: {name}" for index, name in enumerate(rows)))
    print(" " * 28 + "".join(f"{index:9d}" for index in range(len(rows))))
    for output in exact.outputs:
        errors = [row.errors[output] for row in rows.values() if output in row.errors]
        if errors:
            print(f"{output:28s}" + "".join(f"{error:9.1e}" for error in errors))
    print(f"\n{'variant':24s} guided (bar {BAR:.0e})  ms a step")
    print(f"{'fp32':24s} {'exact':>17s} {exact.milliseconds:10.0f}")
    for name, row in rows.items():
        print(f"{name:24s} {row.errors['guided']:17.2e} {row.milliseconds:10.0f}")
    sys.stdout.flush()


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Measure SyncDreamer's rounding errors.")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--size", choices=["official", "tiny"], default="official")
    parser.add_argument("--seeds", type=int, default=1, help="samples of a step")
    parser.add_argument("--repeat", type=int, default=3, help="timed steps; the fastest counts")
    parser.add_argument("--only", nargs="+", choices=list(VARIANTS), default=list(VARIANTS))
    parser.add_argument(
        "--compile", metavar="MODE", help="a mode of torch.compile; nothing but results is watched"
    )
    return parser.parse_args()


def main() -> None:
    """Compute in float32 and in every variant; fails where a variant could not be computed."""
    options = parse_arguments()
    device = choose_device(options.device)
    config = TINY if options.size == "tiny" else SyncDreamerConfig()
    settings = RuntimeSettings(compile_mode=options.compile)
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    start = time.monotonic()

    def report(what: str) -> None:
        print(f"{time.monotonic() - start:6.1f} s  {what}", flush=True)

    def run(variant: Variant, how: RuntimeSettings) -> Observed:
        model = build(variant, weights, config, device, how)
        return observe(model, variant, options.seeds, options.repeat)

    report(f"{describe_device(device)}, PyTorch {torch.__version__}, {options}")
    weights = formula_weights(config, device)
    report("formula weights made")
    exact = run(EXACT, RuntimeSettings())
    report(f"float32: {exact.milliseconds:.0f} ms a step")
    rows: dict[str, Row] = {}
    for name in options.only:
        try:
            rows[name] = compare(run(VARIANTS[name], settings), exact)
        except RuntimeError as error:
            report(f"{name}: failed: {type(error).__name__}: {error}")
            continue
        report(
            f"{name}: guided {rows[name].errors['guided']:.2e}, {rows[name].milliseconds:.0f} ms"
        )
    print_tables(rows, exact)
    if len(rows) < len(options.only):
        sys.exit(1)


if __name__ == "__main__":
    main()
