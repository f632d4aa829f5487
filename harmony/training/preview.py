"""Contact sheets of objects of a set or made at random.

python -m harmony.training.preview (--objects DIR | --procedural) --output sheet.png
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import UInt8
from PIL import Image
from torch import Tensor

from harmony.training.meshes import read_index
from harmony.training.objects import ObjectLibrary, load_library
from harmony.training.procedural import procedural_library
from harmony.training.stream import SceneStream, render_views

SHEET_VIEWS = (0, 2, 4, 6, 8, 10, 12, 14)


def contact_sheet(rows: Sequence[UInt8[Tensor, "K 4 H H"]]) -> Image.Image:
    """Return one RGB picture with a row of pictures for each scene."""
    lines = [np.concatenate(list(row[:, :3].cpu().numpy()), axis=2) for row in rows]
    return Image.fromarray(np.concatenate(lines, axis=1).transpose(1, 2, 0))


def stream_sheet(stream: SceneStream, count: int) -> Image.Image:
    """Render `count` scenes; show each one's input picture and eight of its views."""
    stream.refill(count)
    shown = [0, *(1 + k for k in SHEET_VIEWS)]
    return contact_sheet([scene[shown] for scene in stream.pictures[:count]])


def plain_sheet(library: ObjectLibrary, image_size: int) -> Image.Image:
    """Show every object of a library without augmentation, as `stream_sheet` does."""
    rows = []
    for k in range(len(library)):
        reference, views = render_views(library, k, image_size=image_size)
        rows.append(torch.cat([reference[None], views[list(SHEET_VIEWS)]]))
    return contact_sheet(rows)


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Draw a contact sheet of training scenes.")
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--objects", type=Path, help="folder of the object set")
    source.add_argument("--procedural", action="store_true", help="objects made at random")
    parser.add_argument("--output", type=Path, required=True, help="PNG to write")
    parser.add_argument("--count", type=int, default=8, help="number of scenes")
    parser.add_argument("--size", type=int, default=128, help="side of each picture")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--plain", action="store_true", help="without augmentation")
    return parser.parse_args(arguments)


def _library(options: argparse.Namespace) -> ObjectLibrary:
    """Return one object for each row of a plain sheet, else twice as many to choose from."""
    count = options.count if options.plain else 2 * options.count
    if options.procedural:
        return procedural_library(count, options.seed).to(options.device)
    total = len(read_index(options.objects))
    rng = np.random.default_rng(options.seed)
    chosen = rng.choice(total, size=min(count, total), replace=False).tolist()
    return load_library(options.objects, object_ids=chosen, device=options.device)


def main(arguments: Sequence[str] | None = None) -> None:
    """Draw the sheet that the command line asks for."""
    options = _parse(arguments)
    library = _library(options)
    if options.plain:
        sheet = plain_sheet(library, options.size)
    else:
        stream = SceneStream(
            library,
            range(len(library)),
            image_size=options.size,
            ring_size=options.count,
            seed=options.seed,
        )
        sheet = stream_sheet(stream, options.count)
    sheet.save(options.output)


if __name__ == "__main__":
    main()
