"""From views to everything that the page shows of a mesh."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harmony.ui import texts
from harmony.ui.background_work import in_background
from harmony.ui.mesh_files import MeshFiles
from harmony.ui.mesh_turntable import MeshStrips, write_strips
from harmony.ui.texts import mesh as mesh_texts

if TYPE_CHECKING:
    from harmony.records import Views

Built = tuple[MeshFiles, dict[str, Any], MeshStrips]
_SHARE_OF_MESH = 0.8
_SHARE_BEFORE_FILE = 0.85


def building(
    views: Views, quality: str, folder: Path, *, device: str
) -> in_background[tuple[str, float], Built]:
    """Return the work of building a mesh, with its GLB and its pictures; it tells (stage, share).

    Args:
        views: One sample.
        quality: As `harmony.reconstruction.reconstruct` takes it.
        folder: Where the files go.
        device: Where a "fine" mesh is optimised.
    """
    from harmony.reconstruction import reconstruct

    def build(tell: Callable[[tuple[str, float]], None]) -> Built:
        result = reconstruct(
            views,
            quality=quality,
            device=device,
            on_progress=lambda at: tell((at.stage, _SHARE_OF_MESH * at.fraction)),
        )
        tell((mesh_texts.DRAWING, _SHARE_OF_MESH))
        strips = write_strips(result, views, folder)
        tell((texts.WRITING_MESH.format(format="GLB"), _SHARE_BEFORE_FILE))
        files = MeshFiles(result.mesh, result.photographs, folder)
        files.get("glb")
        return files, asdict(result.report), strips

    return in_background(build)
