import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import trimesh
from PIL import Image
from trimesh.visual import TextureVisuals
from trimesh.visual.material import PBRMaterial

from harmony.training.meshes import read_meshes
from harmony.training.pack import caption, main, pack_folder
from harmony.training.shards import face_codes


def textured_box(texture):
    mesh: Any = trimesh.creation.box((1, 2, 4)).unwrap()
    material = PBRMaterial(baseColorTexture=texture)
    mesh.visual = TextureVisuals(uv=mesh.visual.uv, material=material)
    return mesh


@pytest.fixture(name="folder")
def make_folder(tmp_path):
    folder = tmp_path / "toys"
    folder.mkdir()
    flat = Image.new("RGB", (600, 300), (30, 140, 220))
    textured_box(flat).export(folder / "TallBox_02.glb")
    ball: Any = trimesh.creation.icosphere(2)
    ball.visual.vertex_colors = np.where(ball.vertices[:, 2:] > 0, [[250, 0, 0]], [[0, 0, 250]])
    ball.export(folder / "ball.ply")
    trimesh.creation.cone(0.5, 2).export(folder / "party-hat.obj")
    return folder


def test_files_survive_the_round_trip(folder, tmp_path):
    seen = []
    count = pack_folder(
        folder,
        tmp_path / "set",
        credits={"license": "CC0-1.0"},
        on_progress=lambda done, total: seen.append((done, total)),
    )
    assert count == 3
    assert seen[-1] == (3, 3)
    box, ball, hat = read_meshes(tmp_path / "set")
    assert (box.name, ball.name, hat.name) == ("tall box", "ball", "party hat")
    assert box.category == "toys"

    # glTF is y up: the box's sides 1, 2, 4 along x, y, z become 1, 4, 2.
    np.testing.assert_allclose(np.ptp(box.positions, 0), [0.25, 1, 0.5], atol=1e-4)
    source: Any = trimesh.load_scene(folder / "TallBox_02.glb").dump()[0]
    corners = np.stack([source.vertices[:, 0], -source.vertices[:, 2], source.vertices[:, 1]], 1)
    np.testing.assert_allclose(box.positions[box.faces], corners[source.faces] / 4, atol=2e-5)
    np.testing.assert_allclose(box.uvs[box.faces], source.visual.uv[source.faces], atol=1e-4)
    (texture,) = box.textures
    assert texture.shape == (128, 256, 4)
    assert np.abs(texture[..., :3].astype(int) - [30, 140, 220]).max() <= 4

    # PLY is z up, and its painted faces become layers.
    up = ball.positions[ball.faces][..., 2].mean(1)
    reddish = ball.layer_color[ball.face_layer][:, 0] > 200
    assert np.array_equal(up > 0.1, (up > 0.1) & reddish)
    assert ball.has_colour
    assert not ball.textures

    assert np.ptp(hat.positions, 0).max() == pytest.approx(1, abs=1e-4)


def test_equal_folders_give_equal_bytes_and_the_command_line_packs_too(folder, tmp_path):
    for name in ("a", "b"):
        main([str(folder), "--output", str(tmp_path / name), "--license", "MIT"])
    for file in ("objects-00.npz", "index.jsonl"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()
    lines = (tmp_path / "a" / "index.jsonl").read_text().splitlines()
    assert {json.loads(line)["license"] for line in lines} == {"MIT"}


def test_corner_codes_follow_the_format():
    codes, order = face_codes(np.array([5, 2, 9, 9, 2, 7]))
    assert order.tolist() == [5, 2, 9, 7]
    assert codes.tolist() == [0, 0, 0, 1, 2, 0]


def test_names_become_captions():
    assert caption(Path("Wooden_Chair-03.glb")) == "wooden chair"
    assert caption(Path("007.obj")) == "object"


def test_bad_folders_are_refused(tmp_path):
    with pytest.raises(ValueError, match="holds no"):
        pack_folder(tmp_path, tmp_path / "set")
    trimesh.PointCloud(np.eye(3)).export(tmp_path / "points.ply")
    with pytest.raises(ValueError, match="no triangles"):
        pack_folder(tmp_path, tmp_path / "set")
