"""Pictures of a mesh from the cameras of its views, and where the two disagree."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, UInt8

from harmony.cameras import target_cameras
from harmony.reconstruction.depth import Hits, surface_hits
from harmony.reconstruction.records import Reconstruction
from harmony.reconstruction.surface import vertex_normals
from harmony.records import Mesh, Views

_CLAY = (0.80, 0.78, 0.74)
_AMBIENT = 0.25
_LIGHT_ABOVE = 0.5
"""The light stands this far above the camera, in units of the viewing direction."""
_MATTER_ONLY = (0.84, 0.24, 0.16)
_VIEW_ONLY = (0.12, 0.42, 0.82)
_FADED = 0.35


@dataclass(frozen=True)
class MeshPictures:
    """A mesh as the ring of cameras sees it; every array is (N, H, H, 3) uint8 on white.

    Attributes:
        colored: The vertex colours, without light, as in the views.
        surface: The bare shape in one colour, lit from above the camera.
        difference: The faded views; red where only the mesh covers the pixel, blue where only the
            view does.
    """

    colored: UInt8[np.ndarray, "N H H 3"]
    surface: UInt8[np.ndarray, "N H H 3"]
    difference: UInt8[np.ndarray, "N H H 3"]


def mesh_pictures(result: Reconstruction, views: Views) -> MeshPictures:
    """Return the pictures of a reconstruction beside the views that it was made from.

    Args:
        result: The reconstruction.
        views: The one sample that it was made from.
    """
    mesh, cameras = result.mesh, target_cameras(views.pixels.shape[-1])
    normals = vertex_normals(mesh.vertices, mesh.faces)
    pixels = views.pixels[0].detach().float().cpu().numpy().transpose(0, 2, 3, 1)
    masks = views.alpha[0, :, 0].detach().cpu().numpy() >= 0.5  # noqa: PLR2004
    colored, surface, difference = [], [], []
    for view, raster in enumerate(result.rasters):
        pose = cameras.poses[view]
        hits = surface_hits(raster, mesh.vertices, mesh.faces, cameras.intrinsics, pose)
        size = len(raster.depth)
        colored.append(_painted(_blend(mesh.vertex_colors, mesh, hits), hits, size))
        surface.append(_painted(_lit(_blend(normals, mesh, hits), pose), hits, size))
        difference.append(_overlay(pixels[view], np.isfinite(raster.depth), masks[view]))
    return MeshPictures(_bytes(colored), _bytes(surface), _bytes(difference))


def _blend(values: Float[np.ndarray, "V 3"], mesh: Mesh, hits: Hits) -> Float[np.ndarray, "K 3"]:
    """Return a quantity of the vertices at the hits."""
    return np.einsum("ck,kcd->kd", hits.weights, values[mesh.faces[hits.face]].astype(np.float64))


def _lit(
    normals: Float[np.ndarray, "K 3"], pose: Float[np.ndarray, "3 4"]
) -> Float[np.ndarray, "K 3"]:
    """Return clay under a light above the camera."""
    light = -pose[2, :3] + _LIGHT_ABOVE * np.array([0.0, 0.0, 1.0])
    length = np.linalg.norm(normals, axis=1) * np.linalg.norm(light)
    cosine = (normals @ light / np.maximum(length, 1e-9)).clip(0, 1)
    return (_AMBIENT + (1 - _AMBIENT) * cosine)[:, None] * np.array(_CLAY)


def _painted(colors: Float[np.ndarray, "K 3"], hits: Hits, size: int) -> Float[np.ndarray, "H H 3"]:
    picture = np.ones((size * size, 3))
    picture[hits.pixel] = colors
    return picture.reshape(size, size, 3)


def _overlay(
    picture: Float[np.ndarray, "H H 3"], covered: np.ndarray, mask: np.ndarray
) -> Float[np.ndarray, "H H 3"]:
    """Return the faded view with the pixels that one of the two lacks."""
    result = 1 - _FADED * (1 - picture)
    result[covered & ~mask] = _MATTER_ONLY
    result[mask & ~covered] = _VIEW_ONLY
    return result


def _bytes(pictures: list[np.ndarray]) -> UInt8[np.ndarray, "N H H 3"]:
    return np.round(np.stack(pictures).clip(0, 1) * 255).astype(np.uint8)
