"""Writing shards of the object format that `meshes` reads."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int, UInt8
from PIL import Image

from harmony.training.meshes import ObjectMesh


def _differences(values: Int[np.ndarray, "N C"]) -> np.ndarray:
    grid = values.astype(np.uint16)
    return np.diff(grid, axis=0, prepend=np.zeros((1, grid.shape[1]), np.uint16))


def face_codes(corners: Int[np.ndarray, " C"]) -> tuple[np.ndarray, Int[np.ndarray, " V"]]:
    """Return the format's corner codes, and the vertices in the order that they introduce.

    Corner c is vertex (new vertices seen before c) - code; code 0 introduces the next one.
    """
    order, first, place = np.unique(corners, return_index=True, return_inverse=True)
    rank = np.argsort(np.argsort(first))
    number = rank[place]
    new = np.zeros(len(corners), bool)
    new[first] = True
    seen = np.cumsum(new) - new
    return np.where(new, 0, seen - number).astype(np.uint16), order[np.argsort(first)]


def _quantized_uvs(
    uvs: Float[np.ndarray, "V 2"], textured: bool
) -> tuple[np.ndarray, Float[np.ndarray, "4"]]:
    if not textured:
        return np.zeros((0, 2), np.uint16), np.zeros(4, np.float32)
    low = uvs.min(0)
    step = np.maximum((uvs.max(0) - low) / 65535, 1e-12)
    return _differences(np.round((uvs - low) / step)), np.concatenate([low, step])


def _webp(texture: UInt8[np.ndarray, "h w 4"]) -> UInt8[np.ndarray, " B"]:
    file = io.BytesIO()
    Image.fromarray(texture).save(file, "WEBP", quality=90, exact=True)
    return np.frombuffer(file.getvalue(), np.uint8)


def shard_arrays(meshes: Sequence[ObjectMesh]) -> dict[str, np.ndarray]:
    """Return the arrays of one shard that holds `meshes` in order."""
    columns: dict[str, list[np.ndarray]] = {
        name: [] for name in ("pos", "uv", "face", "mat", "rgb", "tex", "uv_range", "tex_bytes")
    }
    counts: dict[str, list[int]] = {name: [] for name in ("pos", "uv", "face", "layer", "tex")}
    for mesh in meshes:
        codes, order = face_codes(mesh.faces.reshape(-1))
        uvs, uv_range = _quantized_uvs(mesh.uvs[order], bool(mesh.textures))
        texture = np.where(mesh.layer_texture < 0, -1, mesh.layer_texture + len(counts["tex"]))
        images = [_webp(t) for t in mesh.textures]
        columns["pos"].append(_differences(np.round((mesh.positions[order] + 0.5) * 65535)))
        columns["uv"].append(uvs)
        columns["face"].append(codes)
        columns["mat"].append(mesh.face_layer.astype(np.uint8))
        columns["rgb"].append(mesh.layer_color)
        columns["tex"].append(texture.astype(np.int32))
        columns["uv_range"].append(uv_range.astype(np.float32)[None])
        columns["tex_bytes"].extend(images)
        for name, count in zip(
            ("pos", "uv", "face", "layer"),
            (len(order), len(uvs), len(mesh.faces), len(mesh.layer_color)),
            strict=True,
        ):
            counts[name].append(count)
        counts["tex"].extend(len(image) for image in images)
    columns["tex_bytes"].append(np.zeros(0, np.uint8))
    joined = {name: np.concatenate(rows) for name, rows in columns.items()}
    offsets = {f"{name}_off": np.cumsum([0, *rows]) for name, rows in counts.items()}
    return joined | offsets


def write_shard(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """Write a numpy archive with LZMA members; equal arrays give equal bytes."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_LZMA) as archive:
        for name, array in arrays.items():
            member = zipfile.ZipInfo(f"{name}.npy")
            member.compress_type = zipfile.ZIP_LZMA
            with archive.open(member, "w") as file:
                np.lib.format.write_array(file, np.ascontiguousarray(array), allow_pickle=False)
