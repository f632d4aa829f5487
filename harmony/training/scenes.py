"""What a training scene is: objects, how they stand, their colours and the light.

Everything is drawn on the host for a whole batch at once, from counters (see
`counter_random`), as small numpy tables; `assembly` turns them into tensors.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from harmony.training.counter_random import CounterRandom
from harmony.training.objects import ObjectLibrary
from harmony.training.paint import Paint, draw_lights, draw_paint

STANDARD_ELEVATION_DEG = 30.0
SECOND_OBJECT_SHARE = 0.15


@dataclass(frozen=True)
class Placement:
    """Where the objects of a batch of scenes stand; I counts objects in scenes.

    Attributes:
        object_ids: (I,) in the library; the first n are the main objects of scenes 0..n-1.
        scene: (I,) number of the scene.
        linear: (I, 3, 3) takes object coordinates to the world.
        shift: (I, 3) added afterwards.
    """

    object_ids: Int[np.ndarray, " I"]
    scene: Int[np.ndarray, " I"]
    linear: Float[np.ndarray, "I 3 3"]
    shift: Float[np.ndarray, "I 3"]


@dataclass(frozen=True)
class Scenes:
    """A batch of scenes, ready to be assembled.

    Attributes:
        placement: The objects and where they stand.
        paint: Their colours.
        lights: (n, 21), see `Surface.lights`.
        elevation_deg: (n,) elevation of the input camera, at azimuth 0.
    """

    placement: Placement
    paint: Paint
    lights: Float[np.ndarray, "n 21"]
    elevation_deg: Float[np.ndarray, " n"]

    def __len__(self) -> int:
        return len(self.elevation_deg)


def rotation_about_z(angle_deg: Float[np.ndarray, " n"]) -> Float[np.ndarray, "n 3 3"]:
    """Return rotations about +z, counter-clockwise seen from above."""
    angle = np.radians(angle_deg)
    matrices = np.zeros((len(angle), 3, 3))
    matrices[:, 0, 0] = matrices[:, 1, 1] = np.cos(angle)
    matrices[:, 1, 0] = np.sin(angle)
    matrices[:, 0, 1] = -matrices[:, 1, 0]
    matrices[:, 2, 2] = 1
    return matrices


def scaled_boxes(
    library: ObjectLibrary, object_ids: Int[np.ndarray, " I"], scale: Float[np.ndarray, "I 3"]
) -> tuple[Float[np.ndarray, "I 3"], Float[np.ndarray, "I 3"]]:
    """Return centre and size of the objects' boxes after a (signed) scale on each axis."""
    low, high = library.box_min[object_ids] * scale, library.box_max[object_ids] * scale
    return (low + high) / 2, np.abs(high - low)


