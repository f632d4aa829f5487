"""Meshes from ground-truth views against the true meshes.

    python -m benchmarks.reconstruction_quality --dataset DIR --quality standard

The data set is a folder of objects, each with 16 RGBA pictures (000.png ... 015.png) and mesh.npz
(v, f) in the canonical world; `benchmarks.reconstruction_objects` makes one for development. Every figure is printed with its ratio to two stated references on
six Google Scanned Objects: a strict visual hull, and plane-sweep stereo inside the hull.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.mesh_truth import read_truth
from harmony.reconstruction import QUALITIES, reconstruct
from harmony.records import Views
from harmony.view_files import read_views

HULL_REFERENCE = (0.0143, 0.701)
STEREO_REFERENCE = (0.0074, 0.800)


@dataclass(frozen=True)
class Row:
    """One object's figures."""

    name: str
    chamfer: float
    iou: float
    silhouette: float
    watertight: bool
    faces: int
    seconds: float
    cpu_seconds: float
    rejected: tuple[int, ...]


def objects(dataset: Path) -> list[str]:
    """Return the names of the objects in a data set."""
    names = sorted(folder.parent.name for folder in dataset.glob("*/mesh.npz"))
    if not names:
        raise SystemExit(f"{dataset} holds no object folder with a mesh.npz.")
    return names


def measure(name: str, views: Views, dataset: Path, quality: str, device: str = "cpu") -> Row:
    """Reconstruct one object and compare it with the truth."""
    start = time.process_time()
    result = reconstruct(views, quality=quality, device=device)
    cpu_seconds = time.process_time() - start
    mesh, report = result.mesh, result.report
    chamfer, iou = read_truth(dataset / name).compare(mesh.vertices, mesh.faces)
    return Row(
        name=name,
        chamfer=chamfer,
        iou=iou,
        silhouette=report.silhouette_iou,
        watertight=report.watertight,
        faces=report.faces,
        seconds=report.seconds,
        cpu_seconds=cpu_seconds,
        rejected=report.rejected_views,
    )


def print_table(title: str, rows: Iterable[Row]) -> tuple[float, float]:
    """Print the rows and their mean; return mean Chamfer and IoU."""
    rows = list(rows)
    print(f"\n{title}")
    print(f"{'object':14s} Chamfer   IoU  outline closed  faces  seconds  CPU s  rejected")
    for row in rows:
        print(
            f"{row.name:14s} {row.chamfer:.4f}  {row.iou:.3f}   {row.silhouette:.3f}  "
            f"{'yes' if row.watertight else 'NO ':3s}  {row.faces:6d}  {row.seconds:6.1f} {row.cpu_seconds:6.1f}   "
            f"{', '.join(map(str, row.rejected)) or '-'}"
        )
    chamfer = float(np.mean([row.chamfer for row in rows]))
    iou = float(np.mean([row.iou for row in rows]))
    seconds = float(np.mean([row.seconds for row in rows]))
    cpu = float(np.mean([row.cpu_seconds for row in rows]))
    print(f"{'mean':14s} {chamfer:.4f}  {iou:.3f}{seconds:34.1f} {cpu:6.1f}")
    return chamfer, iou


def print_ratio(chamfer: float, iou: float, name: str, reference: tuple[float, float]) -> None:
    """Print the ratio to a reference; below 1 is better for Chamfer, above 1 for IoU."""
    print(
        f"against {name} ({reference[0]:.4f} / {reference[1]:.3f}): "
        f"Chamfer x {chamfer / reference[0]:.2f}, IoU x {iou / reference[1]:.2f}"
    )


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description="Meshes against the true ones.")
    parser.add_argument("--dataset", type=Path, required=True)
    parser.add_argument("--quality", choices=list(QUALITIES), default="standard")
    parser.add_argument("--device", default="cpu", help="where --quality fine optimises")
    parser.add_argument("--only", nargs="*", help="names of objects; default all")
    options = parser.parse_args()
    names = options.only or objects(options.dataset)
    rows = [
        measure(
            name,
            read_views(options.dataset / name),
            options.dataset,
            options.quality,
            options.device,
        )
        for name in names
    ]
    chamfer, iou = print_table(f"ground-truth views, {options.quality}", rows)
    print_ratio(chamfer, iou, "strict visual hull", HULL_REFERENCE)
    print_ratio(chamfer, iou, "stereo inside the hull", STEREO_REFERENCE)


if __name__ == "__main__":
    main()
