"""Small objects for the tests of the training data."""

from __future__ import annotations

import numpy as np

from harmony.training.meshes import ObjectMesh
from harmony.training.objects import ObjectLibrary, build_library
from harmony.training.patterns import make_patterns

BOX_FACES = np.array(
    [
        *([0, 1, 3], [0, 3, 2], [4, 7, 5], [4, 6, 7], [0, 5, 1], [0, 4, 5]),
        *([2, 3, 7], [2, 7, 6], [0, 2, 6], [0, 6, 4], [1, 5, 7], [1, 7, 3]),
    ]
)


def make_mesh(
    positions: np.ndarray,
    faces: np.ndarray,
    *,
    name: str = "thing",
    category: str = "things",
    face_layer: np.ndarray | None = None,
    colors: tuple[tuple[int, int, int], ...] = ((200, 100, 50),),
    uvs: np.ndarray | None = None,
    texture: np.ndarray | None = None,
    smooth: bool = True,
    has_colour: bool = True,
) -> ObjectMesh:
    return ObjectMesh(
        name=name,
        category=category,
        positions=positions.astype(np.float32),
        faces=faces,
        face_layer=np.zeros(len(faces), np.int32) if face_layer is None else face_layer,
        uvs=np.zeros((len(positions), 2), np.float32) if uvs is None else uvs,
        layer_color=np.array(colors, np.uint8),
        layer_texture=np.array([-1 if texture is None else 0] * len(colors)),
        textures=() if texture is None else (texture,),
        smooth=smooth,
        has_colour=has_colour,
    )


def box(size: tuple[float, float, float] = (1.0, 0.6, 0.4), **options) -> ObjectMesh:
    corners = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)]) / 2
    return make_mesh(corners * size, BOX_FACES, **options)


def sphere(rings: int = 10, **options) -> ObjectMesh:
    """A sphere of diameter 1 whose second half of the faces winds the other way."""
    polar, turn = np.meshgrid(
        np.linspace(0, np.pi, rings + 1), np.arange(2 * rings) * np.pi / rings, indexing="ij"
    )
    points = np.stack(
        [np.sin(polar) * np.cos(turn), np.sin(polar) * np.sin(turn), np.cos(polar)], -1
    )
    index = np.arange(points[..., 0].size).reshape(polar.shape)
    right = np.roll(index, -1, axis=1)
    quads = np.stack([index[:-1], index[1:], right[1:], right[:-1]], -1).reshape(-1, 4)
    faces = np.concatenate([quads[2 * rings :, [0, 1, 3]], quads[: -2 * rings, [1, 2, 3]]])
    faces[len(faces) // 2 :] = faces[len(faces) // 2 :, ::-1]
    return make_mesh(points.reshape(-1, 3) / 2, faces, **options)


def make_library() -> ObjectLibrary:
    """Three objects, one without colours, with patterns."""
    chequer = np.full((4, 4, 4), 255, np.uint8)
    chequer[::2, ::2, :3] = 0
    uvs = np.random.default_rng(0).random((8, 2)).astype(np.float32)
    meshes = [
        box(name="crate"),
        sphere(name="ball", has_colour=False, category="random shape"),
        box((0.3, 0.3, 1.0), name="tower", uvs=uvs, texture=chequer, smooth=False),
    ]
    return build_library(meshes, patterns=make_patterns(3))
