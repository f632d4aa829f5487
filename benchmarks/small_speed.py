"""Time the small model's sampling on one device: `python -m benchmarks.small_speed`.

The run that is timed: 4 seeds x 16 views with the model's default guidance and sampler, unless an
option says otherwise, the encoding of the picture and the decoding included. The bound is the one
that the project sets itself on one H100 at those defaults.
"""

from __future__ import annotations

import argparse
import statistics
import time
from dataclasses import replace
from pathlib import Path

import torch

from harmony.devices import DEVICES, choose_device, choose_dtype
from harmony.models.base import ModelDefaults
from harmony.models.small import SmallDenoiser, load
from harmony.noise import SeededNoise
from harmony.records import ReferenceImage
from harmony.sampling import sample

WEIGHTS = Path(__file__).resolve().parents[1] / "weights" / "small"
BOUND_SECONDS = 0.6


def grey_ball(size: int) -> ReferenceImage:
    """Return a shaded ball on white; speed does not depend on the picture."""
    axis = torch.linspace(-1.25, 1.25, size)
    radius = (axis[:, None] ** 2 + axis[None, :] ** 2).sqrt()
    alpha = (radius < 1).float()[None]
    return ReferenceImage(1 - alpha * radius.clamp(max=1).expand(3, -1, -1), alpha, 30.0)


def timed_run(
    model: SmallDenoiser, reference: ReferenceImage, settings: ModelDefaults, seeds: int
) -> float:
    """Return the seconds of encoding, sampling and decoding, until the pictures are on the host."""
    start = time.perf_counter()
    condition = model.encode_reference(reference)
    latents = sample(
        model, condition, SeededNoise(range(seeds)), settings.guidance, settings.sampler
    )
    model.decode(latents).pixels.cpu()
    return time.perf_counter() - start


def chosen(defaults: ModelDefaults, options: argparse.Namespace) -> ModelDefaults:
    """Return the model's defaults with what the options name put in their place."""
    scales = {name: getattr(options, name) for name in ("s1", "s2")}
    given = {name: value for name, value in scales.items() if value is not None}
    steps = defaults.sampler.num_steps if options.steps is None else options.steps
    return ModelDefaults(
        replace(defaults.guidance, **given), replace(defaults.sampler, num_steps=steps)
    )


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", choices=DEVICES, default="auto")
    parser.add_argument("--weights", type=Path, default=WEIGHTS)
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--steps", type=int)
    parser.add_argument("--s1", type=float)
    parser.add_argument("--s2", type=float)
    parser.add_argument("--repeat", type=int, default=5, help="warm runs; the median counts")
    return parser.parse_args()


def main() -> None:
    """Run the benchmark and print seconds, peak memory and the ratio to the bound."""
    options = parse_arguments()
    device = choose_device(options.device)
    model = load(options.weights, device, dtype=choose_dtype(device))
    reference = grey_ball(model.image_size)
    settings = chosen(model.defaults, options)
    first = timed_run(model, reference, settings, options.seeds)
    warm = statistics.median(
        timed_run(model, reference, settings, options.seeds) for _ in range(options.repeat)
    )
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else str(device)
    print(f"{name}, {model.dtype}, {options.seeds} seeds, {settings}")
    print(f"first {first:.2f} s, then {warm:.3f} s; ", end="")
    print(f"{warm / BOUND_SECONDS:.2f} of {BOUND_SECONDS} s")
    if device.type == "cuda":
        print(f"peak memory {torch.cuda.max_memory_allocated(device) / 2**30:.2f} GiB")


if __name__ == "__main__":
    main()
