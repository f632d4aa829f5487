"""Records of the road from views to a mesh."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from harmony.cameras import Cameras
from harmony.reconstruction.depth import Raster
from harmony.records import Mesh


@dataclass(frozen=True)
class Progress:
    """How far a reconstruction is.

    Attributes:
        stage: What is being done, in plain words.
        fraction: Of the whole work, in [0, 1].
    """

    stage: str
    fraction: float


@dataclass(frozen=True)
class ReconstructionReport:
    """How well a mesh explains the views that it was made from.

    Attributes:
        silhouette_iou: Mean of `view_ious`.
        view_ious: Intersection over union of the mesh's silhouette with the mask of each of the
            16 views as they were given, in [0, 1].
        watertight: Whether the surface is closed, every edge between two faces.
        faces: Number of triangles.
        seconds: Wall time.
        rejected_views: Indices of views that contradict the others and took no part.
    """

    silhouette_iou: float
    view_ious: tuple[float, ...]
    watertight: bool
    faces: int
    seconds: float
    rejected_views: tuple[int, ...]


@dataclass(frozen=True)
class Photographs:
    """The checked views of one sample with their cameras.

    Attributes:
        pixels: (N, 3, H, H) float32 in [0, 1] on white.
        alpha: (N, H, H) float32 in [0, 1].
        cameras: The N cameras.
        indices: (N,) number of each view among the 16.
    """

    pixels: Float[np.ndarray, "N 3 H H"]
    alpha: Float[np.ndarray, "N H H"]
    cameras: Cameras
    indices: tuple[int, ...]

    @property
    def masks(self) -> Bool[np.ndarray, "N H H"]:
        """Binary foreground."""
        return self.alpha >= 0.5  # noqa: PLR2004

    def subset(self, positions: list[int]) -> Photographs:
        """Return only the views at these positions."""
        cameras = Cameras(
            intrinsics=self.cameras.intrinsics,
            poses=self.cameras.poses[positions],
            azimuths_deg=self.cameras.azimuths_deg[positions],
            elevations_deg=self.cameras.elevations_deg[positions],
            image_size=self.cameras.image_size,
        )
        indices = tuple(self.indices[position] for position in positions)
        return Photographs(self.pixels[positions], self.alpha[positions], cameras, indices)


@dataclass(frozen=True)
class Reconstruction:
    """A mesh and how it came about.

    Attributes:
        mesh: The mesh.
        report: How well it explains the views.
        photographs: The views that took part, registered to each other; they paint the texture.
        rasters: What the 16 cameras see of the mesh.
    """

    mesh: Mesh
    report: ReconstructionReport
    photographs: Photographs
    rasters: tuple[Raster, ...]
