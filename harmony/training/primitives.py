"""Parts from which procedural objects are put together: surfaces with texture coordinates.

Most are grids of points bent into shape; their first and last columns coincide where they close,
so that a print runs once around.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Int

SEGMENTS = 32
BOX_SIDES = (
    # origin, direction of u, direction of v; sides stand upright, front first
    ((0, 0, 0), (1, 0, 0), (0, 0, 1)),
    ((1, 1, 0), (-1, 0, 0), (0, 0, 1)),
    ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    ((0, 1, 0), (0, -1, 0), (0, 0, 1)),
    ((0, 0, 1), (1, 0, 0), (0, 1, 0)),
    ((0, 1, 0), (1, 0, 0), (0, -1, 0)),
)


@dataclass(frozen=True)
class Part:
    """A piece of surface.

    Attributes:
        positions: (V, 3).
        faces: (F, 3) rows of `positions`.
        uvs: (V, 2).
    """

    positions: Float[np.ndarray, "V 3"]
    faces: Int[np.ndarray, "F 3"]
    uvs: Float[np.ndarray, "V 2"]

    def scaled(self, *factors: float) -> Part:
        """Return the part scaled on each axis (three factors) or on all (one)."""
        return replace(self, positions=self.positions * np.array(factors))

    def moved(self, x: float = 0.0, y: float = 0.0, z: float = 0.0) -> Part:
        """Return the part moved."""
        return replace(self, positions=self.positions + np.array([x, y, z]))

    def turned(self, rotation: Float[np.ndarray, "3 3"]) -> Part:
        """Return the part rotated about the origin."""
        return replace(self, positions=self.positions @ rotation.T)

    def mirrored(self, axis: int) -> Part:
        """Return the part mirrored at the plane through the origin across `axis`."""
        sign = np.ones(3)
        sign[axis] = -1
        return replace(self, positions=self.positions * sign)


def merge(parts: Sequence[Part]) -> Part:
    """Return several parts as one."""
    start = np.cumsum([0, *(len(p.positions) for p in parts[:-1])])
    return Part(
        np.concatenate([p.positions for p in parts]),
        np.concatenate([p.faces + s for p, s in zip(parts, start, strict=True)]),
        np.concatenate([p.uvs for p in parts]),
    )


def rotation(axis: int, angle_deg: float) -> Float[np.ndarray, "3 3"]:
    """Return the rotation about coordinate axis 0, 1 or 2."""
    a = np.radians(angle_deg)
    i, j = (axis + 1) % 3, (axis + 2) % 3
    matrix = np.eye(3)
    matrix[i, i] = matrix[j, j] = np.cos(a)
    matrix[j, i] = np.sin(a)
    matrix[i, j] = -np.sin(a)
    return matrix


def random_rotation(rng: np.random.Generator) -> Float[np.ndarray, "3 3"]:
    """Return a rotation drawn evenly from all rotations."""
    q, r = np.linalg.qr(rng.standard_normal((3, 3)))
    q = q * np.sign(np.diag(r))
    return q * np.sign(np.linalg.det(q))


def sheet(points: Float[np.ndarray, "R C 3"]) -> Part:
    """Return the surface through a grid of points; u runs along columns, v along rows.

    Both are proportional to length along the grid's middle. Triangles without area are left out.
    """
    rows, columns = points.shape[:2]
    index = np.arange(rows * columns).reshape(rows, columns)
    a, b, c, d = index[:-1, :-1], index[:-1, 1:], index[1:, 1:], index[1:, :-1]
    faces = np.concatenate([np.stack(t, -1).reshape(-1, 3) for t in ((a, b, c), (a, c, d))])
    flat = points.reshape(-1, 3)
    edges = flat[faces[:, 1:]] - flat[faces[:, :1]]
    area = np.linalg.norm(np.cross(edges[:, 0], edges[:, 1]), axis=1)
    steps = np.linalg.norm(np.diff(points, axis=0), axis=-1).mean(1)
    v = np.concatenate([[0], np.cumsum(steps)]) / max(steps.sum(), 1e-9)
    u = np.linspace(0, 1, columns)
    uvs = np.stack(np.broadcast_arrays(u[None, :], v[:, None]), -1).reshape(-1, 2)
    return Part(flat, faces[area > 1e-12], uvs)  # noqa: PLR2004


def lathe(profile: Float[np.ndarray, "R 2"], segments: int = SEGMENTS) -> Part:
    """Return the surface of revolution of (radius, z) rows about the z axis."""
    turn = np.linspace(0, 2 * np.pi, segments + 1)
    ring = np.stack([np.cos(turn), np.sin(turn)], -1)
    ring[-1] = ring[0]
    plane = profile[:, :1, None] * ring[None]
    height = np.broadcast_to(profile[:, 1:, None], (*plane.shape[:2], 1))
    return sheet(np.concatenate([plane, height], -1))


def cylinder(top: float = 1.0, segments: int = SEGMENTS) -> Part:
    """Return a cylinder of radius 1 from z = -1 to 1; with another `top` radius a (cut) cone."""
    return lathe(np.array([[0, -1], [1, -1], [top, 1], [0, 1]], float), segments)


def superquadric(e1: float, e2: float, rows: int = 20) -> Part:
    """Return a superellipsoid in [-1, 1]^3 (Barr, 1981); exponents 1 give a sphere, 0.1 a box."""

    def power(values: np.ndarray, exponent: float) -> np.ndarray:
        return np.sign(values) * np.abs(values) ** exponent

    polar = np.linspace(-np.pi / 2, np.pi / 2, rows)[:, None]
    turn = np.linspace(0, 2 * np.pi, 2 * rows + 1)[None]
    turn = np.where(turn == 2 * np.pi, 0, turn)
    cos, sin = np.cos(polar), np.sin(polar)
    cos[[0, -1]] = 0
    x = power(cos, e1) * power(np.cos(turn), e2)
    y = power(cos, e1) * power(np.sin(turn), e2)
    z = np.broadcast_to(power(sin, e1), x.shape)
    return sheet(np.stack([x, y, z], -1))


def torus(thickness: float, rows: int = 14, segments: int = SEGMENTS) -> Part:
    """Return a ring of radius 1 about the z axis."""
    turn = np.linspace(0, 2 * np.pi, rows + 1)
    profile = np.stack([1 + thickness * np.cos(turn), thickness * np.sin(turn)], -1)
    profile[-1] = profile[0]
    return lathe(profile, segments)


def capsule(half_length: float, rows: int = 8) -> Part:
    """Return a cylinder of radius 1 about the z axis with round ends."""
    angle = np.linspace(0, np.pi / 2, rows)
    end = np.stack([np.cos(angle), half_length + np.sin(angle)], -1)
    end[-1, 0] = 0
    return lathe(np.concatenate([end[::-1] * [1, -1], end]))


def box() -> Part:
    """Return the box [-1, 1]^3; each side shows a whole print."""
    corners = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], float)
    positions = [np.add(o, corners @ np.array([u, v])) for o, u, v in np.array(BOX_SIDES, float)]
    faces = [np.array([[0, 1, 2], [0, 2, 3]]) + 4 * k for k in range(6)]
    return Part(np.concatenate(positions) * 2 - 1, np.concatenate(faces), np.tile(corners, (6, 1)))


def extrusion(outline: Float[np.ndarray, "N 2"], bevel: float = 0.0) -> Part:
    """Return a plate from z = -1 to 1 whose outline must be seen whole from the origin.

    Its print is projected along z.

    Args:
        outline: Closed polygon, in [-1, 1]^2.
        bevel: Share of the outline's radius by which the rims are cut.
    """
    closed = np.concatenate([outline, outline[:1]])
    rows = ((0, -1), (1 - bevel, -1), (1, bevel - 1), (1, 1 - bevel), (1 - bevel, 1), (0, 1))
    points = [np.c_[closed * scale, np.full(len(closed), z)] for scale, z in rows]
    part = sheet(np.stack(points))
    return replace(part, uvs=part.positions[:, :2] * 0.5 + 0.5)


def tube(
    path: Float[np.ndarray, "N 3"], radius: Float[np.ndarray, " N"], segments: int = 12
) -> Part:
    """Return a round tube along `path` with closed ends; its frame is carried without twist."""
    tangent = np.gradient(path, axis=0)
    tangent /= np.linalg.norm(tangent, axis=1, keepdims=True)
    normal = np.cross(tangent[0], np.eye(3)[np.abs(tangent[0]).argmin()])
    turn = np.linspace(0, 2 * np.pi, segments + 1)
    turn[-1] = 0
    rings = []
    for point, direction, r in zip(path, tangent, radius, strict=True):
        normal = normal - direction * (normal @ direction)
        normal /= np.linalg.norm(normal)
        side = np.cross(direction, normal)
        circle = np.cos(turn)[:, None] * normal + np.sin(turn)[:, None] * side
        rings.append(point + r * circle)
    ends = [np.broadcast_to(path[k], rings[0].shape) for k in (0, -1)]
    return sheet(np.stack([ends[0], *rings, ends[1]]))


def smooth_path(points: Float[np.ndarray, "N D"], count: int = 24) -> Float[np.ndarray, "count D"]:
    """Return `count` points on the Catmull-Rom spline through `points`."""
    padded = np.concatenate([2 * points[:1] - points[1:2], points, 2 * points[-1:] - points[-2:-1]])
    place = np.linspace(0, len(points) - 1, count)
    k = np.minimum(place.astype(int), len(points) - 2)
    t = (place - k)[:, None]
    p0, p1, p2, p3 = (padded[k + i] for i in range(4))
    return 0.5 * (
        2 * p1
        + (p2 - p0) * t
        + (2 * p0 - 5 * p1 + 4 * p2 - p3) * t**2
        + (3 * p1 - p0 - 3 * p2 + p3) * t**3
    )


def height_field(heights: Float[np.ndarray, "n n"]) -> Part:
    """Return a relief on a flat block: [-1, 1]^2, from z = -1 up to the given heights."""
    n = len(heights)
    axis = np.linspace(-1, 1, n)
    x, y = np.meshgrid(axis, axis)
    top = sheet(np.stack([x, y, heights], -1))
    rim = np.concatenate(
        [
            np.c_[axis, np.full(n, -1), heights[0]],
            np.c_[np.full(n, 1), axis, heights[:, -1]],
            np.c_[axis[::-1], np.full(n, 1), heights[-1, ::-1]],
            np.c_[np.full(n, -1), axis[::-1], heights[::-1, 0]],
        ]
    )
    ground = rim * [1, 1, 0] - [0, 0, 1]
    centre = np.broadcast_to([0.0, 0.0, -1.0], rim.shape)
    return merge([top, sheet(np.stack([rim, ground, centre]))])
