"""Meshes from views that do not agree, as a generative model paints them.

    python benchmarks/reconstruction_inconsistency.py --dataset ../shared/gso-dev

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
from reconstruction_quality import measure, objects, print_ratio, print_table

from harmony.evaluation.geometry import chamfer_distance, volume_iou
from harmony.reconstruction import QUALITIES
from harmony.reconstruction.checks import checked_photographs
from harmony.reconstruction.files import read_views
from harmony.reconstruction.hull import hull_field, hull_grid, signed_silhouettes
from harmony.reconstruction.surface import extract_surface, largest_solid
from harmony.records import Views


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


DISTURBANCES = {
    "medium": Disturbance(shift=1.0, warp=1.5, gain=0.08, reference=(0.0150, 0.700)),
    "strong": Disturbance(shift=1.6, warp=2.6, gain=0.15, reference=(0.0224, 0.579)),
    "wrong": Disturbance(wrong=1, reference=(0.0090, 0.730)),
    "wrong+medium": Disturbance(shift=1.0, warp=1.5, gain=0.08, wrong=2, reference=(0.0150, 0.715)),
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


def strict_hull(views: Views, truth: tuple[np.ndarray, np.ndarray]) -> tuple[float, float]:
    """Return Chamfer and IoU of the strict visual hull."""
    photographs = checked_photographs(views)
    silhouettes = signed_silhouettes(photographs.alpha)
    grid = hull_grid(silhouettes, photographs.cameras, 0.01)
    field = hull_field(silhouettes, photographs.cameras, grid)
    vertices, faces = extract_surface(largest_solid(field), grid)
    return chamfer_distance(vertices, faces, *truth), volume_iou(vertices, faces, *truth)


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
    options = parser.parse_args()
    names = options.only or objects(options.dataset)
    for case in options.case:
        how = DISTURBANCES[case]
        rows, hulls = [], []
        for index, name in enumerate(names):
            views = disturbed(read_views(options.dataset / name), how, options.seed + index)
            rows.append(measure(name, views, options.dataset, options.quality))
            with np.load(options.dataset / name / "mesh.npz", allow_pickle=False) as truth:
                hulls.append(strict_hull(views, (truth["v"], truth["f"])))
        chamfer, iou = print_table(f"{case} (seed {options.seed}), {options.quality}", rows)
        print_ratio(chamfer, iou, "the bar", how.reference)
        hull_chamfer, hull_iou = np.mean(hulls, axis=0)
        print_ratio(chamfer, iou, "strict hull, same views", (hull_chamfer, hull_iou))


if __name__ == "__main__":
    main()
