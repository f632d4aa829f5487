"""Objects without end, put together at random: `make_object` and whole libraries of them."""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from harmony.training.composer import Composer, random_deformation
from harmony.training.meshes import ObjectMesh
from harmony.training.templates import TEMPLATES

if TYPE_CHECKING:
    from harmony.training.objects import ObjectLibrary

CHUNK = 16


def make_object(rng: np.random.Generator) -> ObjectMesh:
    """Make one random object; equal generators give equal objects."""
    composer = Composer(rng)
    shares = [share for _, share in TEMPLATES]
    template = TEMPLATES[rng.choice(len(TEMPLATES), p=shares)][0]
    template(composer)
    return composer.mesh(random_deformation(rng))


def _make_numbered(seed: int, number: int) -> ObjectMesh:
    return make_object(np.random.default_rng([seed, number]))


def make_objects(count: int, seed: int, workers: int = 1) -> list[ObjectMesh]:
    """Make objects number 0 to `count` - 1 of a seed.

    Args:
        count: How many.
        seed: Object k depends on (seed, k) only.
        workers: Processes that share the work; 1 works in this process.

    Raises:
        ValueError: `count` or `workers` is not positive.
    """
    if count < 1 or workers < 1:
        raise ValueError("The number of objects and of worker processes must be positive.")
    make = partial(_make_numbered, seed)
    if workers == 1:
        return [make(k) for k in range(count)]
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context) as pool:
        return list(pool.map(make, range(count), chunksize=CHUNK))


def procedural_library(count: int, seed: int = 0, workers: int = 1) -> ObjectLibrary:
    """Return a library of `count` procedural objects on the CPU; see `make_objects`."""
    from harmony.training.objects import build_library

    return build_library(make_objects(count, seed, workers))
