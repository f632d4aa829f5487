"""Meshes from views that do not agree, as a generative model paints them.

    python -m benchmarks.reconstruction_inconsistency --dataset DIR
    python -m benchmarks.reconstruction_inconsistency --dataset DEVELOPMENT --calibrate

Ground-truth views are disturbed with a seed: every view is warped smoothly, shifted and changed in
colour, or single views are replaced by ones from another azimuth. The figures of the strict
visual hull on the same disturbed views are printed beside, with the ratio to stated references.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from benchmarks.mesh_truth import read_truth
from benchmarks.reconstruction_quality import measure, objects, print_ratio, print_table
from harmony.reconstruction import QUALITIES
from harmony.reconstruction.checks import checked_photographs
from harmony.reconstruction.hull import hull_field, hull_grid, signed_silhouettes
from harmony.reconstruction.parts import whole_solid
from harmony.reconstruction.surface import extract_surface
from harmony.records import Views
from harmony.view_files import read_views


@dataclass(frozen=True)
class Disturbance:
    """How views are made to disagree; lengths in pixels of a 256-pixel picture, std unless said.

    Attributes:
        shift: Of each view as a whole.
        warp: Of a smooth displacement field with cells of 64 pixels.
        gain: Of each colour channel's factor.
        wrong: Number of views replaced by one from 90 degrees further on.
        reference: Chamfer and IoU of the bar.
    """

    shift: float = 0.0
    warp: float = 0.0
    gain: float = 0.0
    wrong: int = 0
    reference: tuple[float, float] = (0.0, 0.0)


HULL_RATIO = (0.0205 / 0.0140, 0.621 / 0.667)
"""The reference's strict hull at medium jitter to the same hull of clean views (28 objects)."""
MEDIUM = 2.2
"""The strength at which the hull's Chamfer distance has that ratio on a development set of six objects
(`--calibrate`: x 1.392 at 2.0, x 1.557 at 2.5; its IoU falls somewhat less, x .955 and x .930). It was
fixed before any mesh was measured at it."""
STRENGTHS = (1.0, 1.5, 2.0, 2.5)


def jitter(
    strength: float, *, wrong: int = 0, reference: tuple[float, float] = (0.0, 0.0)
) -> Disturbance:
    """Return a disturbance of shifts, warps and colours in a fixed mixture."""
    return Disturbance(1.2 * strength, 1.8 * strength, 0.08 * strength, wrong, reference)


DISTURBANCES = {
    "medium": jitter(MEDIUM, reference=(0.0150, 0.700)),
    "strong": jitter(1.5 * MEDIUM, reference=(0.0224, 0.579)),
    "wrong": Disturbance(wrong=1, reference=(0.0090, 0.730)),
    "wrong+medium": jitter(MEDIUM, wrong=2, reference=(0.0150, 0.715)),
}


def disturbed(views: Views, how: Disturbance, seed: int) -> Views:
    """Return the views after the seeded disturbance; view 0 is never replaced."""
    generator = torch.Generator().manual_seed(seed)
    planes = torch.cat([views.pixels[0], views.alpha[0]], dim=1)
    count, _, size, _ = planes.shape
    order = torch.arange(count)
    for view in (torch.randperm(count - 1, generator=generator) + 1)[: how.wrong]:
        order[view] = (view + 4) % count
    planes = planes[order]
    unit = 2.0 / 256
    cells = torch.randn((count, 2, 5, 5), generator=generator) * how.warp
    field = F.interpolate(cells, size=(size, size), mode="bicubic", align_corners=True)
    field = field + torch.randn((count, 2, 1, 1), generator=generator) * how.shift
    axis = (torch.arange(size) + 0.5) * (2.0 / size) - 1.0
    rows, columns = torch.meshgrid(axis, axis, indexing="ij")
    grid = torch.stack([columns, rows], dim=-1) + field.permute(0, 2, 3, 1) * unit
    if how.warp or how.shift:
        white = torch.tensor([1.0, 1.0, 1.0, 0.0])[None, :, None, None]
        planes = F.grid_sample(planes - white, grid, align_corners=False) + white
    gain = 1.0 + torch.randn((count, 3, 1, 1), generator=generator) * how.gain
    alpha = planes[:, 3:].clamp(0, 1)
    pixels = (planes[:, :3] - (1 - alpha)) * gain + (1 - alpha)
    return Views(pixels.clamp(0, 1)[None], alpha[None])


def strict_hull(views: Views, folder: Path) -> tuple[float, float]:
    """Return Chamfer and IoU of the strict visual hull."""
    photographs = checked_photographs(views)
    silhouettes = signed_silhouettes(photographs.alpha)
    grid = hull_grid(silhouettes, photographs.cameras, 0.01)
    field = hull_field(silhouettes, photographs.cameras, grid)
    return read_truth(folder).compare(*extract_surface(whole_solid(field, grid.spacing), grid))


def hull_figures(
    dataset: Path, names: list[str], how: Disturbance, seed: int
) -> tuple[float, float]:
    """Return mean Chamfer and IoU of the strict hull; object k is disturbed with seed + k."""
    rows = [
        strict_hull(disturbed(read_views(dataset / name), how, seed + index), dataset / name)
        for index, name in enumerate(names)
    ]
    chamfer, iou = np.mean(rows, axis=0)
    return float(chamfer), float(iou)


def calibrate(dataset: Path, names: list[str], seed: int) -> None:
    """Print the strict hull's figures for rising strengths, as ratios to its clean ones."""
    clean = hull_figures(dataset, names, Disturbance(), seed)
    print(f"strict hull, clean views: {clean[0]:.4f} / {clean[1]:.3f}")
    print(f"wanted at medium: Chamfer x {HULL_RATIO[0]:.3f}, IoU x {HULL_RATIO[1]:.3f}")
    for strength in STRENGTHS:
        chamfer, iou = hull_figures(dataset, names, jitter(strength), seed)
        print(
            f"strength {strength:.2f}: {chamfer:.4f} / {iou:.3f}, "
            f"Chamfer x {chamfer / clean[0]:.3f}, IoU x {iou / clean[1]:.3f}",
            flush=True,
        )


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description="Meshes from views that do not agree.")
    parser.add_argument("--dataset", type=Path, required=True)
    parser.add_argument("--quality", choices=list(QUALITIES), default="standard")
    parser.add_argument(
        "--case", nargs="*", choices=list(DISTURBANCES), default=["medium", "wrong"]
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="*", help="names of objects; default all")
    parser.add_argument("--calibrate", action="store_true", help="strict hull by strength, no mesh")
    options = parser.parse_args()
    names = options.only or objects(options.dataset)
    if options.calibrate:
        return calibrate(options.dataset, names, options.seed)
    for case in options.case:
        how = DISTURBANCES[case]
        rows = [
            measure(
                name,
                disturbed(read_views(options.dataset / name), how, options.seed + index),
                options.dataset,
                options.quality,
            )
            for index, name in enumerate(names)
        ]
        chamfer, iou = print_table(f"{case} (seed {options.seed}), {options.quality}", rows)
        print_ratio(chamfer, iou, "the bar", how.reference)
        hull = hull_figures(options.dataset, names, how, options.seed)
        print_ratio(chamfer, iou, "strict hull, same views", hull)
    return None


if __name__ == "__main__":
    main()
