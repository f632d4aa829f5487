"""Kinds of things from which procedural objects are drawn.

Every template follows a kind of real thing (vessels, furniture, packages, vehicles, creatures,
buildings, wire frames) or piles primitives up freely. The front is -y, up is z.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from harmony.training.composer import Composer, random_outline, random_part, random_profile
from harmony.training.primitives import (
    Part,
    box,
    capsule,
    cylinder,
    extrusion,
    lathe,
    random_rotation,
    rotation,
    smooth_path,
    superquadric,
    torus,
    tube,
)


def _bar(start: tuple[float, float, float], end: tuple[float, float, float], radius: float) -> Part:
    return tube(np.linspace(start, end, 3), np.full(3, radius), segments=10)


def _handle(c: Composer, reach: float, height: float, z: float) -> Part:
    """Return a bow in the xz plane that starts and ends at x = 0."""
    out = c.between(0.6, 1.2) * reach
    points = np.array([[0, 0, z + height], [out, 0, z + 0.8 * height], [out, 0, z - 0.8 * height]])
    path = smooth_path(np.concatenate([points, [[0, 0, z - height]]]), 18)
    return tube(path, np.full(18, c.between(0.05, 0.14)))


def heap(c: Composer) -> None:
    """Pile up two to seven overlapping primitives, some of them mirrored."""
    for _ in range(c.rng.integers(2, 8)):
        size = c.between(0.2, 1.0)
        part = random_part(c.rng).scaled(*(size * c.rng.uniform(0.4, 1.2, 3)))
        turn = (
            random_rotation(c.rng) if c.chance(0.5) else rotation(2, 90.0 * int(c.rng.integers(4)))
        )
        part = part.turned(turn).moved(*(c.rng.uniform(-0.6, 0.6, 3)))
        layer = c.layer()
        if c.chance(0.4):
            c.add_pair(part, layer)
        else:
            c.add(part, layer)


def vessel(c: Composer) -> None:
    """Turn a bottle, vase, cup, lamp or pot, with handles, spout, lid and label."""
    profile = random_profile(c.rng)
    slim = c.between(0.3, 1.1)
    body = lathe(profile * [slim, 1])
    c.add(body, c.layer(printed=0.7))
    middle = slim * float(np.interp(0, profile[:, 1], profile[:, 0]))
    if c.chance(0.45):
        bow = _handle(c, 0.7, c.between(0.25, 0.6), c.between(-0.3, 0.3)).moved(0.85 * middle)
        layer = c.layer(printed=0.1)
        c.add(bow, layer)
        if c.chance(0.3):
            c.add(bow.mirrored(0), layer)
    if c.chance(0.25):
        points = np.array([[0.5, 0, -0.4], [1.3, 0, -0.1], [1.5, 0, 0.5], [1.9, 0, 0.8]])
        points = points * [max(middle, 0.3), 1, 1]
        path = smooth_path(points, 16)
        c.add(tube(path, np.linspace(0.2, 0.08, 16)).mirrored(0), c.layer(printed=0.1))
    if c.chance(0.4):
        lid = lathe(random_profile(c.rng)).scaled(*[0.6 * slim] * 2, c.between(0.08, 0.3))
        c.add(lid.moved(z=1.05), c.layer())
    if c.chance(0.3):
        ring = torus(c.between(0.05, 0.2)).scaled(slim)
        c.add(ring.moved(z=c.between(-0.9, 0.9)), c.layer(printed=0.1))


def furniture(c: Composer) -> None:
    """Build a table, chair, bench, bed or shelf: a plate on legs with back, arms and cushions."""
    x, y, thick = c.between(0.4, 1.2), c.between(0.4, 0.9), c.between(0.03, 0.2)
    wood, cloth = c.layer(printed=0.5), c.layer(printed=0.5)
    height, r = c.between(0.15, 1.2), c.between(0.03, 0.1)
    c.add(box().scaled(x, y, thick), wood)
    leg = box() if c.chance(0.5) else cylinder(c.between(0.8, 1.6))
    if c.chance(0.8):
        c.add_at_corners(
            leg.scaled(r, r, height / 2).moved(z=-height / 2), wood, x - 1.5 * r, y - 1.5 * r
        )
    else:
        c.add(leg.scaled(1.5 * r, 1.5 * r, height / 2).moved(z=-height / 2), wood)
        c.add(cylinder().scaled(0.6 * x, 0.6 * y, 0.04).moved(z=-height), wood)
    if c.chance(0.6):
        back = c.between(0.3, 1.2)
        shape = box() if c.chance(0.5) else superquadric(0.3, 0.3)
        c.add(shape.scaled(x, thick + 0.05, back / 2).moved(y=y, z=back / 2), cloth)
    if c.chance(0.35):
        arm = box().scaled(c.between(0.05, 0.18), y, c.between(0.1, 0.35))
        c.add_pair(arm.moved(x, 0, c.between(0.1, 0.4)), wood)
    if c.chance(0.5):
        puff = superquadric(0.4, 0.3).scaled(0.9 * x, 0.85 * y, c.between(0.05, 0.2))
        c.add(puff.moved(z=thick + 0.05), cloth)
    if c.chance(0.3):
        for k in range(c.rng.integers(1, 4)):
            c.add(box().scaled(0.95 * x, 0.95 * y, 0.03).moved(z=-height * (k + 1) / 4), wood)


def package(c: Composer) -> None:
    """Print a carton, tin, book or bag; some come as a small stack."""
    for k in range(1 if c.chance(0.7) else c.rng.integers(2, 4)):
        size = c.rng.uniform(0.25, 1.0, 3)
        shape = c.rng.integers(3)
        part = (box(), superquadric(0.15, 0.15), cylinder())[shape].scaled(*size)
        turn = rotation(2, c.between(-25, 25) if k else 0)
        c.add(part.turned(turn).moved(z=1.4 * k * size[2]), c.layer("label"))
        if shape == 0 and c.chance(0.4):
            lid = box().scaled(*(size * [1.03, 1.03, 0.1])).moved(z=(1.4 * k + 1) * size[2])
            c.add(lid.turned(turn), c.layer())


def vehicle(c: Composer) -> None:
    """Build a car, bus, train or cart along x: body, cabin, wheels, lamps."""
    length, width, height = c.between(0.8, 1.4), c.between(0.35, 0.6), c.between(0.15, 0.5)
    paint = c.layer(printed=0.4)
    e = c.between(0.15, 0.6)
    body = superquadric(e, e) if c.chance(0.7) else box()
    c.add(body.scaled(length, width, height), paint)
    if c.chance(0.8):
        cabin = superquadric(0.3, 0.3) if c.chance(0.5) else box()
        share = c.between(0.3, 0.9)
        top = cabin.scaled(share * length, 0.9 * width, c.between(0.15, 0.45))
        c.add(top.moved(c.between(-0.3, 0.3) * length, 0, height), c.layer("windows"))
    r, count = c.between(0.15, 0.35), int(c.rng.integers(2, 4))
    wheel = cylinder().scaled(r, r, 0.09).turned(rotation(0, 90))
    hub = cylinder(0.7).scaled(0.5 * r, 0.5 * r, 0.11).turned(rotation(0, 90))
    tyre, metal = c.layer(printed=0.05), c.layer(printed=0.05)
    for x in np.linspace(-0.7, 0.7, count) * length:
        c.add_pair(wheel.moved(x, width, -height), tyre, axis=1)
        c.add_pair(hub.moved(x, width, -height), metal, axis=1)
    if c.chance(0.6):
        lamp = superquadric(1, 1, 8).scaled(0.07).moved(length, 0.6 * width)
        c.add_pair(lamp, metal, axis=1)


def creature(c: Composer) -> None:
    """Build an animal, doll or robot that faces -y: body, head, eyes, ears, limbs, tail."""
    skin, other = c.layer(printed=0.35), c.layer(printed=0.2)
    upright = c.chance(0.5)
    size = c.rng.uniform(0.3, 0.7, 3) * ([1, 0.8, 1.3] if upright else [0.8, 1.5, 0.8])
    e = c.between(0.3, 1.1)
    c.add(superquadric(e, e).scaled(*size), skin)
    r = c.between(0.25, 0.5)
    place = np.array([0, -0.3 * size[1], size[2] + 0.7 * r])
    if not upright:
        place = np.array([0, -size[1] - 0.3 * r, size[2] + c.between(-0.1, 0.6) * r])
    c.add(superquadric(*c.rng.uniform(0.5, 1.2, 2)).scaled(r).moved(*place), skin)
    white, black = c.layer(printed=0), c.layer(printed=0)
    eye = superquadric(1, 1, 8).scaled(0.22 * r).moved(0.4 * r, -0.82 * r, 0.25 * r)
    c.add_pair(eye.moved(*place), white)
    c.add_pair(eye.scaled(0.55).moved(0.18 * r, -0.5 * r, 0.11 * r).moved(*place), black)
    ear = (cylinder(0.0), superquadric(1, 1, 8), capsule(1.5))[c.rng.integers(3)]
    ear = ear.scaled(*(r * c.rng.uniform(0.1, 0.35, 3))).turned(rotation(1, c.between(0, 50)))
    c.add_pair(ear.moved(0.6 * r, 0, 0.9 * r).moved(*place), other)
    leg, thick = c.between(0.25, 0.8), c.between(0.06, 0.2)
    limb = capsule(2).scaled(thick, thick, leg / 3).moved(z=-size[2] - leg / 3)
    if upright:
        c.add_pair(limb.moved(0.5 * size[0]), other)
        arm = limb.moved(z=size[2]).turned(rotation(1, c.between(-140, -20)))
        c.add_pair(arm.moved(0.8 * size[0], 0, 0.6 * size[2]), skin)
    else:
        c.add_at_corners(limb, other, 0.6 * size[0], 0.65 * size[1])
    if c.chance(0.6):
        tail = np.array(
            [[0, 0, 0], [0, 0.4, 0.1], [c.between(-0.3, 0.3), 0.7, c.between(-0.2, 0.7)]]
        )
        path = smooth_path(tail, 14)
        c.add(tube(path, np.linspace(0.12, 0.04, 14)).moved(y=0.9 * size[1]), other)


def plates(c: Composer) -> None:
    """Stack or stand extruded outlines: gears, stars, signs, clocks, cookies."""
    z = 0.0
    for k in range(c.rng.integers(1, 5)):
        thick = c.between(0.05, 0.35)
        part = extrusion(random_outline(c.rng), c.between(0, 0.2))
        size = c.between(0.4, 1.0)
        kind = str(c.rng.choice(["dial", "face", "label", "collage"])) if k == 0 else None
        c.add(part.scaled(size, size, thick).moved(z=z + thick), c.layer(kind))
        z += 2 * thick
    if c.chance(0.6):
        c.turn(rotation(0, 90))  # stand it up, its upper face towards -y


def building(c: Composer) -> None:
    """Build a house, tower or church: walls with windows, roof, chimney, annexes."""
    roof = c.layer(printed=0.6)
    for k in range(c.rng.integers(1, 4)):
        x, y, z = c.between(0.3, 0.9), c.between(0.3, 0.9), c.between(0.3, 1.2)
        px, py = c.rng.uniform(-0.7, 0.7, 2) if k else (0.0, 0.0)
        c.add(box().scaled(x, y, z).moved(px, py, z), c.layer("windows"))
        h = c.between(0.1, 0.8)
        kind = c.rng.integers(3)
        if kind == 0:
            hat = cylinder(0.0, 4).turned(rotation(2, 45)).scaled(1.45 * x, 1.45 * y, h)
        elif kind == 1:
            gable = np.array([[-1.1, -0.5], [1.1, -0.5], [0, 1]])
            hat = extrusion(gable).turned(rotation(0, 90)).scaled(x, 1.05 * y, h)
        else:
            hat = box().scaled(1.1 * x, 1.1 * y, 0.08)
        c.add(hat.moved(px, py, 2 * z + 0.5 * h * (kind != 2)), roof)  # noqa: PLR2004
    if c.chance(0.4):
        c.add(box().scaled(0.08, 0.08, 0.4).moved(0.25, 0.1, 2), c.layer())


def frame(c: Composer) -> None:
    """Bend thin bars and tubes: racks, baskets, lamps, stands, fences."""
    r, metal = c.between(0.02, 0.07), c.layer(printed=0.15)
    x, y, z = c.between(0.4, 1), c.between(0.3, 0.8), c.between(0.4, 1.2)
    c.add_at_corners(_bar((0, 0, -z), (0, 0, z), r), metal, x, y)
    for level in np.linspace(-z, z, c.rng.integers(2, 5)):
        for sign in (-1, 1):
            c.add(_bar((-x, sign * y, level), (x, sign * y, level), r), metal)
            c.add(_bar((sign * x, -y, level), (sign * x, y, level), r), metal)
        if c.chance(0.4):
            c.add(box().scaled(x, y, 0.02).moved(z=level), c.layer())
    for u in np.linspace(-0.9, 0.9, c.rng.integers(2, 9)) * x:
        if c.chance(0.7):
            c.add(_bar((u, y, -z), (u, y, z), 0.7 * r), metal)
    if c.chance(0.5):
        c.add(random_part(c.rng).scaled(0.7 * x, 0.7 * y, 0.5 * z), c.layer())


TEMPLATES: tuple[tuple[Callable[[Composer], None], float], ...] = (
    (heap, 0.2),
    (vessel, 0.16),
    (furniture, 0.12),
    (package, 0.12),
    (vehicle, 0.09),
    (creature, 0.13),
    (plates, 0.08),
    (building, 0.05),
    (frame, 0.05),
)
