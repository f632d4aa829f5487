"""What the rasteriser and the shader read: scenes laid end to end."""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Float, Int, UInt8
from torch import Tensor

LIGHT_COLUMNS = 21


@dataclass(frozen=True)
class Triangles:
    """Projected faces of several scenes, each seen by K cameras.

    Picture `scene * K + camera` shows the faces of one scene.

    Attributes:
        screen: (K, V, 3) float32: x, y in samples of an S x S picture, and 1 / depth.
        faces: (F, 3) int32 rows of the vertices, of all scenes.
        face_scene: (F,) int32.
        face_cutout: (F,) int32 texture whose alpha cuts holes, or -1.
        uvs: (V, 2) float32.
        texels: (T, 4) uint8.
        texture_table: (N, 4) int32: first texel, width, height, 1 if it has holes.
        scene_count: Number of scenes.
        sample_size: S, twice the side of the finished pictures.
    """

    screen: Float[Tensor, "K V 3"]
    faces: Int[Tensor, "F 3"]
    face_scene: Int[Tensor, " F"]
    face_cutout: Int[Tensor, " F"]
    uvs: Float[Tensor, "V 2"]
    texels: UInt8[Tensor, "T 4"]
    texture_table: Int[Tensor, "N 4"]
    scene_count: int
    sample_size: int

    @property
    def view_count(self) -> int:
        """Number of cameras of a scene, K."""
        return self.screen.shape[0]

    @property
    def picture_count(self) -> int:
        """Number of pictures."""
        return self.scene_count * self.view_count


@dataclass(frozen=True)
class Surface:
    """What colours the faces of `Triangles`.

    I counts objects in scenes (instances), L their layers.

    Attributes:
        world: (V, 3) float32 world positions.
        local: (V, 3) float32 positions in the object's own frame, where patterns are fixed.
        corner_normals: (library faces, 3, 3) float32.
        face_source: (F,) int32 rows of `corner_normals`.
        face_instance: (F,) int32.
        face_layer: (F,) int32 rows of the layer tables.
        layer_color: (L, 3) float32 sRGB in [0, 1].
        layer_texture: (L,) int32 row of the texture table or -1.
        layer_triplanar: (L,) int32, 1 where the texture is projected along the axes.
        normal_matrix: (I, 3, 3) float32 takes object normals to the world.
        color_matrix: (I, 3, 3) float32 recolours albedo.
        gamma: (I,) float32 exponent of albedo after that.
        pattern_scale: (I,) float32 repetitions of a projected texture per unit length.
        visibility: (V,) float32 share of the surroundings that a vertex sees, in [0, 1].
        lights: (scenes, 21) float32: sky RGB, ground RGB, then for two lights direction to the
            light and RGB; strength and exponent of the highlight; strength of the occlusion.
        centres: (scenes, K, 3) float32 camera centres.
    """

    world: Float[Tensor, "V 3"]
    local: Float[Tensor, "V 3"]
    corner_normals: Float[Tensor, "G 3 3"]
    face_source: Int[Tensor, " F"]
    face_instance: Int[Tensor, " F"]
    face_layer: Int[Tensor, " F"]
    layer_color: Float[Tensor, "L 3"]
    layer_texture: Int[Tensor, " L"]
    layer_triplanar: Int[Tensor, " L"]
    normal_matrix: Float[Tensor, "I 3 3"]
    color_matrix: Float[Tensor, "I 3 3"]
    gamma: Float[Tensor, " I"]
    pattern_scale: Float[Tensor, " I"]
    visibility: Float[Tensor, " V"]
    lights: Float[Tensor, "N 21"]
    centres: Float[Tensor, "N K 3"]
