"""Meshes to files, and folders of pictures to views."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import numpy as np
import torch
import trimesh
from jaxtyping import Bool, Float
from PIL import Image, UnidentifiedImageError
from trimesh.exchange.obj import export_obj
from trimesh.visual import TextureVisuals
from trimesh.visual.material import PBRMaterial, SimpleMaterial

from harmony.cameras import VIEW_COUNT
from harmony.masks import foreground_mask
from harmony.reconstruction.colors import seen_colors
from harmony.reconstruction.depth import rasterize_ring
from harmony.reconstruction.records import Photographs
from harmony.reconstruction.texture import TEXTURE_SIZE, Painter, textured
from harmony.records import Mesh, Views

MESH_ENDINGS = (".glb", ".obj", ".ply", ".stl")
_PICTURE_ENDINGS = (".png", ".jpg", ".jpeg", ".webp")

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


def read_views(folder: str | Path) -> Views:
    """Read one sample's 16 views from a folder.

    Pictures are taken in order of their names (view-00.png ..., 000.png ...). The mask of
    view-XX.png is view-XX.alpha.png where that file is there, else the picture's own alpha, else
    `foreground_mask`. Pictures with alpha are composited on white.

    Args:
        folder: Where the pictures are.

    Returns:
        Views of one sample, (1, 16, 3, H, H).

    Raises:
        ValueError: The folder does not exist, holds other than 16 pictures, a file is no
            picture, or sizes differ or are not square.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise ValueError(f"{folder} is no folder; name the folder that holds the 16 views.")
    files = sorted(
        file
        for file in folder.iterdir()
        if file.suffix.lower() in _PICTURE_ENDINGS and not file.stem.endswith(".alpha")
    )
    numbered = [file for file in files if file.stem.removeprefix("view-").isdecimal()]
    files = numbered or files
    if len(files) != VIEW_COUNT:
        raise ValueError(
            f"{folder} holds {len(files)} pictures; a mesh needs exactly {VIEW_COUNT}, "
            "in order of their names."
        )
    pictures = [_read_picture(file) for file in files]
    sizes = {pixels.shape[-2:] for pixels, _ in pictures}
    if len(sizes) > 1:
        raise ValueError(f"The pictures in {folder} differ in size; all must be equally large.")
    pixels = torch.stack([pixels for pixels, _ in pictures])
    alpha = torch.stack([alpha for _, alpha in pictures])
    return Views(pixels[None], alpha[None])


def _read_picture(
    path: Path,
) -> tuple[Float[torch.Tensor, "3 H W"], Float[torch.Tensor, "1 H W"]]:
    """Return pixels on white and alpha of one picture."""
    picture = _open(path)
    mask_file = path.with_name(path.stem + ".alpha.png")
    if mask_file.is_file():
        alpha = _planes(_open(mask_file).convert("L"))
        pixels = _planes(picture.convert("RGB"))
        if alpha.shape[-2:] != pixels.shape[-2:]:
            raise ValueError(f"{mask_file.name} and {path.name} differ in size; they must agree.")
        return pixels, alpha
    if picture.has_transparency_data:
        planes = _planes(picture.convert("RGBA"))
        alpha = planes[3:]
        return planes[:3] * alpha + 1.0 - alpha, alpha
    pixels = _planes(picture.convert("RGB"))
    return pixels, foreground_mask(pixels)


def _open(path: Path) -> Image.Image:
    try:
        with Image.open(path) as picture:
            picture.load()
            return picture
    except (UnidentifiedImageError, OSError) as error:
        raise ValueError(f"{path.name} cannot be read as a picture; replace it.") from error


def _planes(picture: Image.Image) -> Float[torch.Tensor, "C H W"]:
    """Return (C, H, W) float32 in [0, 1]."""
    values = np.atleast_3d(np.asarray(picture, dtype=np.float32) / 255.0)
    return torch.from_numpy(np.ascontiguousarray(values.transpose(2, 0, 1)))
