"""Files of a reconstructed mesh, read again: shape, colours, up axis, and the glTF validator's word."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import trimesh
from PIL import Image
from scipy.spatial import KDTree
from trimesh.visual import ColorVisuals, TextureVisuals
from trimesh.visual.material import PBRMaterial, SimpleMaterial

from harmony.reconstruction import Reconstruction, reconstruct
from harmony.reconstruction.files import GLTF_FROM_WORLD, write_mesh

VALIDATE = """
const validator = require("gltf-validator");
const bytes = new Uint8Array(require("fs").readFileSync(process.argv[1]));
validator.validateBytes(bytes).then((report) => console.log(JSON.stringify(report.issues)));
"""


@pytest.fixture(scope="module")
def built(ellipsoid_views) -> Reconstruction:
    return reconstruct(ellipsoid_views, quality="draft")


def write(built: Reconstruction, path: Path) -> trimesh.Trimesh:
    write_mesh(built.mesh, path, photographs=built.photographs)
    loaded = trimesh.load_mesh(path, process=False)
    assert isinstance(loaded, trimesh.Trimesh)
    return loaded


def vertex_colours(loaded: trimesh.Trimesh) -> np.ndarray:
    visual = loaded.visual
    if isinstance(visual, ColorVisuals):
        return np.asarray(visual.vertex_colors)[:, :3] / 255
    assert isinstance(visual, TextureVisuals)
    material = visual.material
    assert isinstance(material, PBRMaterial | SimpleMaterial)
    picture = material.baseColorTexture if isinstance(material, PBRMaterial) else material.image
    assert isinstance(picture, Image.Image)
    size = np.array(picture.size)
    place = np.asarray(visual.uv) * [1, -1] + [0, 1]
    column, row = np.floor(place * size).astype(int).clip(0, size - 1).T
    return np.asarray(picture.convert("RGB"))[row, column] / 255


@pytest.mark.parametrize("ending", [".glb", ".obj", ".ply", ".stl"])
def test_bounds_survive(built, tmp_path, ending):
    loaded = write(built, tmp_path / f"mesh{ending}")
    turn = GLTF_FROM_WORLD if ending == ".glb" else np.eye(3)
    points = built.mesh.vertices @ turn.T
    assert np.allclose(loaded.bounds, [points.min(axis=0), points.max(axis=0)], atol=1e-3)
    assert len(loaded.faces) == built.report.faces
    assert loaded.volume > 0


@pytest.mark.parametrize("ending", [".glb", ".obj", ".ply"])
def test_colours_equal_the_preview(built, tmp_path, ending):
    loaded = write(built, tmp_path / f"mesh{ending}")
    turn = GLTF_FROM_WORLD if ending == ".glb" else np.eye(3)
    world = np.asarray(loaded.vertices) @ turn
    distance, index = KDTree(built.mesh.vertices).query(world)
    assert np.max(distance) < 1e-5
    error = np.abs(vertex_colours(loaded) - built.mesh.vertex_colors[index])
    assert error.mean() <= 3 / 255


def test_up_is_up(built, tmp_path):
    height = np.ptp(built.mesh.vertices[:, 2])
    assert write(built, tmp_path / "mesh.glb").extents[1] == pytest.approx(height, abs=1e-3)
    assert write(built, tmp_path / "mesh.ply").extents[2] == pytest.approx(height, abs=1e-3)


@pytest.mark.gltf_validator
def test_the_khronos_validator_has_nothing_to_say(built, tmp_path):
    path = write_mesh(built.mesh, tmp_path / "mesh.glb", photographs=built.photographs)
    node = shutil.which("node")
    assert node is not None
    told = subprocess.run([node, "-e", VALIDATE, str(path)], capture_output=True, check=True)
    issues = json.loads(told.stdout)
    assert issues["numErrors"] == 0, issues["messages"]
    assert issues["numWarnings"] == 0, issues["messages"]
