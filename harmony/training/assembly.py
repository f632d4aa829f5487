"""From scene tables to the renderer's tensors, without waiting for the device."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from harmony.cameras import intrinsics, look_at_origin, target_cameras
from harmony.training.objects import ObjectLibrary
from harmony.training.rasterizer import Surface, Triangles
from harmony.training.scenes import Scenes

SUPERSAMPLING = 2
ALIGNMENT = 16


def move_arrays(arrays: dict[str, np.ndarray], device: torch.device) -> dict[str, Tensor]:
    """Copy small arrays to `device` in one transfer, as float32 and int32."""
    single = {
        name: np.ascontiguousarray(a, np.float32 if a.dtype.kind == "f" else np.int32)
        for name, a in arrays.items()
    }
    padded = [-(-a.nbytes // ALIGNMENT) * ALIGNMENT for a in single.values()]
    buffer = torch.empty(sum(padded), dtype=torch.uint8, pin_memory=device.type == "cuda")
    start, moved = 0, {}
    view = buffer.numpy()
    for a, size in zip(single.values(), padded, strict=True):
        view[start : start + a.nbytes] = a.reshape(-1).view(np.uint8)
        start += size
    buffer = buffer.to(device, non_blocking=True)
    start = 0
    for (name, a), size in zip(single.items(), padded, strict=True):
        dtype = torch.float32 if a.dtype == np.float32 else torch.int32
        moved[name] = buffer[start : start + a.nbytes].view(dtype).view(a.shape)
        start += size
    return moved


def camera_poses(elevation_deg: Float[np.ndarray, " n"]) -> Float[np.ndarray, "n 17 3 4"]:
    """Return each scene's cameras: the input camera at azimuth 0, then the sixteen targets."""
    references = np.stack([look_at_origin(0.0, float(e)) for e in elevation_deg])
    targets = target_cameras().poses
    targets = np.broadcast_to(targets, (len(elevation_deg), *targets.shape))
    return np.concatenate([references[:, None], targets], axis=1)


def project(
    world: Float[Tensor, "V 3"],
    poses: Float[Tensor, "n K 3 4"],
    vertex_scene: Int[Tensor, " V"],
    sample_size: int,
) -> Float[Tensor, "K V 3"]:
    """Return x, y in samples and 1 / depth of every vertex in every camera of its scene."""
    # Written out instead of a matrix product, whose rounding may depend on the batch's size.
    rows = poses.transpose(0, 1)[:, vertex_scene]
    camera = [
        rows[..., k, 0] * world[:, 0]
        + rows[..., k, 1] * world[:, 1]
        + rows[..., k, 2] * world[:, 2]
        + rows[..., k, 3]
        for k in range(3)
    ]
    matrix = intrinsics(sample_size)
    inverse_depth = 1 / camera[2]
    x = camera[0] * inverse_depth * float(matrix[0, 0]) + float(matrix[0, 2])
    y = camera[1] * inverse_depth * float(matrix[1, 1]) + float(matrix[1, 2])
    return torch.stack([x, y, inverse_depth], dim=-1)


def _segments(
    count: Int[np.ndarray, " I"], first: Tensor, start: Tensor, counts: Tensor
) -> tuple[Tensor, Tensor]:
    """Return, for rows laid end to end, their segment and their row in the library."""
    total = int(count.sum())
    numbers = torch.arange(len(count), device=first.device)
    segment = numbers.repeat_interleave(counts.long(), output_size=total)
    source = torch.arange(total, device=first.device) + (first - start)[segment]
    return segment, source


def assemble(
    library: ObjectLibrary,
    scenes: Scenes,
    *,
    image_size: int,
    cameras: Sequence[int] | None = None,
) -> tuple[Triangles, Surface]:
    """Gather, place and project the objects of `scenes`.

    Args:
        library: The objects.
        scenes: What to render.
        image_size: Side of the pictures.
        cameras: Which of each scene's cameras, 0 the input's and 1 to 16 the targets'; all of
            them if left out.
    """
    placement, paint = scenes.placement, scenes.paint
    ids = placement.object_ids
    counts = {
        "vertex": np.diff(library.vertex_start)[ids],
        "face": np.diff(library.face_start)[ids],
    }
    poses = camera_poses(scenes.elevation_deg)
    if cameras is not None:
        poses = poses[:, list(cameras)]
    centres = -np.einsum("nkji,nkj->nki", poses[..., :3], poses[..., 3])
    tables = move_arrays(
        {
            "scene": placement.scene,
            "linear": placement.linear,
            "shift": placement.shift,
            "normal_matrix": np.linalg.inv(placement.linear).swapaxes(1, 2),
            "poses": poses,
            "centres": centres,
            "lights": scenes.lights,
            "layer_start": paint.layer_start[:-1],
            "layer_color": paint.layer_color,
            "layer_texture": paint.layer_texture,
            "layer_triplanar": paint.layer_triplanar,
            "color_matrix": paint.color_matrix,
            "gamma": paint.gamma,
            "pattern_scale": paint.pattern_scale,
            "vertex_count": counts["vertex"],
            "vertex_first": library.vertex_start[ids],
            "vertex_start": np.cumsum(counts["vertex"]) - counts["vertex"],
            "face_count": counts["face"],
            "face_first": library.face_start[ids],
            "face_start": np.cumsum(counts["face"]) - counts["face"],
        },
        library.device,
    )
    vertex_instance, vertex_source = _segments(
        counts["vertex"], tables["vertex_first"], tables["vertex_start"], tables["vertex_count"]
    )
    face_instance, face_source = _segments(
        counts["face"], tables["face_first"], tables["face_start"], tables["face_count"]
    )
    local = library.positions[vertex_source]
    linear = tables["linear"][vertex_instance]
    world = (linear * local[:, None, :]).sum(-1) + tables["shift"][vertex_instance]
    sample_size = SUPERSAMPLING * image_size
    screen = project(world, tables["poses"], tables["scene"][vertex_instance], sample_size)
    face_layer = library.face_layer[face_source] + tables["layer_start"][face_instance]
    texture = tables["layer_texture"]
    if len(library.texture_table):
        holes = library.texture_table[texture.clamp(min=0).long(), 3] > 0
        cutout = torch.where(holes & (texture >= 0), texture, -1)
    else:
        cutout = texture
    triangles = Triangles(
        screen=screen.contiguous(),
        faces=(library.faces[face_source] + tables["vertex_start"][face_instance][:, None]).int(),
        face_scene=tables["scene"][face_instance],
        face_cutout=cutout[face_layer.long()],
        uvs=library.uvs[vertex_source],
        texels=library.texels,
        texture_table=library.texture_table,
        scene_count=len(scenes),
        sample_size=sample_size,
    )
    surface = Surface(
        world=world.contiguous(),
        local=local,
        visibility=library.visibility[vertex_source],
        corner_normals=library.corner_normals,
        face_source=face_source.int(),
        face_instance=face_instance.int(),
        face_layer=face_layer.int(),
        **{
            name: tables[name]
            for name in (
                *("layer_color", "layer_texture", "layer_triplanar", "normal_matrix"),
                *("color_matrix", "gamma", "pattern_scale", "lights", "centres"),
            )
        },
    )
    return triangles, surface
