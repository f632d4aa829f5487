"""Undoing the small shifts and warps by which views of one object disagree.

Outlines of one solid are coherent: the ray through every outline point of a view grazes the visual
hull of the other views (Hernandez, Schmitt and Cipolla, "Silhouette coherence for camera
calibration under circular motion", 2007). Where a ray misses that hull, some view is displaced; a
strict hull would believe the view that cuts away most and shrink. Here every view gets a smooth
displacement instead, and the smallest displacements that make the outlines coherent are found by
Gauss-Newton steps with a Gaussian prior, so that the misses are shared by the views.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from harmony.cameras import DISTANCE, Cameras
from harmony.reconstruction.hull import REACH, signed_silhouettes
from harmony.reconstruction.records import Photographs


@dataclass(frozen=True)
class RegistrationSettings:
    """How displacements are found; lengths in pixels of a 256-pixel picture unless said.

    Attributes:
        rounds: Gauss-Newton steps.
        nodes: Control points of a displacement along each side of the picture.
        shift: Prior deviation of a view's mean displacement.
        warp: Prior deviation of its smooth rest.
        reach: Length over which the rest is correlated.
        noise: Deviation of a well-placed outline, in pixels of the views.
        slack: A miss up to this is none, in pixels of the views: outlines stand on pixel edges.
        limit: Misses above this count like a displacement of this size only.
        points: Outline points of each view.
        samples: Points along each ray, then again around the best.
        coherent: Views with a residual up to this agree and stay as they are. On ten objects of our
            own it was at most .013 for true views and at least .2 for views displaced a little.
    """

    rounds: int = 5
    nodes: int = 7
    shift: float = 2.0
    warp: float = 2.0
    reach: float = 64.0
    noise: float = 0.5
    slack: float = 0.5
    limit: float = 6.0
    points: int = 160
    samples: int = 40
    coherent: float = 0.02


@dataclass(frozen=True)
class _Outline:
    """Outline points of all views with the outward change of their pictures.

    Attributes:
        view: (M,) the view of each point.
        uv: (M, 2) in pixels.
        slope: (M, 2) unit gradient of the signed silhouette, inwards.
    """

    view: Tensor
    uv: Float[Tensor, "M 2"]
    slope: Float[Tensor, "M 2"]


@dataclass(frozen=True)
class _Misses:
    """Outline points whose rays miss the hull of the others, and who is to blame.

    Attributes:
        outline: The points.
        other: (M,) the view that puts the ray's best point farthest outside.
        uv: (M, 2) where it sees that point.
        gap: (M,) by how much, in pixels of the outline's own view; negative.
    """

    outline: _Outline
    other: Tensor
    uv: Float[Tensor, "M 2"]
    gap: Float[Tensor, " M"]


@dataclass(frozen=True)
class Registration:
    """Views that were aligned with each other.

    Attributes:
        photographs: The views with their displacements undone.
        residual: By how much outlines still miss the hull of the other views, a mean over all
            outline points in pixels of a 256-pixel picture; about 0 for views of a real object.
    """

    photographs: Photographs
    residual: float


def registered(
    photographs: Photographs,
    settings: RegistrationSettings,
    on_round: Callable[[float], None] = lambda share: None,
) -> Registration:
    """Return the views with the displacements that make their outlines coherent undone.

    Args:
        photographs: Views of one object.
        settings: How displacements are found.
        on_round: Called before each step with the share done; may raise to stop.
    """
    nodes, residual = displacements(photographs, settings, on_round)
    planes = torch.cat(
        [torch.from_numpy(photographs.pixels) - 1, torch.from_numpy(photographs.alpha)[:, None]], 1
    )
    moved = _displaced(planes, nodes)
    aligned = replace(
        photographs,
        pixels=(moved[:, :3] + 1).clamp(0, 1).numpy(),
        alpha=moved[:, 3].clamp(0, 1).numpy(),
    )
    return Registration(aligned, residual)


def displacements(
    photographs: Photographs,
    settings: RegistrationSettings,
    on_round: Callable[[float], None] = lambda share: None,
) -> tuple[Float[Tensor, "N 2 n n"], float]:
    """Return each view's displacement (column, row) at its control points, and the residual.

    A registered picture shows at y what the view shows at y + displacement(y); units are pixels
    of a 256-pixel picture. A step may overshoot where outlines are thin: of all rounds, and of the
    views as they were, those displacements are returned whose residual (`Registration`) is least.
    """
    count, size = photographs.alpha.shape[:2]
    silhouettes = torch.from_numpy(signed_silhouettes(photographs.alpha))[:, None]
    precision = torch.linalg.inv(_prior(settings))
    nodes = torch.zeros((count, 2, settings.nodes, settings.nodes))
    best, least = nodes, float("inf")
    for number in range(settings.rounds + 1):
        on_round(number / (settings.rounds + 1))
        current = _displaced(silhouettes, nodes)[:, 0]
        outline = _outline_points(current, settings.points)
        misses = _misses(current, outline, photographs.cameras, settings)
        residual = float(-(misses.gap + settings.slack).sum()) / len(outline.view) * 256 / size
        if residual < least:
            best, least = nodes, residual
        if number == settings.rounds or (number == 0 and residual <= settings.coherent):
            break
        nodes = _step(nodes, misses, current, precision, settings, 256 / size)
    return best, least


def _prior(settings: RegistrationSettings) -> Float[Tensor, "p p"]:
    """Return the covariance of one coordinate of a view's displacement at the control points."""
    axis = torch.linspace(0, 256, settings.nodes, dtype=torch.float64)
    points = torch.cartesian_prod(axis, axis)
    distance = torch.cdist(points, points)
    smooth = torch.exp(-(distance**2) / (2 * settings.reach**2))
    covariance = settings.shift**2 + settings.warp**2 * smooth
    return covariance + 1e-3 * torch.eye(len(points), dtype=torch.float64)


