"""`python -m harmony.training.example_pictures --objects DIR`: the page's rendered examples.

All objects are held out of training (`training_split`). Pictures that are listed in
examples.json by other hands (photographs) stay as they are.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from harmony.training.objects import load_library, training_split
from harmony.training.stream import render_views

PICTURE_SIZE = 256
RENDERED = "render by this project"


@dataclass(frozen=True)
class Shot:
    """One example: an object of the set, how it is turned, and its camera."""

    object_id: int
    name: str
    azimuth_turn_deg: float
    elevation_deg: float


SHOTS = (
    Shot(2352, "cup cake", 20.0, 30.0),
    Shot(3167, "taxi", 230.0, 30.0),
    Shot(2636, "pottery", 20.0, 30.0),
    Shot(1377, "market stand", 35.0, 30.0),
    Shot(2360, "stone lantern", 20.0, 30.0),
    Shot(2831, "hat", 30.0, 30.0),
    Shot(1365, "cauldron", 20.0, 30.0),
)


def file_name(shot: Shot) -> str:
    """Return the picture's file name."""
    return f"{shot.name.replace(' ', '-')}.png"


def render_shot(objects: Path, shot: Shot) -> Image.Image:
    """Render one example as an RGBA picture with a transparent ground."""
    library = load_library(objects, object_ids=[shot.object_id])
    reference, _ = render_views(
        library,
        0,
        image_size=PICTURE_SIZE,
        elevation_deg=shot.elevation_deg,
        azimuth_turn_deg=shot.azimuth_turn_deg,
    )
    rgba = reference.permute(1, 2, 0).float() / 255
    alpha = rgba[..., 3:]
    colour = ((rgba[..., :3] - 1 + alpha) / alpha.clamp(min=1e-3)).clamp(0, 1)
    rgba[..., :3] = colour.where(alpha > 0, 1.0)
    return Image.fromarray((rgba * 255).round().byte().numpy())


def credit(objects: Path, shot: Shot) -> dict[str, Any]:
    """Return the example's entry with the source and licence of its object."""
    with (objects / "index.jsonl").open(encoding="utf-8") as lines:
        record = next(r for r in map(json.loads, lines) if r["id"] == shot.object_id)
    return {
        "file": file_name(shot),
        "name": shot.name,
        "elevation_deg": shot.elevation_deg,
        "kind": RENDERED,
        "source": record["source"],
        "author": record["author"],
        "license": record["license"],
    }


def main() -> None:
    """Write the pictures and their entries."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--objects", type=Path, required=True, help="folder of packed objects")
    parser.add_argument("--output", type=Path, default=Path("examples"))
    options = parser.parse_args()
    held_out = set(training_split(load_library(options.objects))[1])
    trained = [shot.name for shot in SHOTS if shot.object_id not in held_out]
    if trained:
        parser.error(f"training sees {', '.join(trained)}; choose objects that it does not see")
    index = options.output / "examples.json"
    known = json.loads(index.read_text(encoding="utf-8")) if index.is_file() else []
    kept = [entry for entry in known if entry.get("kind") != RENDERED]
    for shot in SHOTS:
        render_shot(options.objects, shot).save(options.output / file_name(shot))
    entries = [credit(options.objects, shot) for shot in SHOTS] + kept
    index.write_text(json.dumps(entries, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
