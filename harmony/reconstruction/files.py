"""Meshes to files."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import numpy as np
import trimesh
from jaxtyping import Bool, Float
from PIL import Image
from trimesh.exchange.obj import export_obj
from trimesh.visual import TextureVisuals
from trimesh.visual.material import PBRMaterial, SimpleMaterial

from harmony.reconstruction.colors import seen_colors
from harmony.reconstruction.depth import rasterize_ring
from harmony.reconstruction.records import Photographs
from harmony.reconstruction.texture import TEXTURE_SIZE, Painter, textured
from harmony.records import Mesh

MESH_ENDINGS = (".glb", ".obj", ".ply", ".stl")

# World x (towards the input camera) becomes glTF +Z, y becomes +X, z (up) becomes +Y.
GLTF_FROM_WORLD = np.array([[0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [1.0, 0.0, 0.0]])


def write_mesh(mesh: Mesh, path: str | Path, *, photographs: Photographs | None = None) -> Path:
    """Write a mesh; the ending chooses the format.

    `.glb` is Y-up and faces the viewer: the side of the input picture looks along +Z. `.obj`,
    `.ply` and `.stl` keep the canonical world (z up). `.glb` and `.obj` carry a UV atlas with a
    picture (`.obj` beside itself, with its `.mtl`), `.ply` carries vertex colours, `.stl` none.

    Args:
        mesh: The mesh.
        path: File to write; its folder must exist.
        photographs: The views that the mesh was made from (`Reconstruction.photographs`): the
            atlas is painted from them, since they are sharper than the vertex colours.

    Returns:
        The path.

    Raises:
        ValueError: The ending is none of .glb, .obj, .ply, .stl, or the folder does not exist.
    """
    path = Path(path)
    ending = checked_ending(path)
    if ending in (".glb", ".obj"):
        shape = _textured_shape(mesh, photographs, path.stem, upright=ending == ".glb")
    else:
        shape = trimesh.Trimesh(
            vertices=mesh.vertices, faces=mesh.faces, vertex_colors=_rgba(mesh), process=False
        )
    if ending == ".obj":
        text, beside = export_obj(
            shape, include_normals=True, return_texture=True, mtl_name=path.stem + ".mtl"
        )
        path.write_text(text)
        for name, data in beside.items():
            path.with_name(name).write_bytes(data)
    else:
        path.write_bytes(cast(bytes, shape.export(file_type=ending[1:])))
    return path


def _textured_shape(
    mesh: Mesh, photographs: Photographs | None, name: str, *, upright: bool
) -> trimesh.Trimesh:
    """Return trimesh's record of the mesh with its atlas."""
    if photographs is None:
        cut = textured(mesh)
    else:
        # Pictures of 128 pixels hold no more detail than 512 texels show.
        size = min(TEXTURE_SIZE, 4 * photographs.pixels.shape[-1])
        cut = textured(mesh, _painter(mesh, photographs), size=size)
    turn = GLTF_FROM_WORLD if upright else np.eye(3)
    picture = Image.fromarray(cut.picture)
    if upright:
        material = PBRMaterial(
            name=name, baseColorTexture=picture, metallicFactor=0.0, roughnessFactor=1.0
        )
    else:
        material = SimpleMaterial(name=name, image=picture, diffuse=[255, 255, 255, 255])
    return trimesh.Trimesh(
        vertices=cut.vertices @ turn.T,
        faces=cut.faces,
        vertex_normals=cut.normals @ turn.T,
        visual=TextureVisuals(uv=cut.uv, material=material),
        process=False,
    )


def _painter(mesh: Mesh, photographs: Photographs) -> Painter:
    """Return a painter that reads the views."""
    rasters = rasterize_ring(mesh.vertices, mesh.faces, photographs.cameras)

    def paint(
        points: Float[np.ndarray, "M 3"], normals: Float[np.ndarray, "M 3"]
    ) -> tuple[Float[np.ndarray, "M 3"], Bool[np.ndarray, " M"]]:
        return seen_colors(points, normals, rasters, photographs)

    return paint


def checked_ending(path: Path) -> str:
    """Return the lower-case ending of a mesh file that can be written.

    Raises:
        ValueError: The ending is unknown or the folder does not exist.
    """
    ending = path.suffix.lower()
    if ending not in MESH_ENDINGS:
        raise ValueError(
            f"{path.name} has no known mesh ending; use one of {', '.join(MESH_ENDINGS)}."
        )
    if not path.absolute().parent.is_dir():
        raise ValueError(f"The folder {path.parent} does not exist; make it first.")
    return ending


def _rgba(mesh: Mesh) -> np.ndarray:
    colors = np.round(mesh.vertex_colors.clip(0, 1) * 255).astype(np.uint8)
    return np.concatenate([colors, np.full((len(colors), 1), 255, dtype=np.uint8)], axis=1)
