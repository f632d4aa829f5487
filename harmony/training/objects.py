"""All training objects as a few flat tensors, which scene composer and renderer index."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor

from harmony.training.meshes import ObjectMesh, read_meshes
from harmony.training.normals import corner_normals
from harmony.training.patterns import make_patterns

UNNAMED_CATEGORY = "random shape"
HELD_OUT_NAMES = 200
MAX_OBJECTS_OF_HELD_OUT_NAME = 4
SMALLEST_TRAINING_FACTOR = 10  # at most a tenth of a small set is held out
HOLE_ALPHA = 128


@dataclass(frozen=True)
class ObjectLibrary:
    """Many objects end to end; object k owns rows `X_start[k]:X_start[k + 1]`.

    Tensors live on one device; numpy arrays are tables that the host reads.

    Attributes:
        positions: (V, 3) float32.
        visibility: (V,) float32 share of the surroundings that a vertex sees; 1 unless computed by
            `harmony.training.occlusion`.
        uvs: (V, 2) float32, zeros where an object has none.
        faces: (F, 3) int32, counted from the object's first vertex.
        face_layer: (F,) int32, counted from the object's first layer.
        corner_normals: (F, 3, 3) float32 unit shading normals.
        texels: (T, 4) uint8, all textures row by row.
        texture_table: (N, 4) int32: first texel, width, height, 1 if it has holes.
        vertex_start: (n + 1,) int64.
        face_start: (n + 1,) int64.
        layer_start: (n + 1,) int64.
        layer_color: (L, 3) float32 sRGB in [0, 1].
        layer_texture: (L,) int32, row of `texture_table` or -1.
        layer_has_holes: (L,) bool, where that texture has transparent parts.
        pattern_rows: (N,) int32 rows of `texture_table` that tile and belong to no object.
        box_min: (n, 3) float32 lower corner of the bounding box.
        box_max: (n, 3) float32 upper corner.
        has_colour: (n,) bool.
        names: Caption nouns.
        categories: Groups.
    """

    positions: Float[Tensor, "V 3"]
    visibility: Float[Tensor, " V"]
    uvs: Float[Tensor, "V 2"]
    faces: Int[Tensor, "F 3"]
    face_layer: Int[Tensor, " F"]
    corner_normals: Float[Tensor, "F 3 3"]
    texels: UInt8[Tensor, "T 4"]
    texture_table: Int[Tensor, "N 4"]
    vertex_start: Int[np.ndarray, " n+1"]
    face_start: Int[np.ndarray, " n+1"]
    layer_start: Int[np.ndarray, " n+1"]
    layer_color: Float[np.ndarray, "L 3"]
    layer_texture: Int[np.ndarray, " L"]
    layer_has_holes: Bool[np.ndarray, " L"]
    pattern_rows: Int[np.ndarray, " N"]
    box_min: Float[np.ndarray, "n 3"]
    box_max: Float[np.ndarray, "n 3"]
    has_colour: Bool[np.ndarray, " n"]
    names: tuple[str, ...]
    categories: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.names)

    @property
    def device(self) -> torch.device:
        """Where the tensors are."""
        return self.positions.device

    def to(self, device: torch.device | str) -> ObjectLibrary:
        """Return the same library with its tensors on `device`."""
        moved = {
            f.name: value.to(device)
            for f in fields(self)
            if isinstance(value := getattr(self, f.name), Tensor)
        }
        return replace(self, **moved)


def load_library(
    folder: Path,
    *,
    object_ids: Sequence[int] | None = None,
    device: torch.device | str = "cpu",
) -> ObjectLibrary:
    """Read the object set in `folder` into one library on `device`, with patterns to paint.

    Raises:
        ValueError: The folder has no index, or an id is not in it.
    """
    meshes = list(read_meshes(folder, object_ids))
    return build_library(meshes, patterns=make_patterns(), device=device)


def _offsets(counts: Iterable[int]) -> Int[np.ndarray, " n+1"]:
    return np.concatenate([[0], np.cumsum(list(counts))]).astype(np.int64)


def _pack_textures(
    meshes: Sequence[ObjectMesh], patterns: Sequence[UInt8[np.ndarray, "h w 4"]]
) -> tuple[UInt8[np.ndarray, "T 4"], Int[np.ndarray, "N 4"], Int[np.ndarray, " L"]]:
    """Return texels, table and every layer's row; a picture that objects share is kept once.

    Patterns take the first rows.
    """
    rows: dict[int, int] = {}
    pictures: list[np.ndarray] = list(patterns)
    layers: list[int] = []
    for mesh in meshes:
        for number in mesh.layer_texture.tolist():
            if number < 0:
                layers.append(-1)
                continue
            picture = mesh.textures[number]
            if id(picture) not in rows:
                rows[id(picture)] = len(pictures)
                pictures.append(picture)
            layers.append(rows[id(picture)])
    start = _offsets(p.shape[0] * p.shape[1] for p in pictures)
    table = [
        (start[i], p.shape[1], p.shape[0], int(p[..., 3].min() < HOLE_ALPHA))
        for i, p in enumerate(pictures)
    ]
    flat = [np.empty((0, 4), np.uint8), *(p.reshape(-1, 4) for p in pictures)]
    return (
        np.concatenate(flat),
        np.array(table, np.int32).reshape(-1, 4),
        np.array(layers, np.int32),
    )


def build_library(
    meshes: Iterable[ObjectMesh],
    *,
    patterns: Sequence[UInt8[np.ndarray, "h w 4"]] = (),
    device: torch.device | str = "cpu",
) -> ObjectLibrary:
    """Lay meshes end to end and precompute their shading normals on `device`.

    Args:
        meshes: The objects.
        patterns: Tiling pictures with which objects may be painted.
        device: Where the tensors go.

    Raises:
        ValueError: There is no mesh.
    """
    meshes = list(meshes)
    if not meshes:
        raise ValueError("A library needs at least one object.")
    vertex_count = np.array([len(m.positions) for m in meshes])
    face_count = np.array([len(m.faces) for m in meshes])
    vertex_start, face_start = _offsets(vertex_count), _offsets(face_count)
    texels, table, layer_texture = _pack_textures(meshes, patterns)
    holes = np.append(table[:, 3], 0)[layer_texture] > 0

    def gather(read: Callable[[ObjectMesh], np.ndarray], dtype: type) -> Tensor:
        joined = np.concatenate([np.asarray(read(m), dtype) for m in meshes])
        return torch.from_numpy(joined).to(device)

    positions = gather(lambda m: m.positions, np.float32)
    faces = gather(lambda m: m.faces, np.int32)
    numbers = np.arange(len(meshes))
    global_faces = faces.long() + torch.from_numpy(
        np.repeat(vertex_start[:-1], face_count)[:, None]
    ).to(device)
    normals = corner_normals(
        positions,
        global_faces,
        torch.from_numpy(np.repeat(numbers, vertex_count)).to(device),
        torch.from_numpy(np.repeat([m.smooth for m in meshes], face_count)).to(device),
    )
    return ObjectLibrary(
        positions=positions,
        visibility=torch.ones(len(positions), device=positions.device),
        uvs=gather(lambda m: m.uvs, np.float32),
        faces=faces,
        face_layer=gather(lambda m: m.face_layer, np.int32),
        corner_normals=normals,
        texels=torch.from_numpy(texels).to(device),
        texture_table=torch.from_numpy(table).to(device),
        vertex_start=vertex_start,
        face_start=face_start,
        layer_start=_offsets(len(m.layer_color) for m in meshes),
        layer_color=np.concatenate([m.layer_color for m in meshes]).astype(np.float32) / 255,
        layer_texture=layer_texture,
        layer_has_holes=holes,
        pattern_rows=np.arange(len(patterns), dtype=np.int32),
        box_min=np.stack([m.positions.min(0) for m in meshes]).astype(np.float32),
        box_max=np.stack([m.positions.max(0) for m in meshes]).astype(np.float32),
        has_colour=np.array([m.has_colour for m in meshes]),
        names=tuple(m.name for m in meshes),
        categories=tuple(m.category for m in meshes),
    )


def _joined_table(libraries: Sequence[ObjectLibrary]) -> Int[Tensor, "N 4"]:
    tables, first = [], 0
    for library in libraries:
        table = library.texture_table.clone()
        table[:, 0] += first
        first += len(library.texels)
        tables.append(table)
    return torch.cat(tables)


def join(libraries: Sequence[ObjectLibrary]) -> ObjectLibrary:
    """Return one library of all objects; ids of the second continue those of the first.

    Raises:
        ValueError: There is no library, or they are on different devices.
    """
    if not libraries or len({library.device for library in libraries}) > 1:
        raise ValueError("Only libraries on one device can be joined, and at least one.")
    rows = np.cumsum([0, *(len(library.texture_table) for library in libraries)])

    def tensor(name: str) -> Tensor:
        return torch.cat([getattr(library, name) for library in libraries])

    def table(name: str) -> np.ndarray:
        return np.concatenate([getattr(library, name) for library in libraries])

    def starts(name: str) -> Int[np.ndarray, " n+1"]:
        return _offsets(np.concatenate([np.diff(getattr(lib, name)) for lib in libraries]))

    shifted = [
        np.where(library.layer_texture < 0, -1, library.layer_texture + row).astype(np.int32)
        for library, row in zip(libraries, rows, strict=False)
    ]
    patterns = [lib.pattern_rows + row for lib, row in zip(libraries, rows, strict=False)]
    return ObjectLibrary(
        positions=tensor("positions"),
        visibility=tensor("visibility"),
        uvs=tensor("uvs"),
        faces=tensor("faces"),
        face_layer=tensor("face_layer"),
        corner_normals=tensor("corner_normals"),
        texels=tensor("texels"),
        vertex_start=starts("vertex_start"),
        face_start=starts("face_start"),
        layer_start=starts("layer_start"),
        layer_color=table("layer_color"),
        layer_has_holes=table("layer_has_holes"),
        box_min=table("box_min"),
        box_max=table("box_max"),
        has_colour=table("has_colour"),
        texture_table=_joined_table(libraries),
        layer_texture=np.concatenate(shifted),
        pattern_rows=np.concatenate(patterns).astype(np.int32),
        names=tuple(name for library in libraries for name in library.names),
        categories=tuple(c for library in libraries for c in library.categories),
    )


def training_split(
    library: ObjectLibrary, held_out_names: int | None = None
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Split a library's objects into training and validation by the hash of their names.

    All objects of a held-out name are out of training, so no kind of thing is in both. Names of
    many objects (chairs, rocks) stay in training.

    Args:
        library: The objects.
        held_out_names: How many names are held out; `HELD_OUT_NAMES`, but at most a tenth of the
            objects, if left out.

    Returns:
        Object ids for training and for validation, both rising.
    """
    members: dict[str, list[int]] = {}
    for k, (name, category) in enumerate(zip(library.names, library.categories, strict=True)):
        if category != UNNAMED_CATEGORY:
            members.setdefault(name, []).append(k)
    rare = [name for name, ids in members.items() if len(ids) <= MAX_OBJECTS_OF_HELD_OUT_NAME]
    by_hash = sorted(rare, key=lambda name: hashlib.sha256(name.encode()).hexdigest())
    limit = len(library) // SMALLEST_TRAINING_FACTOR if held_out_names is None else len(library)
    held_out: set[int] = set()
    for name in by_hash[: HELD_OUT_NAMES if held_out_names is None else held_out_names]:
        if len(held_out) + len(members[name]) > limit:
            break
        held_out.update(members[name])
    return tuple(k for k in range(len(library)) if k not in held_out), tuple(sorted(held_out))
