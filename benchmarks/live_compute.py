"""How long the live model works on a position of the dials: `python -m benchmarks.live_compute`.

One sample of sixteen views of a picture that is read and encoded already, from the dials to the
JPEG strip as the browser gets it: recipe, passes, decoding and encoding. The way to the browser
and its painting are not in it; `benchmarks.live_dials` measures everything where there is a
browser. The bound on a GPU is the one that the project sets itself on one H100.
"""

from __future__ import annotations

import argparse
import functools
import tempfile
import time
from pathlib import Path
from statistics import median

import torch
from PIL import Image, ImageDraw

from harmony.background import CutoutModels
from harmony.devices import DEVICES, choose_device, choose_dtype
from harmony.models.small_live import load
from harmony.ui.live import STEP_COUNTS, LiveAnswer, LiveMemory, LiveRequest
from harmony.ui.settings import Framing, Settings
from harmony.ui.strips import jpeg_url
from harmony.ui.student import Student

WEIGHTS = Path(__file__).resolve().parents[1] / "weights" / "small-live"
BARS = {"cuda": {4: 0.1, 2: 0.1}, "cpu": {4: 3.0, 2: 1.6}}
"""Seconds from the dial's release to the pictures, by device and steps."""
SIDE = 256


def bars(device: torch.device) -> dict[int, float]:
    """Return the bounds by steps; those of a CPU where a device has none of its own."""
    return BARS.get(device.type, BARS["cpu"])


def ball(folder: Path) -> Path:
    """Write a ball that is cut out already; speed does not depend on the picture."""
    picture = Image.new("RGBA", (SIDE, SIDE))
    ImageDraw.Draw(picture).ellipse((32, 32, 224, 224), (200, 90, 40, 255))
    path = folder / "ball.png"
    picture.save(path)
    return path


def position(picture: Path, s1: float, num_steps: int) -> LiveRequest:
    """Return a position of the dials."""
    settings = Settings(
        framing=Framing(cutout="none", foreground=0.8, elevation_deg=30.0),
        rule="decomposed",
        s1=s1,
        s2=0.5,
        cfg_scale=1.0,
        sampler="ddim",
        num_steps=12,
        eta=0.0,
        instances=1,
        first_seed=0,
        object_name="ball",
    )
    return LiveRequest(picture, settings, num_steps)


def answered(student: Student, request: LiveRequest, memory: LiveMemory) -> float:
    """Return the seconds until the browser's picture of the answer is ready."""
    start = time.perf_counter()
    *_, answer = student.answer(request, memory)
    assert isinstance(answer, LiveAnswer)
    jpeg_url(answer.strip)
    return time.perf_counter() - start


def main() -> None:
    """Measure at every number of steps, and print beside the bars."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", choices=DEVICES, default="auto")
    parser.add_argument("--weights", type=Path, default=WEIGHTS)
    parser.add_argument("--positions", type=int, default=20, help="at each number of steps")
    options = parser.parse_args()
    device = choose_device(options.device)
    student = Student(
        functools.partial(load, options.weights, device, dtype=choose_dtype(device)),
        CutoutModels(),
    )
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else str(device)
    memory = LiveMemory()
    with tempfile.TemporaryDirectory() as folder:
        picture = ball(Path(folder))
        first = answered(student, position(picture, 0.0, max(STEP_COUNTS)), memory)
        print(f"{name}: first position of a picture, with loading and encoding: {first:.2f} s")
        for steps in sorted(STEP_COUNTS, reverse=True):
            seconds = [
                answered(student, position(picture, 0.1 * index, steps), memory)
                for index in range(options.positions)
            ]
            middle, worst, bar = median(seconds), max(seconds), bars(device)[steps]
            print(f"{steps} steps: median {middle:.3f} s, slowest {worst:.3f} s of ", end="")
            print(f"{len(seconds)}   bar {bar:g} s, ratio {middle / bar:.2f}")


if __name__ == "__main__":
    main()
