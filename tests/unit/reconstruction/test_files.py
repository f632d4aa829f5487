import numpy as np
import pytest
import trimesh
from PIL import Image
from trimesh.visual import ColorVisuals

from harmony.reconstruct import main
from harmony.reconstruction.files import GLTF_FROM_WORLD, write_mesh
from harmony.records import Mesh, Views
from harmony.view_files import read_views


@pytest.fixture
def mesh() -> Mesh:
    box = trimesh.creation.box((0.2, 0.6, 1.0)).subdivide().subdivide().subdivide()
    vertices = box.vertices + np.array([0.05, 0.1, 0.0])
    colors = np.clip((vertices + 0.6) / 1.4, 0, 1)
    return Mesh(vertices.astype(np.float32), box.faces.astype(np.int32), colors.astype(np.float32))


def save(views: Views, folder, *, mode: str, name: str = "view-{:02d}.png") -> None:
    for k in range(16):
        rgb = (views.pixels[0, k].permute(1, 2, 0).numpy() * 255).round().astype(np.uint8)
        alpha = (views.alpha[0, k, 0].numpy() * 255).round().astype(np.uint8)
        if mode == "RGBA":
            Image.fromarray(np.dstack([rgb, alpha])).save(folder / name.format(k))
        else:
            Image.fromarray(rgb).save(folder / name.format(k))
        if mode == "alpha-file":
            Image.fromarray(alpha).save(folder / name.format(k).replace(".png", ".alpha.png"))


@pytest.mark.parametrize("ending", [".ply", ".obj", ".stl"])
def test_canonical_files_keep_the_world(mesh, tmp_path, ending):
    path = write_mesh(mesh, tmp_path / f"mesh{ending}")
    loaded = trimesh.load_mesh(path, process=False)
    assert np.allclose(
        loaded.bounds, [mesh.vertices.min(axis=0), mesh.vertices.max(axis=0)], atol=1e-3
    )
    assert len(loaded.faces) == len(mesh.faces)


def test_ply_keeps_vertex_colours(mesh, tmp_path):
    loaded = trimesh.load_mesh(write_mesh(mesh, tmp_path / "mesh.ply"), process=False)
    assert isinstance(loaded.visual, ColorVisuals)
    assert np.abs(loaded.visual.vertex_colors[:, :3] / 255 - mesh.vertex_colors).max() <= 1 / 255


def test_glb_is_y_up_and_faces_the_viewer(mesh, tmp_path):
    loaded = trimesh.load_mesh(write_mesh(mesh, tmp_path / "mesh.glb"), process=False)
    turned = mesh.vertices @ GLTF_FROM_WORLD.T
    assert np.allclose(loaded.bounds, [turned.min(axis=0), turned.max(axis=0)], atol=1e-3)
    assert np.allclose(loaded.extents, [0.6, 1.0, 0.2], atol=1e-3)
    # The side towards the input camera (+x) is nearest to a viewer who looks down -Z.
    assert loaded.bounds[1, 2] == pytest.approx(0.15, abs=1e-3)
    assert loaded.volume > 0
    assert np.linalg.det(GLTF_FROM_WORLD) == pytest.approx(1.0)


def test_other_endings_and_missing_folders_are_refused(mesh, tmp_path):
    with pytest.raises(ValueError, match="no known mesh ending"):
        write_mesh(mesh, tmp_path / "mesh.fbx")
    with pytest.raises(ValueError, match="does not exist"):
        write_mesh(mesh, tmp_path / "nowhere" / "mesh.glb")


@pytest.mark.parametrize("mode", ["RGBA", "alpha-file", "RGB"])
def test_views_are_read_with_their_masks(ellipsoid_views, tmp_path, mode):
    save(ellipsoid_views, tmp_path, mode=mode)
    views = read_views(tmp_path)
    assert views.pixels.shape == (1, 16, 3, 128, 128)
    assert (views.pixels - ellipsoid_views.pixels).abs().max() <= 1 / 255
    agree = (views.alpha >= 0.5) == (ellipsoid_views.alpha >= 0.5)
    assert agree.float().mean() > 0.999


def test_pictures_named_by_number_are_in_order(ellipsoid_views, tmp_path):
    save(ellipsoid_views, tmp_path, mode="RGBA", name="{:03d}.png")
    (tmp_path / "mesh.npz").write_bytes(b"")
    Image.new("RGB", (9, 9)).save(tmp_path / "strip.png")
    views = read_views(tmp_path)
    assert (views.pixels[0, 7] - ellipsoid_views.pixels[0, 7]).abs().max() <= 1 / 255


def test_bad_folders_are_refused(ellipsoid_views, tmp_path):
    with pytest.raises(ValueError, match="is no folder"):
        read_views(tmp_path / "nowhere")
    with pytest.raises(ValueError, match="holds 0 pictures"):
        read_views(tmp_path)
    save(ellipsoid_views, tmp_path, mode="RGBA")
    Image.new("RGBA", (64, 64)).save(tmp_path / "view-03.png")
    with pytest.raises(ValueError, match="differ in size"):
        read_views(tmp_path)
    (tmp_path / "view-03.png").write_text("no picture")
    with pytest.raises(ValueError, match=r"view-03\.png cannot be read"):
        read_views(tmp_path)
    (tmp_path / "view-03.png").unlink()
    with pytest.raises(ValueError, match="holds 15 pictures"):
        read_views(tmp_path)


def test_the_command_writes_a_mesh(ellipsoid_views, tmp_path, capsys):
    save(ellipsoid_views, tmp_path, mode="RGBA")
    target = tmp_path / "mesh.ply"
    assert main([str(tmp_path), "--output", str(target), "--quality", "draft"]) == 0
    assert trimesh.load_mesh(target, process=False).is_watertight
    told = capsys.readouterr()
    assert "100%" in told.err
    assert "faces" in told.out


def test_the_command_says_what_is_wrong(tmp_path, capsys):
    assert main([str(tmp_path), "--output", str(tmp_path / "mesh.ply")]) == 2
    assert "holds 0 pictures" in capsys.readouterr().err
    assert main([str(tmp_path), "--output", str(tmp_path / "mesh.txt")]) == 2
    assert "no known mesh ending" in capsys.readouterr().err
