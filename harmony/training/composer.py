"""Putting parts and prints together into one object."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from jaxtyping import Float

from harmony.training.meshes import ObjectMesh
from harmony.training.patterns import random_color
from harmony.training.primitives import (
    Part,
    box,
    capsule,
    cylinder,
    extrusion,
    height_field,
    lathe,
    merge,
    smooth_path,
    superquadric,
    torus,
    tube,
)
from harmony.training.prints import Picture, draw_print

PROCEDURAL_CATEGORY = "random shape"
PRINTED_SHARE = 0.4
DEFORMED_SHARE = 0.5
FOUR_CORNERS = ((-1, -1), (-1, 1), (1, -1), (1, 1))

Deformation = Callable[[Float[np.ndarray, "V 3"]], Float[np.ndarray, "V 3"]]


class Composer:
    """An object in the making: parts, each on one layer of colour or print."""

    def __init__(self, rng: np.random.Generator) -> None:
        """Start with nothing; all random choices come from `rng`."""
        self.rng = rng
        self._parts: list[tuple[Part, int]] = []
        self._colors: list[Float[np.ndarray, "3"]] = []
        self._prints: list[Picture | None] = []
        self._repeats: list[tuple[float, float]] = []

    def chance(self, probability: float) -> bool:
        """Return true with `probability`."""
        return bool(self.rng.random() < probability)

    def between(self, low: float, high: float) -> float:
        """Return a number in [low, high)."""
        return float(self.rng.uniform(low, high))

    def layer(self, kind: str | None = None, *, printed: float = PRINTED_SHARE) -> int:
        """Begin a new layer: a print of `kind`, or else a print with chance `printed`, or a colour."""
        has_print = kind is not None or self.chance(printed)
        self._prints.append(draw_print(self.rng, kind) if has_print else None)
        self._colors.append(random_color(self.rng))
        many = kind is None and self.chance(0.4)
        self._repeats.append((self.between(1, 4), self.between(1, 4)) if many else (1.0, 1.0))
        return len(self._colors) - 1

    def add(self, part: Part, layer: int) -> None:
        """Add a part."""
        self._parts.append((part, layer))

    def add_pair(self, part: Part, layer: int, axis: int = 0) -> None:
        """Add a part and its mirror image across `axis`."""
        self.add(part, layer)
        self.add(part.mirrored(axis), layer)

    def add_at_corners(self, part: Part, layer: int, x: float, y: float) -> None:
        """Add a part at (+-x, +-y)."""
        for sx, sy in FOUR_CORNERS:
            self.add(part.moved(sx * x, sy * y), layer)

    def turn(self, rotation: Float[np.ndarray, "3 3"]) -> None:
        """Rotate everything added so far about the origin."""
        self._parts = [(part.turned(rotation), layer) for part, layer in self._parts]

    def mesh(self, deform: Deformation | None = None, name: str = "composed object") -> ObjectMesh:
        """Return the finished object: box centred, longest side 1."""
        whole = merge([part for part, _ in self._parts])
        repeats = np.array([self._repeats[layer] for _, layer in self._parts])
        vertices = [len(part.positions) for part, _ in self._parts]
        positions = whole.positions if deform is None else deform(whole.positions)
        low, high = positions.min(0), positions.max(0)
        prints = [picture for picture in self._prints if picture is not None]
        numbers = np.cumsum([p is not None for p in self._prints]) - 1
        has_print = np.array([p is not None for p in self._prints])
        layers = [np.full(len(part.faces), layer) for part, layer in self._parts]
        return ObjectMesh(
            name=name,
            category=PROCEDURAL_CATEGORY,
            positions=((positions - (low + high) / 2) / (high - low).max()).astype(np.float32),
            faces=whole.faces,
            face_layer=np.concatenate(layers).astype(np.int32),
            uvs=(whole.uvs * np.repeat(repeats, vertices, axis=0)).astype(np.float32),
            layer_color=np.round(np.stack(self._colors) * 255).astype(np.uint8),
            layer_texture=np.where(has_print, numbers, -1),
            textures=tuple(prints),
            smooth=bool(self.rng.random() < 0.9),  # noqa: PLR2004
        )


def random_outline(rng: np.random.Generator) -> Float[np.ndarray, "N 2"]:
    """Return a closed outline in [-1, 1]^2 that is seen whole from the origin.

    Polygons, stars, gears, flowers and blobs, as a radius that depends on the angle.
    """
    kind, count = rng.integers(4), 96
    angle = np.arange(count) * 2 * np.pi / count
    lobes = int(rng.integers(3, 11))
    if kind == 0:
        corners = int(rng.integers(3, 9))
        angle = np.arange(corners) * 2 * np.pi / corners + rng.uniform(0, 2 * np.pi)
        radius = np.ones(corners)
    elif kind == 1:
        angle = np.arange(2 * lobes) * np.pi / lobes
        radius = np.where(np.arange(2 * lobes) % 2, rng.uniform(0.3, 0.85), 1.0)
    elif kind == 2:  # noqa: PLR2004
        wave = np.clip(rng.uniform(1, 6) * np.cos(lobes * angle), -1, 1)
        radius = 1 + rng.uniform(0.05, 0.3) * wave
    else:
        orders = np.arange(1, 6)
        size = rng.normal(0, 0.35, 5) / orders
        phase = rng.uniform(0, 2 * np.pi, 5)
        radius = np.exp((size * np.cos(angle[:, None] * orders + phase)).sum(1))
    outline = radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], -1)
    return outline / np.abs(outline).max()


def random_profile(rng: np.random.Generator) -> Float[np.ndarray, "R 2"]:
    """Return a (radius, z) profile in [0, 1] x [-1, 1] for a lathe, closed at both ends.

    Smooth, in steps, or both; some are hollow cups.
    """
    points = int(rng.integers(3, 8))
    z = np.sort(np.concatenate([[-1, 1], rng.uniform(-1, 1, points - 2)]))
    radius = rng.uniform(0.15, 1, points) ** rng.uniform(0.6, 1.2)
    profile = np.stack([radius / radius.max(), z], -1)
    if rng.random() < 0.65:  # noqa: PLR2004
        profile = smooth_path(profile, 28)
        profile[:, 0] = np.clip(profile[:, 0], 0.04, None)
    bottom, top = profile[:1] * [0, 1], profile[-1:] * [0, 1]
    if rng.random() < 0.35:  # noqa: PLR2004
        wall, floor = rng.uniform(0.75, 0.95), rng.uniform(-0.9, 0.3)
        inside = profile[profile[:, 1] > floor][::-1] * [wall, 1]
        top = np.array([[0, floor]])
        profile = np.concatenate([profile, inside])
    return np.concatenate([bottom, profile, top])


def random_relief(rng: np.random.Generator, size: int = 28) -> Float[np.ndarray, "n n"]:
    """Return heights in about [-1, 1]: waves, hills or terraces."""
    axis = np.linspace(-1, 1, size)
    x, y = np.meshgrid(axis, axis)
    heights = np.zeros((size, size))
    for _ in range(rng.integers(1, 6)):
        cx, cy, width = *rng.uniform(-0.8, 0.8, 2), rng.uniform(0.15, 0.7)
        heights += rng.uniform(-0.6, 1) * np.exp(-((x - cx) ** 2 + (y - cy) ** 2) / width**2)
    if rng.random() < 0.3:  # noqa: PLR2004
        heights += 0.3 * np.sin(rng.uniform(2, 9) * x + rng.uniform(-6, 6) * y)
    if rng.random() < 0.3:  # noqa: PLR2004
        heights = np.round(heights * 3) / 3
    return np.clip(heights, -0.9, 1.5)


def random_part(rng: np.random.Generator) -> Part:
    """Return one random primitive of about [-1, 1]^3."""
    kinds: tuple[Callable[[], Part], ...] = (
        box,
        lambda: superquadric(*rng.uniform(0.15, 1.8, 2)),
        lambda: superquadric(0.2, 0.2),
        lambda: cylinder(rng.choice([1.0, 0.0, rng.uniform(0.2, 1)]), int(rng.choice([4, 6, 32]))),
        lambda: torus(rng.uniform(0.1, 0.5)),
        lambda: capsule(rng.uniform(0.2, 2)),
        lambda: lathe(random_profile(rng)),
        lambda: extrusion(random_outline(rng), rng.uniform(0, 0.3)).scaled(1, 1, 0.4),
        lambda: height_field(random_relief(rng)),
        lambda: random_tube(rng),
    )
    return kinds[rng.integers(len(kinds))]()


def random_tube(rng: np.random.Generator) -> Part:
    """Return a bent tube through a few random points."""
    path = smooth_path(rng.uniform(-1, 1, (rng.integers(3, 6), 3)))
    radius = rng.uniform(0.04, 0.25) * np.linspace(1, rng.uniform(0.3, 1.2), len(path))
    return tube(path, radius)


def random_deformation(rng: np.random.Generator) -> Deformation | None:
    """Return a gentle taper, twist, bend or wave of a whole object, or (mostly) none."""
    if rng.random() < 0.65:  # noqa: PLR2004
        return None
    taper, twist, lean, wave = rng.uniform(-1, 1, 4) * (rng.random(4) < DEFORMED_SHARE)
    phase = rng.uniform(0, 2 * np.pi)

    def deform(positions: Float[np.ndarray, "V 3"]) -> Float[np.ndarray, "V 3"]:
        low, high = positions.min(0), positions.max(0)
        z = (positions[:, 2] - low[2]) / (high[2] - low[2]) - 0.5
        scale = 1 + 0.6 * taper * z
        angle = 0.8 * twist * z
        x, y = positions[:, 0] * scale, positions[:, 1] * scale
        reach = (high - low).max()
        bent_x = np.cos(angle) * x - np.sin(angle) * y + 0.4 * lean * reach * z**2
        bent_y = np.sin(angle) * x + np.cos(angle) * y + 0.06 * wave * reach * np.sin(7 * z + phase)
        return np.stack([bent_x, bent_y, positions[:, 2]], -1)

    return deform
