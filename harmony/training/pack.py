"""Pack a folder of GLB, OBJ and PLY files into the object format that `meshes` reads.

python -m harmony.training.pack FOLDER --output DIR [--license CC0-1.0] [--source NAME]
"""

from __future__ import annotations

import argparse
import json
import logging
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import trimesh
from jaxtyping import Int, UInt8
from PIL import Image
from trimesh.visual import TextureVisuals
from trimesh.visual.material import PBRMaterial

from harmony.training.meshes import ObjectMesh
from harmony.training.shards import shard_arrays, write_shard

LOG = logging.getLogger(__name__)
SUFFIXES = (".glb", ".gltf", ".obj", ".ply")
Z_UP_SUFFIXES = (".ply",)
Y_UP_TO_Z_UP = np.array([[1, 0, 0], [0, 0, -1], [0, 1, 0]], float)
MAX_TEXTURE_SIDE = 256
MAX_VERTICES = 65535
MAX_LAYERS = 256
PAINTED_LAYERS = 24
HOLE_ALPHA = 128
GREY = (160, 160, 160)

Layers = tuple[Int[np.ndarray, " F"], UInt8[np.ndarray, "L 3"], UInt8[np.ndarray, "h w 4"] | None]


def _texture(image: Image.Image) -> UInt8[np.ndarray, "h w 4"]:
    picture = image.convert("RGBA")
    picture.thumbnail((MAX_TEXTURE_SIDE, MAX_TEXTURE_SIDE), Image.Resampling.LANCZOS)
    return np.asarray(picture)


def _painted_layers(visual: Any) -> Layers:
    """Turn vertex or face colours into a few layers of one colour each."""
    colors = np.asarray(visual.face_colors)[:, :3].astype(np.uint8)
    row = Image.fromarray(colors[None].copy()).quantize(PAINTED_LAYERS, dither=Image.Dither.NONE)
    used, layer = np.unique(np.asarray(row)[0], return_inverse=True)
    means = [colors[layer == k].mean(0).round() for k in range(len(used))]
    return layer, np.array(means, np.uint8), None


def _material_layers(visual: Any, face_count: int) -> Layers:
    material = visual.material
    if isinstance(material, PBRMaterial):
        image, factor = material.baseColorTexture, material.baseColorFactor
    else:
        image, factor = material.image, material.diffuse
    tint = np.array(GREY if factor is None else factor, np.uint8)[:3]
    layer = np.zeros(face_count, np.int64)
    if image is None or visual.uv is None:
        return layer, tint[None], None
    picture = _texture(image).copy()
    if isinstance(material, PBRMaterial) and factor is not None:
        # glTF 2.0, 3.9.2: the base colour is the product of texture and factor.
        picture[..., :3] = np.round(picture[..., :3] * (tint / 255.0))
    mean = picture[..., :3][picture[..., 3] >= HOLE_ALPHA]
    color = mean.mean(0).round() if len(mean) else np.array(GREY)
    return layer, color[None].astype(np.uint8), picture


def _layers(mesh: trimesh.Trimesh) -> tuple[Layers, bool]:
    """Return the layers of one mesh and whether the file gave it colours."""
    visual: Any = mesh.visual
    if isinstance(visual, TextureVisuals):
        return _material_layers(visual, len(mesh.faces)), True
    if visual.defined:
        return _painted_layers(visual), True
    return (np.zeros(len(mesh.faces), np.int64), np.array([GREY], np.uint8), None), False


def caption(path: Path) -> str:
    """Return a noun from a file name: `Wooden_Chair-03.glb` is "wooden chair"."""
    words = re.sub(r"(?<=[a-z])(?=[A-Z])|[_\-.\d\s]+", " ", path.stem)
    return " ".join(words.lower().split()) or "object"


