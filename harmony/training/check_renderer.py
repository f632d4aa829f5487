"""Compare the CUDA renderer with plain torch and measure it, on a machine with a GPU.

python -m harmony.training.check_renderer --objects DIR [--output sheet.png]
"""

from __future__ import annotations

import argparse
import logging
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch

from harmony.training.assembly import assemble
from harmony.training.objects import ObjectLibrary, load_library, training_split
from harmony.training.occlusion import with_visibility
from harmony.training.preview import stream_sheet
from harmony.training.rasterizer import rasterize, unpack
from harmony.training.rasterizer.torch_path import rasterize_torch
from harmony.training.scenes import draw_scenes
from harmony.training.shading import shade, shade_torch
from harmony.training.stream import PICTURES_PER_SCENE, SceneStream

LOG = logging.getLogger(__name__)
MAX_DIFFERENT_FACES = 1e-5
MAX_DIFFERENT_BYTES = 1e-4


def compare(library: ObjectLibrary, *, scenes: int, image_size: int, seed: int) -> bool:
    """Render the same scenes both ways; return whether they agree.

    Coverage must be identical, faces but for ties, bytes within 1 but for a few in 10,000.
    """
    numbers = np.arange(scenes)
    drawn = draw_scenes(library, np.arange(len(library)), numbers, seed=seed)
    triangles, surface = assemble(library, drawn, image_size=image_size)
    fast, slow = rasterize(triangles), rasterize_torch(triangles)
    (face_a, depth_a), (face_b, depth_b) = unpack(fast), unpack(slow)
    coverage = ((face_a >= 0) != (face_b >= 0)).double().mean().item()
    faces = (face_a != face_b).double().mean().item()
    both = (face_a >= 0) & (face_b >= 0)
    depth = torch.where(both, (depth_a - depth_b).abs(), 0.0).max().item()
    shape = (triangles.picture_count, 4, image_size, image_size)
    a, b = (torch.empty(shape, dtype=torch.uint8, device=library.device) for _ in range(2))
    shade(triangles, surface, slow, a)
    shade_torch(triangles, surface, slow, b)
    step = (a.int() - b.int()).abs()
    bytes_off = (step > 1).double().mean().item()
    LOG.info("pictures compared: %d, covered %.3f", triangles.picture_count, both.double().mean())
    LOG.info("samples whose coverage differs: %.3g, face: %.3g", coverage, faces)
    LOG.info("largest difference of depth: %.3g", depth)
    LOG.info("bytes that differ by more than 1: %.3g, largest: %d", bytes_off, step.max())
    return coverage == 0 and faces <= MAX_DIFFERENT_FACES and bytes_off <= MAX_DIFFERENT_BYTES


def _seconds(action: Callable[[], object], device: torch.device, repeats: int) -> float:
    action()
    torch.cuda.synchronize(device)
    start = time.perf_counter()
    for _ in range(repeats):
        action()
    torch.cuda.synchronize(device)
    return (time.perf_counter() - start) / repeats


def measure(library: ObjectLibrary, *, image_size: int, seed: int, per_step: int = 24) -> float:
    """Log the time of each stage and return pictures per second of `SceneStream.refill`."""
    device, ids = library.device, np.arange(len(library))
    stream = SceneStream(
        library, ids, image_size=image_size, ring_size=4 * per_step, seed=seed, device=device
    )
    refill = _seconds(lambda: stream.refill(per_step), device, 50)
    drawn = draw_scenes(library, ids, np.arange(per_step), seed=seed)
    triangles, surface = assemble(library, drawn, image_size=image_size)
    packed = rasterize(triangles)
    pictures = stream.pictures[:per_step].flatten(0, 1)
    stages = {
        "draw": lambda: draw_scenes(library, ids, np.arange(per_step), seed=seed),
        "assemble": lambda: assemble(library, drawn, image_size=image_size),
        "rasterize": lambda: rasterize(triangles),
        "shade": lambda: shade(triangles, surface, packed, pictures),
    }
    for name, action in stages.items():
        LOG.info("%s: %.3f ms", name, 1e3 * _seconds(action, device, 30))
    rate = per_step * PICTURES_PER_SCENE / refill
    LOG.info(
        "refill of %d scenes at %d px: %.2f ms, %.0f pictures/s",
        *(per_step, image_size, 1e3 * refill, rate),
    )
    return rate


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the comparison and the measurement; return 0 where the two renderers agree."""
    parser = argparse.ArgumentParser(description="Check the CUDA renderer against plain torch.")
    parser.add_argument("--objects", type=Path, required=True, help="folder of the object set")
    parser.add_argument("--output", type=Path, default=Path("renderer.png"))
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--scenes", type=int, default=32)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    start = time.perf_counter()
    library = load_library(options.objects, device=options.device)
    training, validation = training_split(library)
    LOG.info("%d objects read in %.1f s", len(library), time.perf_counter() - start)
    start = time.perf_counter()
    library = with_visibility(library)
    open_share = library.visibility.mean().item()
    LOG.info("visibility %.3f in %.1f s", open_share, time.perf_counter() - start)
    LOG.info("%d for training, %d for validation", len(training), len(validation))
    agree = compare(library, scenes=options.scenes, image_size=128, seed=options.seed)
    agree &= compare(library, scenes=4, image_size=options.size, seed=options.seed + 1)
    for size in (128, options.size):
        measure(library, image_size=size, seed=options.seed)
    stream = SceneStream(library, training, image_size=128, ring_size=24, seed=options.seed)
    stream_sheet(stream, 24).save(options.output)
    LOG.info("the two renderers %s", "agree" if agree else "DISAGREE")
    return 0 if agree else 1


if __name__ == "__main__":
    raise SystemExit(main())
