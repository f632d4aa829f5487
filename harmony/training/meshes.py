"""Objects in memory, and reading them from the object format (index.jsonl, numpy shards)."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int, UInt8
from PIL import Image

UV_LIMIT = 1000.0  # a few source files hold coordinates near 1e9, beyond any sensible tiling


@dataclass(frozen=True)
class ObjectMesh:
    """One object in memory.

    Attributes:
        name: Caption noun.
        category: Group of the object; `UNNAMED_CATEGORY` for abstract shapes.
        positions: (V, 3) in [-0.5, 0.5], box centred, longest side 1, z up.
        faces: (F, 3) rows of `positions`.
        face_layer: (F,) rows of `layer_color`.
        uvs: (V, 2), v upwards, wrapping outside [0, 1].
        layer_color: (L, 3) sRGB in 0..255.
        layer_texture: (L,) numbers in `textures`, -1 for none.
        textures: RGBA pictures (h, w, 4).
        smooth: Whether normals are averaged up to the crease.
        has_colour: False where the colours are placeholders.
    """

    name: str
    category: str
    positions: Float[np.ndarray, "V 3"]
    faces: Int[np.ndarray, "F 3"]
    face_layer: Int[np.ndarray, " F"]
    uvs: Float[np.ndarray, "V 2"]
    layer_color: UInt8[np.ndarray, "L 3"]
    layer_texture: Int[np.ndarray, " L"]
    textures: tuple[UInt8[np.ndarray, "h w 4"], ...] = ()
    smooth: bool = True
    has_colour: bool = True


def _decode_texture(data: bytes) -> UInt8[np.ndarray, "h w 4"]:
    with Image.open(io.BytesIO(data)) as picture:
        return np.asarray(picture.convert("RGBA"))


class _Shard:
    """One archive of the object format."""

    def __init__(self, path: Path) -> None:
        with np.load(path, allow_pickle=False) as archive:
            self.arrays = {name: archive[name] for name in archive.files}
        self._textures: dict[int, UInt8[np.ndarray, "h w 4"]] = {}

    def _rows(self, name: str, offsets: str, k: int) -> np.ndarray:
        start, stop = self.arrays[offsets][k : k + 2]
        return self.arrays[name][start:stop]

    def texture(self, number: int) -> UInt8[np.ndarray, "h w 4"]:
        if number not in self._textures:
            data = self._rows("tex_bytes", "tex_off", number).tobytes()
            self._textures[number] = _decode_texture(data)
        return self._textures[number]

    def mesh(self, k: int, record: dict) -> ObjectMesh:
        positions = np.cumsum(self._rows("pos", "pos_off", k), 0, dtype=np.uint16)
        first, last = self.arrays["face_off"][k : k + 2]
        code = self.arrays["face"][3 * first : 3 * last].astype(np.int64)
        new = code == 0
        faces = (np.cumsum(new) - new - code).reshape(-1, 3)
        uvs = np.cumsum(self._rows("uv", "uv_off", k), 0, dtype=np.uint16).astype(np.float32)
        uv_range = self.arrays["uv_range"][k]
        uvs = uvs * uv_range[2:] + uv_range[:2]
        uvs = np.where(np.abs(uvs) < UV_LIMIT, uvs, np.float32(0))
        layer_texture = self._rows("tex", "layer_off", k)
        used = [int(t) for t in np.unique(layer_texture) if t >= 0]
        return ObjectMesh(
            name=record["name"],
            category=record["category"],
            positions=positions.astype(np.float32) / 65535 - 0.5,
            faces=faces,
            face_layer=self.arrays["mat"][first:last].astype(np.int32),
            uvs=uvs if len(uvs) else np.zeros((len(positions), 2), np.float32),
            layer_color=self._rows("rgb", "layer_off", k),
            layer_texture=np.array([used.index(t) if t >= 0 else -1 for t in layer_texture]),
            textures=tuple(self.texture(t) for t in used),
            smooth=record["smooth"],
            has_colour=record["has_texture"],
        )


def read_index(folder: Path) -> list[dict]:
    """Return the records of `index.jsonl`, one for each object.

    Raises:
        ValueError: The folder has no index.
    """
    path = folder / "index.jsonl"
    if not path.is_file():
        raise ValueError(f"{folder} holds no object set: index.jsonl is missing.")
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line]


def read_meshes(folder: Path, object_ids: Sequence[int] | None = None) -> Iterator[ObjectMesh]:
    """Yield the objects of the set in `folder`, all or those of `object_ids`.

    Raises:
        ValueError: The folder has no index, or an id is not in it.
    """
    index = read_index(folder)
    wanted = range(len(index)) if object_ids is None else object_ids
    shards: dict[str, _Shard] = {}
    for k in wanted:
        if not 0 <= k < len(index):
            raise ValueError(f"Object {k} is not in the set, which has {len(index)} objects.")
        record = index[k]
        name = Path(record["shard"]).name
        if name not in shards:
            shards[name] = _Shard(folder / name)
        yield shards[name].mesh(record["offset"], record)
