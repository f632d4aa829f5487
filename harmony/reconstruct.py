"""Command line: a folder of 16 views to a mesh file.

python -m harmony.reconstruct VIEWS_DIR --output mesh.glb --quality standard
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from harmony.reconstruction import QUALITIES, Progress, reconstruct
from harmony.reconstruction.files import MESH_ENDINGS, checked_ending, write_mesh
from harmony.view_files import read_views


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m harmony.reconstruct", description="Turn 16 views into a coloured mesh."
    )
    parser.add_argument("views", type=Path, help="folder of 16 pictures in order")
    parser.add_argument(
        "--output", type=Path, required=True, help=f"mesh file ({', '.join(MESH_ENDINGS)})"
    )
    parser.add_argument("--quality", choices=list(QUALITIES), default="standard")
    parser.add_argument("--device", default="cpu", help="where --quality fine optimises: cpu, cuda")
    return parser


def _show(progress: Progress) -> None:
    print(f"{progress.fraction:4.0%}  {progress.stage}", file=sys.stderr, flush=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return 0, or 2 on bad input."""
    options = _parser().parse_args(arguments)
    try:
        checked_ending(options.output)
        views = read_views(options.views)
        result = reconstruct(
            views, quality=options.quality, device=options.device, on_progress=_show
        )
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    write_mesh(result.mesh, options.output, photographs=result.photographs)
    report = result.report
    print(
        f"{options.output}: {report.faces} faces, silhouette IoU {report.silhouette_iou:.3f}, "
        f"{'closed' if report.watertight else 'not closed'}, {report.seconds:.1f} s, "
        f"rejected views: {', '.join(map(str, report.rejected_views)) or 'none'}"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
