"""The sixteen target cameras: azimuth every 22.5 deg, elevation 30 deg, distance 1.5.

World: z up, right-handed, object in the unit cube around the origin. Cameras follow OpenCV
(x right, y down, z forward). Azimuth grows counter-clockwise seen from above and is 0 on the
reference's side. Pixel (column i, row j) covers [i, i+1) x [j, j+1).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

VIEW_COUNT = 16
ELEVATION_DEG = 30.0
DISTANCE = 1.5
FOCAL_AT_256 = 280.0
TRAINED_ELEVATIONS_DEG = (-10.0, 40.0)
"""Elevations of the input pictures that the models saw in training."""


@dataclass(frozen=True)
class Cameras:
    """A ring of cameras.

    Attributes:
        intrinsics: (3, 3) pinhole matrix K in pixels of an `image_size` picture.
        poses: (N, 3, 4) world to camera, [R | t].
        azimuths_deg: (N,) in [0, 360).
        elevations_deg: (N,).
        image_size: Side of the pictures that `intrinsics` is for.
    """

    intrinsics: Float[np.ndarray, "3 3"]
    poses: Float[np.ndarray, "N 3 4"]
    azimuths_deg: Float[np.ndarray, " N"]
    elevations_deg: Float[np.ndarray, " N"]
    image_size: int


def look_at_origin(
    azimuth_deg: float, elevation_deg: float, distance: float = DISTANCE
) -> Float[np.ndarray, "3 4"]:
    """Return world-to-camera [R | t] of a camera on the orbit that looks at the origin."""
    a, e = math.radians(azimuth_deg), math.radians(elevation_deg)
    forward = -np.array([math.cos(a) * math.cos(e), math.sin(a) * math.cos(e), math.sin(e)])
    right = np.array([-math.sin(a), math.cos(a), 0.0])
    down = np.cross(forward, right)
    rotation = np.stack([right, down, forward])
    return np.concatenate([rotation, [[0.0], [0.0], [distance]]], axis=1)


def intrinsics(image_size: int) -> Float[np.ndarray, "3 3"]:
    """Return K for square pictures of `image_size` pixels (49.1 deg field of view)."""
    focal = FOCAL_AT_256 * image_size / 256
    centre = image_size / 2
    return np.array([[focal, 0.0, centre], [0.0, focal, centre], [0.0, 0.0, 1.0]])


def target_cameras(image_size: int = 256) -> Cameras:
    """Return the ring that every model of this project paints."""
    azimuths = np.arange(VIEW_COUNT) * (360.0 / VIEW_COUNT)
    poses = np.stack([look_at_origin(azimuth, ELEVATION_DEG) for azimuth in azimuths])
    elevations = np.full(VIEW_COUNT, ELEVATION_DEG)
    return Cameras(intrinsics(image_size), poses, azimuths, elevations, image_size)
