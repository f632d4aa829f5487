"""Tiling pictures to paint objects that came without colours."""

from __future__ import annotations

import colorsys
from collections.abc import Callable

import numpy as np
from jaxtyping import Float, UInt8

SIZE = 128
MORTAR = (0.08, 0.14)  # share of a brick's length and height
COUNT = 120

Field = Float[np.ndarray, "s s"]


def unit_grid(size: int) -> tuple[Field, Field]:
    """Return x and y of pixel centres in (0, 1)."""
    axis = (np.arange(size) + 0.5) / size
    x, y = np.meshgrid(axis, axis)
    return x, y


def cloud(rng: np.random.Generator, size: int, slope: float) -> Field:
    """Return periodic noise in [0, 1] whose spectrum falls with frequency^-slope."""
    frequency = np.hypot(*np.meshgrid(np.fft.fftfreq(size), np.fft.fftfreq(size))) * size
    amplitude = np.where(frequency > 0, np.maximum(frequency, 1) ** -slope, 0)
    noise = np.fft.ifft2(np.fft.fft2(rng.standard_normal((size, size))) * amplitude).real
    low, high = np.quantile(noise, [0.02, 0.98])
    return np.clip((noise - low) / (high - low), 0, 1)


def _stripes(rng: np.random.Generator, size: int) -> Field:
    x, y = unit_grid(size)
    across, along = rng.integers(1, 7), rng.integers(-4, 5) * rng.integers(0, 2)
    wave = rng.uniform(0, 0.15) * np.sin(2 * np.pi * y * rng.integers(1, 4))
    phase = (across * x + along * y + wave) % 1
    return (phase < rng.uniform(0.2, 0.8)).astype(float)


def _checks(rng: np.random.Generator, size: int) -> Field:
    x, y = unit_grid(size)
    n = 2 * rng.integers(1, 5)
    return ((np.floor(x * n) + np.floor(y * n)) % 2).astype(float)


def _plaid(rng: np.random.Generator, size: int) -> Field:
    bands = rng.integers(2, 6)
    profile = np.kron(rng.random(bands * 2), np.ones(size // (bands * 2) + 1))[:size]
    return (profile[:, None] + np.roll(profile, rng.integers(size))[None, :]) / 2


def _dots(rng: np.random.Generator, size: int) -> Field:
    x, y = unit_grid(size)
    n = rng.integers(2, 7)
    shift = 0.5 * (np.floor(y * n) % 2) * (n % 2 == 0)
    distance = np.hypot((x * n + shift) % 1 - 0.5, (y * n) % 1 - 0.5)
    return np.clip((rng.uniform(0.2, 0.45) - distance) * 20 + 0.5, 0, 1)


def _cells(rng: np.random.Generator, size: int) -> Field:
    seeds = rng.random((rng.integers(6, 40), 2))
    dx = np.abs((np.arange(size) + 0.5)[:, None] / size - seeds[:, 0])
    dy = np.abs((np.arange(size) + 0.5)[:, None] / size - seeds[:, 1])
    dx, dy = np.minimum(dx, 1 - dx), np.minimum(dy, 1 - dy)
    squared = dx[None, :, :] ** 2 + dy[:, None, :] ** 2
    nearest = np.sqrt(np.partition(squared, 1, axis=-1)[..., :2])
    gap = nearest[..., 1] - nearest[..., 0]
    return np.clip(gap * rng.uniform(6, 40), 0, 1)


def _bricks(rng: np.random.Generator, size: int) -> Field:
    x, y = unit_grid(size)
    rows = 2 * rng.integers(2, 6)
    shift = 0.5 * (np.floor(y * rows) % 2)
    inside = ((x * rows / 2 + shift) % 1 > MORTAR[0]) & ((y * rows) % 1 > MORTAR[1])
    return inside * (0.7 + 0.3 * cloud(rng, size, 1.0))


def _grain(rng: np.random.Generator, size: int) -> Field:
    x, _ = unit_grid(size)
    bend = cloud(rng, size, 2.2)
    return 0.5 + 0.5 * np.sin(2 * np.pi * (rng.integers(2, 9) * x + rng.uniform(1, 4) * bend))


def _blots(rng: np.random.Generator, size: int) -> Field:
    clouds = cloud(rng, size, rng.uniform(1.2, 2.2))
    return np.clip((clouds - rng.uniform(0.35, 0.65)) * rng.uniform(4, 40) + 0.5, 0, 1)


def _noise(rng: np.random.Generator, size: int) -> Field:
    return cloud(rng, size, rng.uniform(0.5, 2.0))


KINDS: tuple[Callable[[np.random.Generator, int], Field], ...] = (
    _stripes,
    _checks,
    _plaid,
    _dots,
    _cells,
    _bricks,
    _grain,
    _blots,
    _noise,
)


def random_color(rng: np.random.Generator) -> Float[np.ndarray, "3"]:
    """Return a random sRGB colour in [0, 1]; about a third are near grey."""
    saturation = rng.uniform(0.3, 0.95) if rng.random() < 0.7 else rng.uniform(0, 0.12)  # noqa: PLR2004
    return np.array(colorsys.hsv_to_rgb(rng.random(), saturation, rng.uniform(0.25, 1.0)))


def make_pattern(rng: np.random.Generator, size: int = SIZE) -> UInt8[np.ndarray, "s s 4"]:
    """Draw one opaque RGBA picture that tiles in both directions."""
    kinds = rng.integers(len(KINDS), size=2)
    first, second = (KINDS[k](rng, size)[..., None] for k in kinds)
    a, b, c = (random_color(rng) for _ in range(3))
    color = a + first * (b - a)
    if rng.random() < 0.4:  # noqa: PLR2004
        color = color + second * (c - color) * rng.uniform(0.3, 1.0)
    color = color * (1 - rng.uniform(0, 0.25) * cloud(rng, size, 1.0)[..., None])
    picture = np.full((size, size, 4), 255, np.uint8)
    picture[..., :3] = np.round(color * 255)
    return picture


def make_patterns(count: int = COUNT, seed: int = 0) -> list[UInt8[np.ndarray, "s s 4"]]:
    """Draw `count` patterns; equal seeds give equal pictures."""
    rng = np.random.default_rng(seed)
    return [make_pattern(rng) for _ in range(count)]
