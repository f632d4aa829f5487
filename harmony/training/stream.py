"""An endless stream of rendered scenes, and plain renders of single objects."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from harmony.cameras import VIEW_COUNT
from harmony.training.assembly import assemble
from harmony.training.generations import Generations, ScenePool
from harmony.training.objects import ObjectLibrary
from harmony.training.paint import plain_paint, studio_lights
from harmony.training.scenes import (
    STANDARD_ELEVATION_DEG,
    Placement,
    Scenes,
    draw_scenes,
    rotation_about_z,
    scaled_boxes,
)
from harmony.training.shading import render

PICTURES_PER_SCENE = VIEW_COUNT + 1
MAX_SAMPLES = 1 << 27  # of one rendering pass: 1 GiB of packed depth


@dataclass(frozen=True)
class SceneBatch:
    """Pictures of B scenes: sRGB on white and coverage, 0 to 255.

    Attributes:
        reference: (B, 4, H, W) uint8 input pictures, at azimuth 0.
        views: (B, 16, 4, H, W) uint8 target views.
        elevation_deg: (B,) float32 elevation of the input camera.
        object_ids: (B,) int64 main object of each scene.
    """

    reference: UInt8[Tensor, "B 4 H W"]
    views: UInt8[Tensor, "B 16 4 H W"]
    elevation_deg: Float[Tensor, " B"]
    object_ids: Int[Tensor, " B"]


def render_scenes(
    library: ObjectLibrary,
    scenes: Scenes,
    *,
    image_size: int,
    pictures: UInt8[Tensor, "n 17 4 H W"] | None = None,
) -> UInt8[Tensor, "n 17 4 H W"]:
    """Render the input picture and the sixteen views of every scene, in one pass.

    Args:
        library: The objects.
        scenes: What to render.
        image_size: Side of the pictures.
        pictures: Where to write; a new tensor if left out.
    """
    flat = None if pictures is None else pictures.flatten(0, 1)
    triangles, surface = assemble(library, scenes, image_size=image_size)
    return render(triangles, surface, flat).unflatten(0, (len(scenes), PICTURES_PER_SCENE))


class SceneStream:
    """A ring of rendered scenes on the device, refilled step by step.

    Scene number s depends on (seed, rank, s) only, and slot s modulo the ring's size holds the
    newest such scene; so the number of scenes drawn is all the state there is.

    Attributes:
        pictures: (ring_size, 17, 4, H, W) uint8, the input picture and the views of each scene.
        scene_count: Number of scenes rendered so far.
    """

    def __init__(
        self,
        library: ObjectLibrary,
        object_ids: Sequence[int] | Int[np.ndarray, " M"],
        *,
        image_size: int = 256,
        ring_size: int = 3072,
        seed: int = 0,
        rank: int = 0,
        device: torch.device | str | None = None,
        generations: Generations | None = None,
    ) -> None:
        """Allocate the ring (`ring_size` x 17 x 4 x `image_size`^2 bytes); it starts empty.

        Args:
            library: The objects; moved to `device` if it is elsewhere.
            object_ids: Objects to choose from; one that stands twice is twice as likely.
            image_size: Side of the pictures.
            ring_size: Number of scenes that are kept.
            seed: Of the run.
            rank: Of the process; every rank draws scenes of its own.
            device: Where to render; the library's device if left out.
            generations: Adds procedural objects, new ones from time to time; its library and
                ids must be these.

        Raises:
            ValueError: There is no object, an id is out of range, or a size is not positive.
        """
        self.object_ids = np.asarray(object_ids, np.int64)
        if len(self.object_ids) == 0:
            raise ValueError("A stream of scenes needs at least one object.")
        if self.object_ids.min() < 0 or self.object_ids.max() >= len(library):
            raise ValueError(f"Object ids go from 0 to {len(library) - 1}.")
        if image_size < 1 or ring_size < 1:
            raise ValueError("Picture size and ring size must be positive.")
        self.device = library.device if device is None else torch.device(device)
        self.library = library.to(self.device)
        self._fixed = ScenePool(self.library, self.object_ids)
        self._generations = generations
        self.image_size, self.ring_size, self.seed, self.rank = image_size, ring_size, seed, rank
        self.scene_count = 0
        shape = (ring_size, PICTURES_PER_SCENE, 4, image_size, image_size)
        self.pictures = torch.empty(shape, dtype=torch.uint8, device=self.device)
        self._elevation_deg = torch.empty(ring_size, device=self.device)
        self._object_ids = torch.empty(ring_size, dtype=torch.int64, device=self.device)

    @property
    def filled(self) -> int:
        """Number of scenes in the ring."""
        return min(self.scene_count, self.ring_size)

    def refill(self, count: int) -> None:
        """Render the next `count` scenes over the oldest ones; does not wait for the device.

        Raises:
            ValueError: `count` is not positive.
        """
        if count < 1:
            raise ValueError("The number of new scenes must be positive.")
        per_pass = max(1, MAX_SAMPLES // (PICTURES_PER_SCENE * (2 * self.image_size) ** 2))
        end = self.scene_count + count
        while self.scene_count < end:
            slot = self.scene_count % self.ring_size
            pool, scenes_left = self._pool()
            part = min(per_pass, end - self.scene_count, self.ring_size - slot, scenes_left)
            self._render(pool, slot, part)
            self.scene_count += part

    def _pool(self) -> tuple[ScenePool, int]:
        """Return what the next scene is drawn from, and for how many scenes that holds."""
        if self._generations is None:
            return self._fixed, self.ring_size
        length = self._generations.settings.scenes
        number, within = divmod(self.scene_count, length)
        return self._generations.pool(number), length - within

    def _render(self, pool: ScenePool, slot: int, count: int) -> None:
        numbers = np.arange(self.scene_count, self.scene_count + count)
        scenes = draw_scenes(pool.library, pool.object_ids, numbers, seed=self.seed, rank=self.rank)
        place = slice(slot, slot + count)
        target = self.pictures[place]
        render_scenes(pool.library, scenes, image_size=self.image_size, pictures=target)
        elevation = torch.from_numpy(scenes.elevation_deg.astype(np.float32))
        main = torch.from_numpy(scenes.placement.object_ids[:count])
        self._elevation_deg[place].copy_(elevation, non_blocking=True)
        self._object_ids[place].copy_(main, non_blocking=True)

    def batch(self, count: int, generator: torch.Generator) -> SceneBatch:
        """Choose `count` scenes of the ring, with replacement.

        Args:
            count: Number of scenes.
            generator: Source of the choice, on any device.

        Raises:
            ValueError: The ring is empty.
        """
        if self.scene_count == 0:
            raise ValueError("The ring is empty; call refill first.")
        slots = torch.randint(
            self.filled, (count,), generator=generator, device=generator.device
        ).to(self.device, non_blocking=True)
        pictures = self.pictures[slots]
        return SceneBatch(
            reference=pictures[:, 0],
            views=pictures[:, 1:],
            elevation_deg=self._elevation_deg[slots],
            object_ids=self._object_ids[slots],
        )

    def state_dict(self) -> dict[str, int]:
        """Return all that is needed to continue exactly."""
        return {"scene_count": self.scene_count, "seed": self.seed, "rank": self.rank}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Render the ring again as it was when `state` was taken.

        Raises:
            ValueError: The state is of another seed or rank.
        """
        if (state["seed"], state["rank"]) != (self.seed, self.rank):
            raise ValueError(
                f"This state is of seed {state['seed']}, rank {state['rank']}; the stream has "
                f"seed {self.seed}, rank {self.rank}."
            )
        self.scene_count = max(0, state["scene_count"] - self.ring_size)
        missing = state["scene_count"] - self.scene_count
        if missing:
            self.refill(missing)