def _second_objects(
    draw: CounterRandom,
    first: Float[np.ndarray, "I 3"],
    second: Float[np.ndarray, "I 3"],
) -> Float[np.ndarray, "I 3"]:
    """Return where the second box's centre goes: beside the first on one ground, or on top.

    Args:
        draw: Random numbers.
        first: Size of the first box, centred at the origin.
        second: Size of the second box.
    """
    rows = np.arange(len(first))
    reach = (first + second) / 2
    centre = draw.uniform(-0.5, 0.5, columns=3) * first
    centre[:, 2] = (second[:, 2] - first[:, 2]) / 2
    axis = np.minimum(draw.integers(5) // 2, 2)
    sign = np.where(draw.chance(0.5) | (axis == 2), 1.0, -1.0)  # noqa: PLR2004
    gap = np.where(axis == 2, 0.0, draw.uniform(0.0, 0.1))  # noqa: PLR2004
    centre[rows, axis] = sign * (reach[rows, axis] + gap)
    return centre


def draw_placement(
    library: ObjectLibrary, object_ids: Int[np.ndarray, " M"], draw: CounterRandom, n: int
) -> Placement:
    """Choose and place the objects of `n` scenes.

    Per-axis scale .8 to 1.25; mirrored in half; longest side of the whole exactly 1 (60 %) or
    .85 to 1; then turned about z by multiples of 45 +- 2 deg (60 %) or any angle. 15 % of the
    scenes have a second object.
    """
    chosen = object_ids[draw.integers(len(object_ids))]
    other = object_ids[draw.integers(len(object_ids))]
    scale = np.exp(draw.uniform(np.log(0.8), np.log(1.25), columns=6))
    scale[:, 0] *= np.where(draw.chance(0.5), -1.0, 1.0)
    relative = draw.uniform(0.4, 1.0)
    centre_a, size_a = scaled_boxes(library, chosen, scale[:, :3])
    other_scale = scale[:, 3:] * relative[:, None]
    centre_b, size_b = scaled_boxes(library, other, other_scale)
    quarter = draw.integers(4)
    size_b = np.where((quarter % 2 == 1)[:, None], size_b[:, [1, 0, 2]], size_b)
    place_b = _second_objects(draw, size_a, size_b)
    has_second = draw.chance(SECOND_OBJECT_SHARE)

    low = np.where(has_second[:, None], np.minimum(-size_a / 2, place_b - size_b / 2), -size_a / 2)
    high = np.where(has_second[:, None], np.maximum(size_a / 2, place_b + size_b / 2), size_a / 2)
    side = np.where(draw.chance(0.6), 1.0, draw.uniform(0.85, 1.0))
    fit = (side / (high - low).max(1))[:, None, None]
    near = 45.0 * draw.integers(8) + draw.uniform(-2.0, 2.0)
    turn = np.where(draw.chance(0.6), near, draw.uniform(0.0, 360.0))
    to_world = fit * rotation_about_z(turn)

    def stand(
        local: Float[np.ndarray, "n 3 3"], centre: np.ndarray, place: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        target = place - np.einsum("nij,nj->ni", local, centre) - (low + high) / 2
        return np.einsum("nij,njk->nik", to_world, local), np.einsum("nij,nj->ni", to_world, target)

    identity = np.broadcast_to(np.eye(3), (n, 3, 3))
    quarter_turn = rotation_about_z(90.0 * quarter)
    linear_a, shift_a = stand(identity, centre_a, np.zeros((n, 3)))
    linear_b, shift_b = stand(quarter_turn, centre_b, place_b)
    seconds = has_second.nonzero()[0]
    return Placement(
        object_ids=np.concatenate([chosen, other[seconds]]),
        scene=np.concatenate([np.arange(n), seconds]),
        linear=np.concatenate(
            [linear_a * scale[:, None, :3], linear_b[seconds] * other_scale[seconds, None, :]]
        ),
        shift=np.concatenate([shift_a, shift_b[seconds]]),
    )


def draw_elevations(draw: CounterRandom) -> Float[np.ndarray, " n"]:
    """Return elevations of the input camera: 30 deg (40 %) or uniform in -10 to 40."""
    standard: Bool[np.ndarray, " n"] = draw.chance(0.4)
    return np.where(standard, STANDARD_ELEVATION_DEG, draw.uniform(-10.0, 40.0))


def draw_scenes(
    library: ObjectLibrary,
    object_ids: Int[np.ndarray, " M"],
    scene_numbers: Int[np.ndarray, " n"],
    *,
    seed: int,
    rank: int = 0,
) -> Scenes:
    """Draw augmented training scenes.

    Args:
        library: The objects.
        object_ids: Objects to choose from; one that stands twice is twice as likely.
        scene_numbers: Each scene depends on (seed, rank, its number) only.
        seed: Of the run.
        rank: Of the process.
    """
    draw = CounterRandom(seed, rank, scene_numbers)
    placement = draw_placement(library, object_ids, draw, len(scene_numbers))
    elevation_deg = draw_elevations(draw)
    lights = draw_lights(draw)
    streams = scene_numbers[placement.scene] * 2 + (
        np.arange(len(placement.scene)) >= len(scene_numbers)
    )
    paint = draw_paint(library, placement.object_ids, streams, seed=seed, rank=rank)
    return Scenes(placement, paint, lights, elevation_deg)