def read_file(path: Path, *, up: str | None = None) -> ObjectMesh:
    """Read one mesh file, turned to z up, box centred, longest side 1.

    Args:
        path: A file that trimesh reads.
        up: "y" or "z", the file's upward axis; left out, z for PLY and y for the others.

    Raises:
        ValueError: The file holds no triangles, or has no extent.
    """
    pieces = [g for g in trimesh.load_scene(path).dump() if isinstance(g, trimesh.Trimesh)]
    pieces = [g for g in pieces if len(g.faces)]
    if not pieces:
        raise ValueError(f"{path.name} holds no triangles.")
    axis = up or ("z" if path.suffix.lower() in Z_UP_SUFFIXES else "y")
    found = [_layers(piece) for piece in pieces]
    layer_count = [len(colors) for (_, colors, _), _ in found]
    first_layer = np.cumsum([0, *layer_count[:-1]])
    first_vertex = np.cumsum([0, *(len(g.vertices) for g in pieces[:-1])])
    positions = np.concatenate([np.asarray(g.vertices, float) for g in pieces])
    if axis == "y":
        positions = positions @ Y_UP_TO_Z_UP.T
    low, high = positions.min(0), positions.max(0)
    if not np.isfinite(high - low).all() or (high - low).max() <= 0:
        raise ValueError(f"{path.name} has no extent.")
    textures = [texture for (_, _, texture), _ in found]
    numbers = np.cumsum([t is not None for t in textures]) - 1
    own = [-1 if t is None else n for t, n in zip(textures, numbers, strict=True)]
    uvs = [getattr(g.visual, "uv", None) for g in pieces]
    return ObjectMesh(
        name=caption(path),
        category=path.parent.name or "objects",
        positions=((positions - (low + high) / 2) / (high - low).max()).astype(np.float32),
        faces=np.concatenate([g.faces + v for g, v in zip(pieces, first_vertex, strict=True)]),
        face_layer=np.concatenate(
            [layer + start for ((layer, _, _), _), start in zip(found, first_layer, strict=True)]
        ),
        uvs=np.concatenate(
            [
                np.zeros((len(g.vertices), 2)) if uv is None else uv
                for g, uv in zip(pieces, uvs, strict=True)
            ]
        ).astype(np.float32),
        layer_color=np.concatenate([colors for (_, colors, _), _ in found]),
        layer_texture=np.repeat(own, layer_count),
        textures=tuple(t for t in textures if t is not None),
        has_colour=any(has_colour for _, has_colour in found),
    )


def _fits(mesh: ObjectMesh, path: Path) -> bool:
    vertices, layers = len(np.unique(mesh.faces)), len(mesh.layer_color)
    if vertices <= MAX_VERTICES and layers <= MAX_LAYERS:
        return True
    LOG.warning("%s left out: %d vertices, %d layers are too many", path.name, vertices, layers)
    return False


def pack_folder(
    folder: Path,
    output: Path,
    *,
    up: str | None = None,
    credits: dict[str, str] | None = None,
    shard_size: int = 1500,
    on_progress: Callable[[int, int], None] | None = None,
) -> int:
    """Pack every mesh file below `folder`; return the number of objects.

    Objects of more than 65,535 vertices or 256 layers do not fit the format; they are left out
    and named in the log.

    Args:
        folder: Searched through with its subfolders, whose names become the categories.
        output: Folder to write, created if missing.
        up: "y" or "z"; see `read_file`.
        credits: Further fields of every index line, such as source, author and license.
        shard_size: Objects in one archive.
        on_progress: Called with the number of files read and of all files.

    Raises:
        ValueError: There is no mesh file, or one holds no triangles.
    """
    paths = sorted(p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES)
    if not paths:
        raise ValueError(f"{folder} holds no {', '.join(SUFFIXES)} file.")
    kept: list[tuple[Path, ObjectMesh]] = []
    for number, path in enumerate(paths):
        mesh = read_file(path, up=up)
        if _fits(mesh, path):
            kept.append((path, mesh))
        if on_progress is not None:
            on_progress(number + 1, len(paths))
    output.mkdir(parents=True, exist_ok=True)
    lines = []
    for start in range(0, len(kept), shard_size):
        part = kept[start : start + shard_size]
        shard = f"objects-{start // shard_size:02d}.npz"
        write_shard(output / shard, shard_arrays([mesh for _, mesh in part]))
        for offset, (path, mesh) in enumerate(part):
            record = _index_record(start + offset, mesh)
            place = {"file": path.relative_to(folder).as_posix(), "shard": shard, "offset": offset}
            lines.append(json.dumps(record | (credits or {}) | place))
    (output / "index.jsonl").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return len(kept)


def _index_record(number: int, mesh: ObjectMesh) -> dict[str, object]:
    return {
        "id": number,
        "name": mesh.name,
        "category": mesh.category,
        "has_texture": mesh.has_colour,
        "n_tex": int((mesh.layer_texture >= 0).sum()),
        "alpha": any(bool((t[..., 3] < HOLE_ALPHA).any()) for t in mesh.textures),
        "smooth": mesh.smooth,
        "n_faces": len(mesh.faces),
        "n_verts": len(np.unique(mesh.faces)),
        "extent": np.ptp(mesh.positions, axis=0).round(3).tolist(),
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Pack the folder that the command line names."""
    parser = argparse.ArgumentParser(description="Pack mesh files into the object format.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--up", choices=("y", "z"), help="default: z for PLY, y for the others")
    for name in ("source", "author", "license"):
        parser.add_argument(f"--{name}", default="unknown")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    credits = {name: getattr(options, name) for name in ("source", "author", "license")}
    count = pack_folder(options.folder, options.output, up=options.up, credits=credits)
    LOG.info("%d objects packed into %s", count, options.output)


if __name__ == "__main__":
    main()
