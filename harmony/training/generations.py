"""Objects without end: the pool that scenes draw from, renewed generation by generation.

A generation joins the library with procedural objects of its own; the next one is made by worker
processes while training goes on. Generation g depends on (seed, rank, g) only, and scene number s
belongs to generation s // scenes, so a resumed run meets the objects of an unbroken one.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Sequence
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from jaxtyping import Int

from harmony.training.meshes import ObjectMesh
from harmony.training.objects import ObjectLibrary, build_library, join
from harmony.training.occlusion import with_visibility
from harmony.training.procedural import CHUNK, make_object

DRAWS = 1 << 16


@dataclass(frozen=True)
class ProceduralSettings:
    """How many procedural objects take part.

    Attributes:
        count: Objects of a generation.
        share: Of the scenes' objects that are procedural, in (0, 1].
        scenes: Scenes of one process before the next generation takes over.
        seed: Of the run.
        rank: Of the process; every rank makes objects of its own.
        workers: Processes that make them.
        occlusion: Whether they get ambient occlusion.
    """

    count: int
    share: float = 0.3
    scenes: int = 24_576
    seed: int = 0
    rank: int = 0
    workers: int = 8
    occlusion: bool = True

    def __post_init__(self) -> None:
        """Refuse what cannot be drawn.

        Raises:
            ValueError: A number is not positive, or the share not in (0, 1].
        """
        if min(self.count, self.scenes, self.workers) < 1:
            raise ValueError("Procedural objects, scenes and workers must be positive numbers.")
        if not 0 < self.share <= 1:
            raise ValueError("The share of procedural objects must be above 0 and at most 1.")


@dataclass(frozen=True)
class ScenePool:
    """What scenes are drawn from.

    Attributes:
        library: All objects of one generation.
        object_ids: Objects to choose from; one that stands twice is twice as likely.
    """

    library: ObjectLibrary
    object_ids: Int[np.ndarray, " M"]


def mixed_ids(
    object_ids: Int[np.ndarray, " M"], first: int, count: int, share: float
) -> Int[np.ndarray, " D"]:
    """Return ids of which `share` are the objects `first` to `first + count` - 1.

    Args:
        object_ids: The others.
        first: Id of the first procedural object.
        count: Number of procedural objects.
        share: Of them, in (0, 1].
    """
    # Large enough that the share is exact to about 1e-5 and every object stands in it.
    total = max(DRAWS, 4 * (len(object_ids) + count))
    procedural = round(share * total)
    others = np.resize(object_ids, total - procedural)
    return np.concatenate([others, np.resize(first + np.arange(count), procedural)])


def _make_numbered(seed: Sequence[int], number: int) -> ObjectMesh:
    return make_object(np.random.default_rng([*seed, number]))


class Generations:
    """Makes the scene pools of a run; a context manager that ends its workers.

    Attributes:
        settings: Numbers, seed and rank.
    """

    def __init__(
        self, library: ObjectLibrary, object_ids: Sequence[int], settings: ProceduralSettings
    ) -> None:
        """Start the workers; nothing is made yet.

        Args:
            library: The objects that stay, on the device where scenes are rendered.
            object_ids: Those of them that take part.
            settings: Numbers, seed and rank.
        """
        self.settings = settings
        self._library, self._object_ids = library, np.asarray(object_ids, np.int64)
        context = multiprocessing.get_context("spawn")
        self._pool = ProcessPoolExecutor(settings.workers, mp_context=context)
        self._thread = ThreadPoolExecutor(1)
        self._made: dict[int, Future[ObjectLibrary]] = {}
        self._current: tuple[int, ScenePool] | None = None

    def __enter__(self) -> Generations:
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    def close(self) -> None:
        """End the workers; what they have not begun is dropped."""
        for future in self._made.values():
            future.cancel()
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._thread.shutdown(wait=True, cancel_futures=True)

    def pool(self, number: int) -> ScenePool:
        """Return generation `number`, waiting for its workers, and start on the next one."""
        if self._current is None or self._current[0] != number:
            made = self._start(number).result()
            self._made = {k: future for k, future in self._made.items() if k > number}
            self._current = (number, self._join(made))
            self._start(number + 1)
        return self._current[1]

    def _start(self, number: int) -> Future[ObjectLibrary]:
        if number not in self._made:
            self._made[number] = self._thread.submit(self._make, number)
        return self._made[number]

    def _make(self, number: int) -> ObjectLibrary:
        seed = (self.settings.seed, self.settings.rank, number)
        numbers = range(self.settings.count)
        meshes = self._pool.map(partial(_make_numbered, seed), numbers, chunksize=CHUNK)
        return build_library(meshes)

    def _join(self, made: ObjectLibrary) -> ScenePool:
        made = made.to(self._library.device)
        if self.settings.occlusion:
            made = with_visibility(made)
        ids = mixed_ids(
            self._object_ids, len(self._library), self.settings.count, self.settings.share
        )
        return ScenePool(join([self._library, made]), ids)
