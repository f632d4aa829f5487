"""How far generated views agree with the one mesh that they make.

    python -m benchmarks.mesh_agreement OUT/*/seed-0000

Each folder holds 16 views as `python -m harmony.generate` writes them. They are made into a mesh, and the
mesh's silhouettes from the 16 cameras are compared with the views' masks: views of one solid would
reach 1. Printed are the mean intersection over union of each folder, its worst view, and the ratio of
the mean over all folders to the bar.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from harmony.reconstruction import QUALITIES, reconstruct
from harmony.view_files import read_views

BAR = 0.93


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description="Agreement of views with their own mesh.")
    parser.add_argument("folders", type=Path, nargs="+", help="folders of 16 views")
    parser.add_argument("--quality", choices=list(QUALITIES), default="standard")
    options = parser.parse_args()
    means = []
    print("agreement  worst  at view  closed  faces  seconds  rejected  views")
    for folder in options.folders:
        report = reconstruct(read_views(folder), quality=options.quality).report
        worst = int(np.argmin(report.view_ious))
        means.append(report.silhouette_iou)
        print(
            f"{report.silhouette_iou:9.3f}  {report.view_ious[worst]:.3f}  {worst:7d}  "
            f"{'yes' if report.watertight else 'NO ':6s}  {report.faces:5d}  {report.seconds:7.1f}  "
            f"{', '.join(map(str, report.rejected_views)) or '-':8s}  {folder}",
            flush=True,
        )
    mean = float(np.mean(means))
    print(f"mean {mean:.3f}, ratio to the bar {BAR}: x {mean / BAR:.3f}")


if __name__ == "__main__":
    main()