def _displaced(
    planes: Float[Tensor, "N C H H"], nodes: Float[Tensor, "N 2 n n"]
) -> Float[Tensor, "N C H H"]:
    """Return pictures that show at y what the given ones show at y + displacement(y)."""
    size = planes.shape[-1]
    field = F.interpolate(nodes, size=(size, size), mode="bilinear", align_corners=True)
    axis = (torch.arange(size) + 0.5) * (2.0 / size) - 1.0
    rows, columns = torch.meshgrid(axis, axis, indexing="ij")
    grid = torch.stack([columns, rows], dim=-1) + field.permute(0, 2, 3, 1) * (2.0 / 256)
    return F.grid_sample(planes, grid, padding_mode="border", align_corners=False)


def _read(images: Float[Tensor, "N H H"], uv: Float[Tensor, "N M 2"]) -> Float[Tensor, "N M"]:
    """Read every picture bilinearly at its own points; the edge goes on outside."""
    grid = (uv * (2.0 / images.shape[-1]) - 1.0)[:, None]
    read = F.grid_sample(images[:, None], grid, padding_mode="border", align_corners=False)
    return read[:, 0, 0]


def _slopes(
    silhouettes: Float[Tensor, "N H H"], view: Tensor, uv: Float[Tensor, "M 2"]
) -> Float[Tensor, "M 2"]:
    """Return unit gradients (column, row) at points of the named views."""
    steps = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    count = len(silhouettes)
    slope = torch.zeros_like(uv)
    for axis, step in enumerate(steps):
        ahead = _read(silhouettes, (uv + step).expand(count, -1, -1))
        behind = _read(silhouettes, (uv - step).expand(count, -1, -1))
        slope[:, axis] = (ahead - behind)[view, torch.arange(len(uv))]
    return F.normalize(slope, dim=1)


def _outline_points(silhouettes: Float[Tensor, "N H H"], points: int) -> _Outline:
    """Return up to `points` outline points of every view, away from the picture's border."""
    size = silhouettes.shape[-1]
    near = (silhouettes.abs() <= 0.75)[:, 2 : size - 2, 2 : size - 2]  # noqa: PLR2004
    views, places = [], []
    for view, candidates in enumerate(near):
        found = torch.nonzero(candidates)
        found = found[torch.linspace(0, len(found) - 1, min(points, len(found))).long()]
        views.append(torch.full((len(found),), view))
        places.append(found.flip(1) + 2.5)
    view, uv = torch.cat(views), torch.cat(places)
    slope = _slopes(silhouettes, view, uv)
    value = _read(silhouettes, uv.expand(len(silhouettes), -1, -1))[view, torch.arange(len(uv))]
    return _Outline(view, uv - value[:, None] * slope, slope)


