"""A tiny network and a tiny packed object set for the tests of the commands."""

import json
from pathlib import Path
from typing import Any

import trimesh

from harmony.models.small import SmallConfig
from harmony.training.pack import pack_folder

TINY = SmallConfig(image_size=32, width=16, depth=2, heads=2, reference_depth=1, stem=(8, 8, 16))


def write_objects(folder: Path) -> Path:
    """Write eleven boxes as `folder/set`, one of which is held out, and `folder/config.json`."""
    for number in range(11):
        mesh: Any = trimesh.creation.box((1, 1 + 0.1 * number, 0.5))
        mesh.export(folder / f"{'abcdefghijk'[number]}box.ply")
    pack_folder(folder, folder / "set")
    (folder / "config.json").write_text(json.dumps(TINY.to_json()))
    return folder
