"""Time the small model's sampling on one device: `python -m benchmarks.small_speed`.

The run that is timed: 4 seeds x 16 views with the model's default guidance and sampler, the
encoding of the picture and the decoding included. The bound is the one the project sets itself on
one H100; the picture is one of the examples.
"""

from __future__ import annotations

import argparse
import statistics
import time
from pathlib import Path

import torch

from harmony.devices import DEVICES, choose_device, choose_dtype
from harmony.models.small import SmallDenoiser, load
from harmony.noise import SeededNoise
from harmony.records import ReferenceImage, Views
from harmony.sampling import sample

WEIGHTS = Path(__file__).resolve().parents[1] / "weights" / "small"
BOUND_SECONDS = 0.6


def grey_ball(size: int) -> ReferenceImage:
    """Return a shaded ball on white; speed does not depend on the picture."""
    axis = torch.linspace(-1.25, 1.25, size)
    radius = (axis[:, None] ** 2 + axis[None, :] ** 2).sqrt()
    alpha = (radius < 1).float()[None]
    return ReferenceImage(1 - alpha * radius.clamp(max=1).expand(3, -1, -1), alpha, 30.0)


def run_once(model: SmallDenoiser, reference: ReferenceImage, seeds: int) -> Views:
    """Encode, sample with the model's defaults, decode."""
    condition = model.encode_reference(reference)
    defaults = model.defaults
    noise = SeededNoise(range(seeds))
    return model.decode(sample(model, condition, noise, defaults.guidance, defaults.sampler))


def timed_run(model: SmallDenoiser, reference: ReferenceImage, seeds: int) -> float:
    """Return the seconds of one run, until its pictures are on the host."""
    start = time.perf_counter()
    run_once(model, reference, seeds).pixels.cpu()
    return time.perf_counter() - start


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", choices=DEVICES, default="auto")
    parser.add_argument("--weights", type=Path, default=WEIGHTS)
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--repeat", type=int, default=5, help="warm runs; the median counts")
    return parser.parse_args()


def main() -> None:
    """Run the benchmark and print seconds, peak memory and the ratio to the bound."""
    options = parse_arguments()
    device = choose_device(options.device)
    model = load(options.weights, device, dtype=choose_dtype(device))
    reference = grey_ball(model.image_size)
    first = timed_run(model, reference, options.seeds)
    warm = statistics.median(
        timed_run(model, reference, options.seeds) for _ in range(options.repeat)
    )
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else str(device)
    sampler = model.defaults.sampler
    print(f"{name}, {model.dtype}, {options.seeds} seeds, {sampler.sampler} {sampler.num_steps}")
    print(f"first {first:.2f} s, then {warm:.3f} s; ratio to {BOUND_SECONDS} s: ", end="")
    print(f"{warm / BOUND_SECONDS:.2f}")
    if device.type == "cuda":
        print(f"peak memory {torch.cuda.max_memory_allocated(device) / 2**30:.2f} GiB")


if __name__ == "__main__":
    main()
