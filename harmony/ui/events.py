"""What the engine reports while it works."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from PIL import Image

from harmony.ui.mesh_files import MeshFiles
from harmony.ui.mesh_turntable import MeshStrips
from harmony.ui.visits import Run, SampleFiles


@dataclass(frozen=True)
class Stage:
    """Work of unknown length has begun."""

    text: str


@dataclass(frozen=True)
class Step:
    """One sampling step is done.

    Attributes:
        seeds: Samples that were painted.
        step: 1 to num_steps.
        num_steps: Steps of each pass.
        pass_index: 0 to num_passes - 1.
        num_passes: Passes in all.
        strips: One strip of views for each seed, or None where no preview was due.
        notice: A plain sentence where something changed on the way.
    """

    seeds: tuple[int, ...]
    step: int
    num_steps: int
    pass_index: int
    num_passes: int
    strips: tuple[Image.Image, ...] | None
    notice: str | None


@dataclass(frozen=True)
class SampleReady:
    """One sample is done and on disk."""

    files: SampleFiles


@dataclass(frozen=True)
class RunReady:
    """All samples are done."""

    run: Run


@dataclass(frozen=True)
class MeshStage:
    """A reconstruction has reached a stage; fraction is that of the whole, in [0, 1]."""

    text: str
    fraction: float


@dataclass(frozen=True)
class MeshReady:
    """A mesh is done and on disk.

    Attributes:
        files: Its files; the GLB is written already.
        report: Figures by name.
        seconds: How long it took.
        strips: Pictures of it from the cameras of the views.
    """

    files: MeshFiles
    report: dict[str, Any]
    seconds: float
    strips: MeshStrips


Event = Stage | Step | SampleReady | RunReady
