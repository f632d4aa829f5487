"""Colour of the visible samples, by gather, and their mean on white.

Light is mild, as in renders under an even sky: an ambient term that turns from ground to sky
with the normal and fades where little of it is seen, two directional lights and a Blinn-Phong highlight. The plain torch code here
is the reference of the CUDA kernel `shade_pixels`.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from harmony.training.rasterizer import EMPTY, rasterize
from harmony.training.rasterizer.geometry import Surface, Triangles
from harmony.training.rasterizer.torch_path import edge_rows, edge_values, wrap

MAX_SAMPLES = 1 << 20


def _unit(vectors: Float[Tensor, "N 3"]) -> Float[Tensor, "N 3"]:
    return vectors / (vectors * vectors).sum(-1, keepdim=True).sqrt().clamp_min(1e-12)


def _mix(weights: Float[Tensor, "N 3"], rows: Float[Tensor, "N 3 C"]) -> Float[Tensor, "N C"]:
    return (weights[:, :, None] * rows).sum(1)


def _apply(matrices: Float[Tensor, "N 3 3"], vectors: Float[Tensor, "N 3"]) -> Tensor:
    return (matrices * vectors[:, None, :]).sum(-1)


def sample_texture(
    texels: UInt8[Tensor, "T 4"],
    table: Int[Tensor, "N 4"],
    u: Float[Tensor, " N"],
    v: Float[Tensor, " N"],
) -> Float[Tensor, "N 3"]:
    """Look up sRGB in [0, 1], bilinear with wrap-around, v upwards.

    Texels count by their alpha, so that the colour of holes does not bleed into the rest.

    Args:
        texels: RGBA of all textures.
        table: Each sample's row of the texture table: first texel, width, height.
        u: Horizontal coordinate.
        v: Vertical coordinate.
    """
    first, width, height = (table[:, k].long() for k in range(3))
    x = wrap(u) * width - 0.5
    y = wrap(1 - v) * height - 0.5
    fx, fy = x - x.floor(), y - y.floor()
    total, weights = torch.zeros(len(u), 3, device=u.device), torch.zeros_like(u)
    for k in range(4):
        right, down = k & 1, k >> 1
        column = (x.floor().long() + right + width) % width
        row = (y.floor().long() + down + height) % height
        texel = texels[first + row * width + column].float()
        weight = (fx if right else 1 - fx) * (fy if down else 1 - fy)
        weight = weight * texel[:, 3].clamp_min(1)
        total += weight[:, None] * texel[:, :3]
        weights += weight
    return total / (255 * weights)[:, None]


def _pattern_coordinates(
    place: Float[Tensor, "N 3"], normal: Float[Tensor, "N 3"], scale: Float[Tensor, " N"]
) -> tuple[Tensor, Tensor]:
    """Project along the axis that the normal follows most."""
    ax, ay, az = normal.abs().unbind(-1)
    x_axis = (ax >= ay) & (ax >= az)
    y_axis = ~x_axis & (ay >= az)
    u = torch.where(x_axis, place[:, 1], place[:, 0])
    v = torch.where(x_axis | y_axis, place[:, 2], place[:, 1])
    return u * scale, v * scale


def _albedo(
    triangles: Triangles,
    surface: Surface,
    face: Int[Tensor, " N"],
    weights: Float[Tensor, "N 3"],
    normal: Float[Tensor, "N 3"],
) -> Float[Tensor, "N 3"]:
    layer = surface.face_layer.long()[face]
    instance = surface.face_instance.long()[face]
    color = surface.layer_color[layer].clone()
    textured = (surface.layer_texture[layer] >= 0).nonzero()[:, 0]
    if len(textured):
        vertices = triangles.faces.long()[face[textured]]
        share = weights[textured]
        uv = _mix(share, triangles.uvs[vertices])
        place = _mix(share, surface.local[vertices])
        scale = surface.pattern_scale[instance[textured]]
        pu, pv = _pattern_coordinates(place, normal[textured], scale)
        triplanar = surface.layer_triplanar[layer[textured]].bool()
        table = triangles.texture_table[surface.layer_texture[layer[textured]].long()]
        u, v = torch.where(triplanar, pu, uv[:, 0]), torch.where(triplanar, pv, uv[:, 1])
        color[textured] = sample_texture(triangles.texels, table, u, v)
    color = _apply(surface.color_matrix[instance], color).clamp(0, 1)
    return color.pow(surface.gamma[instance][:, None])


def _light(
    rows: Float[Tensor, "N 21"],
    base: Float[Tensor, "N 3"],
    normal: Float[Tensor, "N 3"],
    to_camera: Float[Tensor, "N 3"],
    visibility: Float[Tensor, "N 1"],
) -> Float[Tensor, "N 3"]:
    opening = 1 - rows[:, 20:21] * (1 - visibility)
    up = (0.5 + 0.5 * normal[:, 2])[:, None]
    total = opening * (rows[:, 3:6] + up * (rows[:, 0:3] - rows[:, 3:6]))
    gloss = torch.zeros(len(rows), device=rows.device)
    for k in range(2):
        direction, color = rows[:, 6 + 6 * k : 9 + 6 * k], rows[:, 9 + 6 * k : 12 + 6 * k]
        total = total + (normal * direction).sum(-1).clamp_min(0)[:, None] * color
        half = (normal * _unit(direction + to_camera)).sum(-1).clamp_min(0)
        gloss = gloss + (1.0, 0.5)[k] * rows[:, 18] * half.pow(rows[:, 19])
    return (base * total + gloss[:, None]).clamp(0, 1)


def _shade_samples(
    triangles: Triangles, surface: Surface, place: Int[Tensor, " N"], face: Int[Tensor, " N"]
) -> Float[Tensor, "N 3"]:
    """Return sRGB of samples, given their place in the flat sample grid and their face."""
    size = triangles.sample_size
    picture = place // (size * size)
    scene, view = picture // triangles.view_count, picture % triangles.view_count
    vertices = triangles.faces.long()[face]
    corners = triangles.screen[view[:, None], vertices]
    areas = edge_values(edge_rows(corners), place % size + 0.5, place // size % size + 0.5)
    weights = torch.stack(areas, -1) * corners[:, :, 2]
    weights = weights / weights.sum(-1, keepdim=True)
    local_normal = _mix(weights, surface.corner_normals[surface.face_source.long()[face]])
    matrices = surface.normal_matrix[surface.face_instance.long()[face]]
    normal = _unit(_apply(matrices, local_normal))
    to_camera = _unit(surface.centres[scene, view] - _mix(weights, surface.world[vertices]))
    away = (normal * to_camera).sum(-1, keepdim=True) < 0
    normal = torch.where(away, -normal, normal)
    base = _albedo(triangles, surface, face, weights, local_normal)
    visibility = (weights * surface.visibility[vertices]).sum(-1, keepdim=True)
    return _light(surface.lights[scene], base, normal, to_camera, visibility)


def shade_torch(
    triangles: Triangles,
    surface: Surface,
    packed: Int[Tensor, "P S S"],
    pictures: UInt8[Tensor, "P 4 H H"],
) -> None:
    """Shade in plain torch, as `shade` describes."""
    flat = packed.view(-1)
    samples = torch.ones(len(flat), 4, device=flat.device)
    samples[:, 3] = 0
    for place in (flat != EMPTY).nonzero()[:, 0].split(MAX_SAMPLES):
        color = _shade_samples(triangles, surface, place, flat[place] & 0xFFFFFFFF)
        samples[place] = torch.cat([color, torch.ones_like(color[:, :1])], -1)
    half = triangles.sample_size // 2
    total = samples.view(-1, half, 2, half, 2, 4).sum((2, 4)).permute(0, 3, 1, 2)
    pictures.copy_((total * 63.75 + 0.5).to(torch.uint8))


def shade(
    triangles: Triangles,
    surface: Surface,
    packed: Int[Tensor, "P S S"],
    pictures: UInt8[Tensor, "P 4 H H"],
) -> None:
    """Shade rasterised samples into `pictures`: RGB on white, alpha = coverage.

    Each pixel is the mean of its 2 x 2 samples; normals are turned towards the camera.
    """
    if packed.is_cuda:
        from harmony.training.rasterizer.cuda_path import shade_cuda

        shade_cuda(triangles, surface, packed, pictures)
    else:
        shade_torch(triangles, surface, packed, pictures)


def render(
    triangles: Triangles, surface: Surface, pictures: UInt8[Tensor, "P 4 H H"] | None = None
) -> UInt8[Tensor, "P 4 H H"]:
    """Rasterise and shade; into `pictures` where given, else into a new tensor."""
    half = triangles.sample_size // 2
    if pictures is None:
        shape = (triangles.picture_count, 4, half, half)
        pictures = torch.empty(shape, dtype=torch.uint8, device=triangles.screen.device)
    shade(triangles, surface, rasterize(triangles), pictures)
    return pictures