def _rays(outline: _Outline, cameras: Cameras) -> tuple[Float[Tensor, "M 3"], Float[Tensor, "M 3"]]:
    """Return the centre and the direction (depth 1) of each outline point's ray."""
    poses = torch.from_numpy(cameras.poses).float()[outline.view]
    inverse = torch.from_numpy(np.linalg.inv(cameras.intrinsics)).float()
    pixels = torch.cat([outline.uv, torch.ones(len(outline.uv), 1)], dim=1) @ inverse.T
    direction = torch.einsum("mij,mi->mj", poses[:, :, :3], pixels)
    centre = -torch.einsum("mij,mi->mj", poses[:, :, :3], poses[:, :, 3])
    return centre, direction


def _misses(
    silhouettes: Float[Tensor, "N H H"],
    outline: _Outline,
    cameras: Cameras,
    settings: RegistrationSettings,
) -> _Misses:
    """Return the outline points whose rays pass beside the hull of the other views.

    max_d min_u s_u(d), d along the ray, u the other views, s_u in pixels at the ray's own depth.
    """
    centre, direction = _rays(outline, cameras)
    matrices = torch.from_numpy(cameras.intrinsics @ cameras.poses).float()
    count, rays = len(silhouettes), torch.arange(len(outline.view))
    own = outline.view[None, :, None] == torch.arange(count)[:, None, None]

    def look(depth: Float[Tensor, "M D"]) -> tuple[Tensor, Tensor, Tensor]:
        points = centre[:, None] + direction[:, None] * depth[..., None]
        image = torch.einsum("nij,mdj->nmdi", matrices[:, :, :3], points)
        image = image + matrices[:, None, None, :, 3]
        uv = image[..., :2] / image[..., 2:].clamp_min(1e-3)
        signed = _read(silhouettes, uv.reshape(count, -1, 2)).reshape(uv.shape[:-1])
        signed = torch.where(own, torch.inf, signed * image[..., 2] / depth)
        least, other = signed.min(dim=0)
        best, index = least.max(dim=1)
        who = other[rays, index]
        return best, torch.stack([who, index], dim=1), uv[who, rays, index]

    spread = torch.linspace(-REACH, REACH, settings.samples)
    depth = (DISTANCE + spread).expand(len(rays), -1)
    index = look(depth)[1][:, 1]
    around = torch.linspace(-1, 1, settings.samples // 4) * float(spread[1] - spread[0])
    best, who, uv = look(depth[rays, index][:, None] + around)
    missed = best < -settings.slack
    kept = _Outline(outline.view[missed], outline.uv[missed], outline.slope[missed])
    return _Misses(kept, who[missed, 0], uv[missed], best[missed])


def _basis(uv: Float[Tensor, "M 2"], nodes: int, scale: float) -> Float[Tensor, "M p"]:
    """Return the bilinear weights of the control points, row by row, at points of a picture."""
    place = (uv.double() * (scale / 256) * (nodes - 1)).clamp(0, nodes - 1)
    hats = (1 - (place[..., None] - torch.arange(nodes)).abs()).clamp_min(0)
    return torch.einsum("mr,mc->mrc", hats[:, 1], hats[:, 0]).reshape(len(uv), -1)


def _step(
    nodes: Float[Tensor, "N 2 n n"],
    misses: _Misses,
    silhouettes: Float[Tensor, "N H H"],
    precision: Float[Tensor, "p p"],
    settings: RegistrationSettings,
    scale: float,
) -> Float[Tensor, "N 2 n n"]:
    """Return the displacements after one step: least squares of misses and prior.

    A displacement t at a point raises the signed silhouette there by slope . t: this opens the
    other view's mask where it cut the ray away, and moves the own outline outwards.
    """
    count, size = len(nodes), settings.nodes**2
    outline = misses.outline
    rows = torch.zeros((len(outline.view), count, 2, size), dtype=torch.float64)
    index = torch.arange(len(outline.view))
    theirs = _slopes(silhouettes, misses.other, misses.uv).double()
    rows[index, misses.other] += (
        theirs[..., None] * _basis(misses.uv, settings.nodes, scale)[:, None]
    )
    own = _basis(outline.uv, settings.nodes, scale)[:, None]
    rows[index, outline.view] -= outline.slope.double()[..., None] * own
    rows = rows.reshape(len(rows), -1)
    gap = (misses.gap.double() + settings.slack) * scale
    weight = (settings.limit / gap.abs()).clamp_max(1.0) / (settings.noise * scale) ** 2
    before = nodes.reshape(-1).double()
    target = rows @ before - gap
    normal = (rows * weight[:, None]).T @ rows + torch.block_diag(*[precision] * (2 * count))
    solved = torch.linalg.solve(normal, (rows * weight[:, None]).T @ target)
    return solved.reshape(nodes.shape).float()
