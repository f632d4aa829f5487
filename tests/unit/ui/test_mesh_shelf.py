from pathlib import Path
from typing import Any

from harmony.ui.mesh_shelf import MeshShelf, mesh_key


def test_the_key_tells_views_and_quality_apart(tmp_path: Path):
    first, second = tmp_path / "a.zip", tmp_path / "b.zip"
    first.write_bytes(b"views")
    second.write_bytes(b"other views")
    assert mesh_key(first, "draft") == mesh_key(first, "draft")
    assert (
        len({mesh_key(first, "draft"), mesh_key(first, "standard"), mesh_key(second, "draft")}) == 3
    )


def test_the_mesh_asked_for_least_lately_goes_with_its_files(tmp_path: Path):
    shelf = MeshShelf(keep=2)
    meshes: dict[str, Any] = {name: object() for name in "abc"}
    for name in "ab":
        (tmp_path / name).mkdir()
        shelf.put(name, meshes[name], tmp_path / name)
    assert shelf.get("a") is meshes["a"]
    (tmp_path / "c").mkdir()
    shelf.put("c", meshes["c"], tmp_path / "c")
    assert shelf.get("b") is None
    assert not (tmp_path / "b").exists()
    assert shelf.get("a") is meshes["a"]
    assert (tmp_path / "a").is_dir()
