"""A development set for meshes, rendered from objects that no training sees.

    python -m benchmarks.reconstruction_objects --objects DIR --output data/mesh-development

Every choice of the reconstruction is made on this set, so that the published evaluation objects
stay untouched. Objects are drawn with a fixed seed from the names held out of training
(`training_split`), as far as they have colours, no holes cut by textures and enclose a solid.
Each folder holds 16 RGBA pictures of the ring (000.png ... 015.png, 256 pixels) and mesh.npz: the
surface `v`, `f` for the Chamfer distance, and the solid `solid_v`, `solid_f` that it encloses for the
volume IoU. What is there already is kept.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from PIL import Image

from harmony.evaluation.solids import enclosed_solid
from harmony.reconstruction.surface import signed_volume
from harmony.training.objects import ObjectLibrary, load_library, training_split
from harmony.training.scenes import rotation_about_z
from harmony.training.stream import render_views

LEAST_VOLUME = 0.02
SEED = 0
TURN_DEG = 37.0
"""Object k is turned by k times this, so that boxes do not all face the cameras."""


def candidates(library: ObjectLibrary) -> list[int]:
    """Return held-out objects with colours and without cut-out textures."""
    held_out = training_split(library)[1]
    return [
        k
        for k in held_out
        if library.has_colour[k]
        and not library.layer_has_holes[library.layer_start[k] : library.layer_start[k + 1]].any()
    ]


def write_object(library: ObjectLibrary, object_id: int, turn_deg: float, folder: Path) -> bool:
    """Write one object's pictures and truth; return False where it encloses too little."""
    rows = slice(library.vertex_start[object_id], library.vertex_start[object_id + 1])
    turn = rotation_about_z(np.array([turn_deg]))[0]
    vertices = library.positions[rows].numpy().astype(np.float64) @ turn.T
    first, last = library.face_start[object_id : object_id + 2]
    faces = library.faces[first:last].numpy().astype(np.int64)
    try:
        solid = enclosed_solid(vertices, faces)
    except ValueError:
        return False
    if signed_volume(*solid) < LEAST_VOLUME:
        return False
    folder.mkdir(parents=True)
    views = render_views(library, object_id, azimuth_turn_deg=turn_deg)[1]
    for view, picture in enumerate(views.numpy()):
        Image.fromarray(straight(picture)).save(folder / f"{view:03d}.png")
    np.savez_compressed(
        folder / "mesh.npz", v=vertices, f=faces, solid_v=solid[0], solid_f=solid[1]
    )
    return True


def straight(picture: np.ndarray) -> np.ndarray:
    """Return (H, W, 4) with the white taken out of colours that were composited on it."""
    values = picture.astype(np.float64).transpose(1, 2, 0) / 255
    alpha = values[..., 3:]
    bare = (values[..., :3] - (1 - alpha)) / np.maximum(alpha, 1 / 255)
    return np.round(np.concatenate([bare.clip(0, 1), alpha], axis=2) * 255).astype(np.uint8)


def main() -> None:
    """Write the set."""
    parser = argparse.ArgumentParser(description="Render a development set for meshes.")
    parser.add_argument("--objects", type=Path, required=True, help="folder of the object set")
    parser.add_argument("--output", type=Path, default=Path("data/mesh-development"))
    parser.add_argument("--count", type=int, default=10)
    options = parser.parse_args()
    library = load_library(options.objects)
    ids = candidates(library)
    written = 0
    for number, k in enumerate(np.random.default_rng(SEED).permutation(ids).tolist()):
        if written == options.count:
            break
        folder = options.output / f"{k:04d}-{library.names[k].replace(' ', '-')}"
        if folder.is_dir() or write_object(library, k, number * TURN_DEG, folder):
            written += 1
            print(folder.name, flush=True)
        else:
            print(f"{folder.name} encloses too little, left out", flush=True)


if __name__ == "__main__":
    main()
