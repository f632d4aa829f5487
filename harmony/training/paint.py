"""Colours of the objects of a scene, and its light."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from harmony.training.counter_random import CounterRandom
from harmony.training.objects import ObjectLibrary

PERMUTATIONS = np.array([[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]])
LUMA = np.array([0.299, 0.587, 0.114])
REPAINTED_SHARE = 0.1
PATTERN_SHARE = 0.4
INSTANCE_SALT = 0x5EED
LAYER_SALT = 0xC0102


@dataclass(frozen=True)
class Paint:
    """Colours of objects in scenes (I of them, with L layers in all, in the same order).

    Attributes:
        layer_start: (I + 1,) where each object's layers start.
        layer_color: (L, 3) sRGB in [0, 1].
        layer_texture: (L,) row of the texture table or -1.
        layer_triplanar: (L,) 1 where the texture is projected along the axes.
        color_matrix: (I, 3, 3) applied to albedo.
        gamma: (I,) exponent after that.
        pattern_scale: (I,) repetitions of a projected texture per unit length.
    """

    layer_start: Int[np.ndarray, " I+1"]
    layer_color: Float[np.ndarray, "L 3"]
    layer_texture: Int[np.ndarray, " L"]
    layer_triplanar: Int[np.ndarray, " L"]
    color_matrix: Float[np.ndarray, "I 3 3"]
    gamma: Float[np.ndarray, " I"]
    pattern_scale: Float[np.ndarray, " I"]


def hsv_to_rgb(
    hue: Float[np.ndarray, " n"],
    saturation: Float[np.ndarray, " n"],
    value: Float[np.ndarray, " n"],
) -> Float[np.ndarray, "n 3"]:
    """Convert HSV in [0, 1] to RGB in [0, 1]."""
    k = (hue[:, None] * 6 + np.array([5.0, 3.0, 1.0])) % 6
    ramp = np.clip(np.minimum(k, 4 - k), 0, 1)
    return value[:, None] * (1 - saturation[:, None] * ramp)


def source_layers(
    library: ObjectLibrary, object_ids: Int[np.ndarray, " I"]
) -> tuple[Int[np.ndarray, " I+1"], Int[np.ndarray, " L"]]:
    """Return where each object's layers start among the listed, and their rows in the library."""
    first = library.layer_start[object_ids]
    count = library.layer_start[object_ids + 1] - first
    start = np.concatenate([[0], np.cumsum(count)])
    rows = np.arange(start[-1]) + np.repeat(first - start[:-1], count)
    return start, rows


def plain_paint(library: ObjectLibrary, object_ids: Int[np.ndarray, " I"]) -> Paint:
    """Return the objects' own colours."""
    start, rows = source_layers(library, object_ids)
    count = len(object_ids)
    return Paint(
        layer_start=start,
        layer_color=library.layer_color[rows],
        layer_texture=library.layer_texture[rows],
        layer_triplanar=np.zeros(len(rows), np.int32),
        color_matrix=np.broadcast_to(np.eye(3), (count, 3, 3)).copy(),
        gamma=np.ones(count),
        pattern_scale=np.ones(count),
    )


def _recolor(draw: CounterRandom) -> tuple[Float[np.ndarray, "I 3 3"], Float[np.ndarray, " I"]]:
    """Return matrix (gain x saturation x channel permutation, the last in 35 %) and gamma."""
    choice = np.where(draw.chance(0.35), 1 + draw.integers(5), 0)
    permutation = np.eye(3)[PERMUTATIONS[choice]]
    saturation = draw.uniform(0.6, 1.35)[:, None, None]
    saturate = saturation * np.eye(3) + (1 - saturation) * np.broadcast_to(LUMA, (3, 3))
    gain = draw.uniform(0.85, 1.15)[:, None] * draw.uniform(0.92, 1.08, columns=3)
    gamma = np.exp(draw.uniform(-0.35, 0.25))
    return gain[:, :, None] * (saturate @ permutation), gamma


def _palette(draw: CounterRandom) -> Float[np.ndarray, "L 3"]:
    vivid = draw.chance(0.7)
    saturation = np.where(vivid, draw.uniform(0.3, 0.95), draw.uniform(0.0, 0.12))
    return hsv_to_rgb(draw.uniform(), saturation, draw.uniform(0.2, 1.0))


