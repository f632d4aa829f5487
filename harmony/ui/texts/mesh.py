"""What a visitor reads about the mesh beyond its buttons."""

from __future__ import annotations

from collections.abc import Sequence

STAGE = "Building the mesh: {stage}"
STAGE_LEFT = "Building the mesh: {stage} · about {time} left"
DONE = (
    "Mesh ready: {faces} triangles in {time}, {closed}. "
    "Its outlines agree with the 16 views to {agreement} on average (worst: {worst} at {azimuth}°)."
)
AGAIN = "Built before from the same views."
CLOSED = "watertight"
OPEN = "not watertight"
REJECTED = "Left out because they contradict the others: {views}."
DRAWING = "drawing the mesh from the 16 cameras"

TURNTABLE = "The mesh from the cameras of the 16 views; it turns with them"
VIEWS = "Views"
COLORED = "Mesh"
SURFACE = "Shape alone"
DIFFERENCE = "Where they differ"
DIFFERENCE_NOTE = (
    "Red: only the mesh is there. Blue: only the view is. Agreement by azimuth: {each}."
)
AGREEMENT = "{agreement} agree"


def percent(share: float) -> str:
    """Return a share as "94.2 %"."""
    return f"{100 * share:.1f} %"


def agreement_by_azimuth(ious: Sequence[float]) -> str:
    """Return "0° 94 %, 22.5° 95 %, ..."."""
    step = 360 / len(ious)
    return ", ".join(f"{k * step:g}° {100 * iou:.0f} %" for k, iou in enumerate(ious))
