"""What the mesh benchmarks compare with: the true surface for distances, the solid for volumes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from harmony.evaluation.geometry import chamfer_distance, volume_iou


@dataclass(frozen=True)
class Truth:
    """One object's geometry: (vertices, faces) of its surface and of the solid it encloses."""

    surface: tuple[np.ndarray, np.ndarray]
    solid: tuple[np.ndarray, np.ndarray]

    def compare(self, vertices: np.ndarray, faces: np.ndarray) -> tuple[float, float]:
        """Return Chamfer distance and volume IoU of a mesh."""
        return (
            chamfer_distance(vertices, faces, *self.surface),
            volume_iou(vertices, faces, *self.solid),
        )


def read_truth(folder: Path) -> Truth:
    """Read mesh.npz; a surface without a solid of its own is closed."""
    with np.load(folder / "mesh.npz", allow_pickle=False) as archive:
        surface = archive["v"], archive["f"]
        if "solid_v" not in archive:
            return Truth(surface, surface)
        return Truth(surface, (archive["solid_v"], archive["solid_f"]))