def plain_scenes(
    library: ObjectLibrary,
    object_ids: Int[np.ndarray, " n"],
    *,
    elevation_deg: float,
    azimuth_turn_deg: float,
) -> Scenes:
    """Return objects as they are, one a scene: longest side 1, centred, turned; studio light."""
    n = len(object_ids)
    centre, size = scaled_boxes(library, object_ids, np.ones((n, 3)))
    turn = rotation_about_z(np.full(n, azimuth_turn_deg))
    linear = turn / size.max(axis=1)[:, None, None]
    shift = -np.einsum("nij,nj->ni", linear, centre)
    return Scenes(
        Placement(object_ids, np.arange(n), linear, shift),
        plain_paint(library, object_ids),
        studio_lights(n),
        np.full(n, elevation_deg),
    )


def render_views(
    library: ObjectLibrary,
    object_id: int,
    *,
    image_size: int = 256,
    elevation_deg: float = STANDARD_ELEVATION_DEG,
    azimuth_turn_deg: float = 0.0,
) -> tuple[UInt8[Tensor, "4 H W"], UInt8[Tensor, "16 4 H W"]]:
    """Render one object without augmentation, in soft studio light.

    Args:
        library: The objects.
        object_id: Which one.
        image_size: Side of the pictures.
        elevation_deg: Elevation of the input camera, at azimuth 0.
        azimuth_turn_deg: Turn of the object about +z, counter-clockwise seen from above.

    Returns:
        Input picture and sixteen views: sRGB on white and coverage, 0 to 255.

    Raises:
        ValueError: The object is not in the library.
    """
    if not 0 <= object_id < len(library):
        raise ValueError(f"Object ids go from 0 to {len(library) - 1}.")
    scenes = plain_scenes(
        library,
        np.array([object_id]),
        elevation_deg=elevation_deg,
        azimuth_turn_deg=azimuth_turn_deg,
    )
    pictures = render_scenes(library, scenes, image_size=image_size)[0]
    return pictures[0], pictures[1:]
