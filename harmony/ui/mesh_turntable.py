"""The mesh as the cameras of the views see it, turning with the views."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr
from PIL import Image

from harmony.ui.strips import file_url, make_strip, save_strip
from harmony.ui.texts import mesh as texts
from harmony.ui.turntable import Card, turntable, turntable_value

if TYPE_CHECKING:
    from harmony.reconstruction.records import Reconstruction
    from harmony.records import Views


@dataclass(frozen=True)
class MeshStrips:
    """Strips of sixteen pictures each (WebP), as in `harmony.reconstruction.preview`."""

    colored: Path
    surface: Path
    difference: Path


def write_strips(result: Reconstruction, views: Views, folder: Path) -> MeshStrips:
    """Draw the mesh from the sixteen cameras and write the strips into a folder."""
    from harmony.reconstruction.preview import mesh_pictures

    pictures = mesh_pictures(result, views)
    paths = {}
    for name in ("colored", "surface", "difference"):
        paths[name] = folder / f"mesh-{name}.webp"
        frames = [Image.fromarray(frame) for frame in getattr(pictures, name)]
        save_strip(make_strip(frames), paths[name])
    return MeshStrips(**paths)


def mesh_turntable() -> gr.HTML:
    """Return the component; it shows up with the first mesh."""
    return turntable(elem_id="mesh-turntable", label=texts.TURNTABLE, visible=False)


def mesh_turntable_value(
    views_strip: Path, strips: MeshStrips, report: dict[str, Any]
) -> dict[str, Any]:
    """Return what the turntable shows: the views, the mesh, its shape, and the difference."""
    agreement = texts.AGREEMENT.format(agreement=texts.percent(report["silhouette_iou"]))
    note = texts.DIFFERENCE_NOTE.format(each=texts.agreement_by_azimuth(report["view_ious"]))
    cards = [
        Card("views", texts.VIEWS, file_url(views_strip)),
        Card("mesh", texts.COLORED, file_url(strips.colored)),
        Card("shape", texts.SURFACE, file_url(strips.surface)),
        Card("difference", texts.DIFFERENCE, file_url(strips.difference), agreement, note),
    ]
    return turntable_value(cards, frames=len(report["view_ious"]))
