import numpy as np
import pytest
import trimesh
from PIL import Image
from trimesh.visual import TextureVisuals
from trimesh.visual.material import PBRMaterial, SimpleMaterial

from harmony.reconstruction.checks import checked_photographs
from harmony.reconstruction.files import write_mesh
from harmony.reconstruction.texture import textured
from harmony.records import Mesh


def shown_at_vertices(loaded: trimesh.Trimesh) -> np.ndarray:
    visual = loaded.visual
    assert isinstance(visual, TextureVisuals)
    material = visual.material
    assert isinstance(material, PBRMaterial | SimpleMaterial)
    picture = material.baseColorTexture if isinstance(material, PBRMaterial) else material.image
    assert isinstance(picture, Image.Image)
    return at_uv(np.asarray(picture.convert("RGB")), np.asarray(visual.uv))


@pytest.fixture(scope="module")
def mesh() -> Mesh:
    ball = trimesh.creation.icosphere(subdivisions=3, radius=0.4)
    colors = np.clip((ball.vertices + 0.5) / 1.0, 0, 1)
    return Mesh(
        ball.vertices.astype(np.float32), ball.faces.astype(np.int32), colors.astype(np.float32)
    )


def at_uv(picture: np.ndarray, uv: np.ndarray) -> np.ndarray:
    size = len(picture)
    column = np.floor(uv[:, 0] * size).astype(int).clip(0, size - 1)
    row = np.floor((1 - uv[:, 1]) * size).astype(int).clip(0, size - 1)
    return picture[row, column] / 255


def test_the_atlas_shows_the_vertex_colours(mesh):
    cut = textured(mesh, size=512)
    expected = np.clip(cut.vertices + 0.5, 0, 1)
    assert np.abs(at_uv(cut.picture, cut.uv) - expected).max() < 3 / 255
    middle, uv = cut.vertices[cut.faces].mean(axis=1), cut.uv[cut.faces].mean(axis=1)
    assert np.abs(at_uv(cut.picture, uv) - (middle + 0.5)).max() < 3 / 255
    assert np.allclose(cut.vertices[cut.faces], mesh.vertices[mesh.faces])
    assert np.allclose(np.linalg.norm(cut.normals, axis=1), 1)


def test_a_painter_paints_finer_than_the_vertices(mesh):
    def stripes(points: np.ndarray, normals: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        assert np.allclose((points * normals).sum(axis=1), 0.4, atol=0.01)
        colors = np.repeat((np.sin(90 * points[:, 2:]) > 0).astype(float), 3, axis=1)
        return colors, np.ones(len(points), dtype=bool)

    cut = textured(mesh, stripes, size=512)
    middle, uv = cut.vertices[cut.faces].mean(axis=1), cut.uv[cut.faces].mean(axis=1)
    wave = np.sin(90 * middle[:, 2])
    clear = np.abs(wave) > 0.4
    shown = at_uv(cut.picture, uv)[clear, 0] > 0.5
    assert (shown == (wave[clear] > 0)).mean() > 0.98


@pytest.mark.parametrize("ending", [".glb", ".obj"])
def test_textured_files_load_with_their_colours(mesh, tmp_path, ending):
    loaded = trimesh.load_mesh(write_mesh(mesh, tmp_path / f"ball{ending}"), process=False)
    found = shown_at_vertices(loaded)
    world = loaded.vertices[:, [2, 0, 1]] if ending == ".glb" else loaded.vertices
    assert np.abs(found - (world + 0.5)).max() < 3 / 255
    assert np.allclose(loaded.bounds, [[-0.4] * 3, [0.4] * 3], atol=1e-3)


def test_views_paint_the_file(ellipsoid_views, ellipsoid, paint, tmp_path):
    grey = np.full(ellipsoid.vertices.shape, 0.5, dtype=np.float32)
    plain = Mesh(ellipsoid.vertices.astype(np.float32), ellipsoid.faces.astype(np.int32), grey)
    photographs = checked_photographs(ellipsoid_views)
    path = write_mesh(plain, tmp_path / "egg.obj", photographs=photographs)
    loaded = trimesh.load_mesh(path, process=False)
    found = shown_at_vertices(loaded)
    seen = loaded.vertices[:, 2] > 0
    assert np.abs(found[seen] - paint(loaded.vertices[seen])).mean() < 0.06
