"""Ambient occlusion: how much of its surroundings each vertex sees.

The objects are drawn as depth maps from directions all around, with parallel rays; a vertex is
seen from a direction if nothing lies before it. No normals are needed: a point on an open, flat
or convex surface is seen from half of all directions or more, which counts as 1. So does an open
sheet that is seen from behind.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from harmony.training.objects import ObjectLibrary
from harmony.training.rasterizer import EMPTY, Triangles, rasterize, unpack

DIRECTIONS = 32
MAP_SIZE = 128
BIAS = 0.03
OPEN_SHARE = 0.45  # a flat surface is seen from half of all directions, less the grazing ones
FLOOR = 0.35  # buried vertices would blacken the visible rest of large faces
OBJECTS_AT_ONCE = 64
REACH = 0.9  # just over the half diagonal of the unit cube, sqrt(3) / 2


def sphere_directions(count: int) -> Float[np.ndarray, "n 3"]:
    """Return unit vectors spread evenly over the sphere (Fibonacci lattice)."""
    k = np.arange(count) + 0.5
    z = 1 - 2 * k / count
    angle = np.pi * (1 + np.sqrt(5)) * k
    radius = np.sqrt(1 - z**2)
    return np.stack([radius * np.cos(angle), radius * np.sin(angle), z], -1)


def _frames(directions: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, "n 3 3"]:
    """Return rotations whose third rows are the directions."""
    helper = np.eye(3)[np.abs(directions).argmin(1)]
    right = np.cross(helper, directions)
    right /= np.linalg.norm(right, axis=1, keepdims=True)
    return np.stack([right, np.cross(directions, right), directions], 1)


def _parallel_view(
    library: ObjectLibrary, first: int, last: int, frames: Float[Tensor, "K 3 3"], size: int
) -> tuple[Triangles, Tensor]:
    """Return objects `first` to `last` - 1 as scenes seen along the frames' third axes."""
    device = library.device
    starts, counts = library.vertex_start, np.diff(library.face_start)[first:last]
    positions = library.positions[starts[first] : starts[last]]
    seen = (frames[:, None] * positions[None, :, None, :]).sum(-1)
    # The rasteriser wants 1 / depth, linear on the screen; with parallel rays height itself is.
    screen = torch.cat([(seen[..., :2] / REACH + 1) * (size / 2), seen[..., 2:] + 2], -1)
    faces = slice(library.face_start[first], library.face_start[last])
    offset = np.repeat(starts[first:last] - starts[first], counts)
    scene = np.repeat(np.arange(last - first), counts)
    none = torch.full((len(scene),), -1, dtype=torch.int32, device=device)
    triangles = Triangles(
        screen=screen.contiguous(),
        faces=library.faces[faces] + torch.from_numpy(offset).int().to(device)[:, None],
        face_scene=torch.from_numpy(scene).int().to(device),
        face_cutout=none,
        uvs=library.uvs[starts[first] : starts[last]],
        texels=library.texels,
        texture_table=library.texture_table,
        scene_count=last - first,
        sample_size=size,
    )
    owner = np.repeat(np.arange(last - first), np.diff(starts)[first:last])
    return triangles, torch.from_numpy(owner).to(device)


def _share_seen(triangles: Triangles, vertex_scene: Tensor) -> Float[Tensor, " V"]:
    """Return the share of the views in which nothing lies before a vertex."""
    size, views = triangles.sample_size, triangles.view_count
    packed = rasterize(triangles)
    nearest = torch.where(packed == EMPTY, 0.0, 1 / unpack(packed)[1])
    place = triangles.screen[..., :2].long().clamp(0, size - 1)
    picture = vertex_scene * views + torch.arange(views, device=place.device)[:, None]
    height = nearest[picture, place[..., 1], place[..., 0]]
    return (triangles.screen[..., 2] >= height - BIAS).float().mean(0)


def with_visibility(
    library: ObjectLibrary, *, directions: int = DIRECTIONS, map_size: int = MAP_SIZE
) -> ObjectLibrary:
    """Return the library with `visibility` computed; quick on a GPU, slow for many on a CPU.

    Args:
        library: Objects in the unit cube.
        directions: Number of depth maps of an object.
        map_size: Side of the depth maps.
    """
    frames = torch.from_numpy(_frames(sphere_directions(directions))).float().to(library.device)
    parts = []
    for first in range(0, len(library), OBJECTS_AT_ONCE):
        last = min(first + OBJECTS_AT_ONCE, len(library))
        triangles, owner = _parallel_view(library, first, last, frames, map_size)
        parts.append((_share_seen(triangles, owner) / OPEN_SHARE).clamp(FLOOR, 1.0))
    return replace(library, visibility=torch.cat(parts))
