"""The files of one mesh, each written when it is first asked for."""

from __future__ import annotations

import threading
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

from harmony.ui import texts
from harmony.ui.settings import MESH_FORMATS, choice

if TYPE_CHECKING:
    from harmony.reconstruction.records import Photographs
    from harmony.records import Mesh


class MeshFiles:
    """A mesh and the folder that its files go to.

    Writing a GLB or an OBJ paints a texture, which may take longer than the mesh itself did.
    """

    def __init__(self, mesh: Mesh, photographs: Photographs, folder: Path) -> None:
        """Write nothing yet."""
        self._mesh, self._photographs, self._folder = mesh, photographs, folder
        self._written: dict[str, Path] = {}
        self._lock = threading.Lock()

    def get(self, name: str) -> Path:
        """Return the file of a format, one of `MESH_FORMATS`; OBJ comes in a zip.

        Raises:
            ValueError: There is no such format.
        """
        choice(texts.MESH_FORMAT, name, MESH_FORMATS)
        with self._lock:
            if name not in self._written:
                self._written[name] = self._write(name)
            return self._written[name]

    def _write(self, name: str) -> Path:
        from harmony.reconstruction.files import write_mesh

        if name != "obj":
            path = self._folder / f"mesh.{name}"
            return write_mesh(self._mesh, path, photographs=self._photographs)
        # An OBJ is three files: the shape, its material and its picture.
        beside = self._folder / "obj"
        beside.mkdir(exist_ok=True)
        write_mesh(self._mesh, beside / "mesh.obj", photographs=self._photographs)
        archive = self._folder / "mesh-obj.zip"
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as opened:
            for file in sorted(beside.iterdir()):
                opened.write(file, file.name)
        return archive
