"""A UV atlas and its picture: colour detail finer than the vertices."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import xatlas
from jaxtyping import Bool, Float, Int
from scipy import ndimage

from harmony.reconstruction.charts import flat_charts
from harmony.reconstruction.depth import covered_samples
from harmony.reconstruction.surface import vertex_normals
from harmony.records import Mesh

TEXTURE_SIZE = 1024
_PADDING = 2

Painter = Callable[
    [Float[np.ndarray, "M 3"], Float[np.ndarray, "M 3"]],
    tuple[Float[np.ndarray, "M 3"], Bool[np.ndarray, " M"]],
]
"""Colours of surface points from their positions and unit normals, and which are known."""


@dataclass(frozen=True)
class TexturedMesh:
    """A mesh cut open along the seams of its atlas.

    Attributes:
        vertices: (V, 3) world coordinates; vertices at seams stand more than once.
        normals: (V, 3) unit normals of the uncut surface.
        faces: (F, 3), as many as the mesh had, in the same order.
        uv: (V, 2) in [0, 1], origin at the lower left as in OBJ.
        picture: (T, T, 3) uint8 sRGB.
    """

    vertices: Float[np.ndarray, "V 3"]
    normals: Float[np.ndarray, "V 3"]
    faces: Int[np.ndarray, "F 3"]
    uv: Float[np.ndarray, "V 2"]
    picture: np.ndarray


def textured(mesh: Mesh, paint: Painter | None = None, *, size: int = TEXTURE_SIZE) -> TexturedMesh:
    """Return the mesh with a UV atlas (xatlas) and its painted picture.

    Args:
        mesh: The mesh.
        paint: Colours of surface points; without it, and where it knows none, the
            vertex colours are interpolated.
        size: Side of the picture in texels.
    """
    assignment, faces, uv = _atlas(mesh, size)
    corners = np.stack([uv[:, 0] * size, (1 - uv[:, 1]) * size], axis=1)[faces]
    colors = np.zeros((size * size, 3))
    painted = np.zeros(size * size, dtype=bool)
    normals = vertex_normals(mesh.vertices, mesh.faces)
    for face, texel, weights in covered_samples(corners.astype(np.float64), size, size):
        around = mesh.faces[face]
        values = _blend(mesh.vertex_colors, around, weights)
        if paint is not None:
            normal = _blend(normals, around, weights)
            normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-9)
            painted_values, known = paint(_blend(mesh.vertices, around, weights), normal)
            values = np.where(known[:, None], painted_values, values)
        colors[texel] = values
        painted[texel] = True
    picture = _spread(colors.reshape(size, size, 3), painted.reshape(size, size))
    return TexturedMesh(mesh.vertices[assignment], normals[assignment], faces, uv, picture)


def _atlas(
    mesh: Mesh, size: int
) -> tuple[Int[np.ndarray, " V"], Int[np.ndarray, "F 3"], Float[np.ndarray, "V 2"]]:
    """Return each atlas vertex's mesh vertex, the faces and UV in [0, 1].

    xatlas packs the charts; finding them by its own optimisation takes it tens of seconds for
    meshes of this size.
    """
    cut = flat_charts(mesh.vertices.astype(np.float64), mesh.faces)
    atlas = xatlas.Atlas()
    atlas.add_mesh(
        mesh.vertices[cut.vertex].astype(np.float32),
        cut.faces.astype(np.uint32),
        uvs=cut.uv.astype(np.float32),
    )
    charts = xatlas.ChartOptions()
    charts.use_input_mesh_uvs = True
    packing = xatlas.PackOptions()
    packing.resolution = size
    packing.padding = _PADDING
    packing.bruteForce = False
    atlas.generate(charts, packing)
    assignment, faces, uv = atlas[0]
    if atlas.atlas_count > 1:
        raise RuntimeError(f"The atlas needs {atlas.atlas_count} pictures instead of one.")
    return cut.vertex[assignment], faces.astype(np.int64), uv.astype(np.float64)


def _blend(
    values: Float[np.ndarray, "V 3"],
    around: Int[np.ndarray, "K 3"],
    weights: Float[np.ndarray, "3 K"],
) -> Float[np.ndarray, "K 3"]:
    """Return values interpolated inside faces."""
    return np.einsum("ck,kcd->kd", weights, values[around].astype(np.float64))


def _spread(colors: Float[np.ndarray, "T T 3"], painted: np.ndarray) -> np.ndarray:
    """Return the picture with unpainted texels coloured like the nearest painted ones."""
    if not painted.any():
        raise ValueError("The atlas has no texel; use a larger texture or a simpler mesh.")
    nearest = np.asarray(
        ndimage.distance_transform_edt(~painted, return_distances=False, return_indices=True)
    )
    filled = colors[nearest[0], nearest[1]]
    return np.round(filled.clip(0, 1) * 255).astype(np.uint8)