def draw_paint(
    library: ObjectLibrary,
    object_ids: Int[np.ndarray, " I"],
    streams: Int[np.ndarray, " I"],
    *,
    seed: int,
    rank: int,
) -> Paint:
    """Draw augmented colours.

    Objects without colours, and 10 % of the others, get patterns (40 % of those objects; on two
    thirds of their layers) or a palette of one colour per layer; cut-outs keep their texture.
    Then all are recoloured.

    Args:
        library: The objects.
        object_ids: The objects to paint.
        streams: Number of each one's stream of random numbers.
        seed: Of the run.
        rank: Of the process.
    """
    draw = CounterRandom(seed ^ INSTANCE_SALT, rank, streams)
    plain = plain_paint(library, object_ids)
    _, rows = source_layers(library, object_ids)
    owner = np.repeat(np.arange(len(object_ids)), np.diff(plain.layer_start))
    repainted = ~library.has_colour[object_ids] | draw.chance(REPAINTED_SHARE)
    patterned = repainted & draw.chance(PATTERN_SHARE) & (len(library.pattern_rows) > 0)
    within = np.arange(len(owner)) - plain.layer_start[owner]
    layer_draw = CounterRandom(seed ^ LAYER_SALT, rank, streams[owner] * 1024 + within)
    palette = _palette(layer_draw)
    layer_repainted: Bool[np.ndarray, " L"] = repainted[owner] & ~library.layer_has_holes[rows]
    layer_patterned = layer_repainted & patterned[owner] & layer_draw.chance(2 / 3)
    number = layer_draw.integers(max(len(library.pattern_rows), 1))
    texture = np.where(layer_repainted, -1, plain.layer_texture)
    texture[layer_patterned] = library.pattern_rows[number[layer_patterned]]
    matrix, gamma = _recolor(draw)
    return Paint(
        layer_start=plain.layer_start,
        layer_color=np.where(layer_repainted[:, None], palette, plain.layer_color),
        layer_texture=texture,
        layer_triplanar=layer_patterned.astype(np.int32),
        color_matrix=matrix,
        gamma=gamma,
        pattern_scale=np.exp(draw.uniform(np.log(0.8), np.log(4.0))),
    )


def _directions(
    azimuth_deg: Float[np.ndarray, " n"], elevation_deg: Float[np.ndarray, " n"]
) -> Float[np.ndarray, "n 3"]:
    a, e = np.radians(azimuth_deg), np.radians(elevation_deg)
    return np.stack([np.cos(e) * np.cos(a), np.cos(e) * np.sin(a), np.sin(e)], axis=1)


def draw_lights(draw: CounterRandom) -> Float[np.ndarray, "n 21"]:
    """Draw mild lights: ambient .5 to .9, one or two directional lights, half with highlights."""
    ambient = draw.uniform(0.5, 0.9)
    sky = ambient[:, None] * draw.uniform(0.97, 1.03, columns=3) * draw.uniform(1.0, 1.12)[:, None]
    ground = ambient[:, None] * draw.uniform(0.95, 1.03, columns=3)
    ground = ground * draw.uniform(0.7, 1.0)[:, None]
    rest = np.clip(1.05 - ambient, 0.1, None) * draw.uniform(0.7, 1.3)
    second = np.where(draw.chance(0.5), draw.uniform(0.2, 0.6), 0.0)
    colors = draw.uniform(0.96, 1.04, columns=6)
    key = rest[:, None] * (1 - second)[:, None] * colors[:, :3]
    fill = rest[:, None] * second[:, None] * colors[:, 3:]
    key_direction = _directions(draw.uniform(0, 360), draw.uniform(15, 85))
    fill_direction = _directions(draw.uniform(0, 360), draw.uniform(0, 70))
    strength = np.where(draw.chance(0.5), draw.uniform(0.03, 0.3), 0.0)
    exponent = np.exp(draw.uniform(np.log(6.0), np.log(80.0)))
    return np.concatenate(
        [
            *(sky, ground, key_direction, key, fill_direction, fill),
            np.stack([strength, exponent, draw.uniform(0.2, 1.0)], axis=1),
        ],
        axis=1,
    )


def studio_lights(count: int) -> Float[np.ndarray, "n 21"]:
    """Return soft, even light for evaluation pictures: bright sky, weak key from above."""
    up = _directions(np.array([20.0, 200.0]), np.array([60.0, 35.0]))
    row = np.concatenate(
        [[0.88] * 3, [0.66] * 3, up[0], [0.14] * 3, up[1], [0.06] * 3, [0.04, 20.0, 0.7]]
    )
    return np.tile(row, (count, 1))
