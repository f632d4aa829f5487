"""Meshes of one visit that need not be built twice."""

from __future__ import annotations

import hashlib
import shutil
from collections import OrderedDict
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harmony.ui.events import MeshReady

KEEP_MESHES = 4


def mesh_key(views_zip: Path, quality: str) -> str:
    """Return the name of the mesh of these views: their hash and the quality."""
    return f"{hashlib.sha256(views_zip.read_bytes()).hexdigest()}-{quality}"


class MeshShelf:
    """The latest meshes by key, each with the folder of its files."""

    def __init__(self, keep: int = KEEP_MESHES) -> None:
        """Start empty."""
        self._keep = keep
        self._meshes: OrderedDict[str, tuple[MeshReady, Path]] = OrderedDict()

    def get(self, key: str) -> MeshReady | None:
        """Return a mesh that was built before."""
        if key not in self._meshes:
            return None
        self._meshes.move_to_end(key)
        return self._meshes[key][0]

    def put(self, key: str, mesh: MeshReady, folder: Path) -> None:
        """Keep a mesh; the one that was not asked for longest goes with its files."""
        self._meshes[key] = mesh, folder
        self._meshes.move_to_end(key)
        while len(self._meshes) > self._keep:
            _, (_, oldest) = self._meshes.popitem(last=False)
            shutil.rmtree(oldest, ignore_errors=True)
