import numpy as np
import pytest
import torch
from PIL import Image

from harmony.cameras import target_cameras
from harmony.training.assembly import assemble, project
from harmony.training.rasterizer import EMPTY, Triangles, rasterize, unpack
from harmony.training.rasterizer.cuda_path import build
from harmony.training.rasterizer.torch_path import rasterize_torch
from harmony.training.scenes import draw_scenes
from harmony.training.shading import shade, shade_torch
from tests.unit.training.shapes import make_library

NO_TEXELS = torch.zeros(0, 4, dtype=torch.uint8)
NO_TEXTURES = torch.zeros(0, 4, dtype=torch.int32)


def make_triangles(
    screen, faces, *, size, scenes=1, face_scene=None, uvs=None, texture=None
) -> Triangles:
    faces = torch.as_tensor(faces, dtype=torch.int32)
    vertices = screen.shape[1]
    table = NO_TEXTURES
    if texture is not None:
        table = torch.tensor([[0, texture.shape[1], texture.shape[0], 1]], dtype=torch.int32)
    return Triangles(
        screen=screen,
        faces=faces,
        face_scene=torch.zeros(len(faces), dtype=torch.int32) if face_scene is None else face_scene,
        face_cutout=torch.full((len(faces),), -1 if texture is None else 0, dtype=torch.int32),
        uvs=torch.zeros(vertices, 2) if uvs is None else uvs,
        texels=NO_TEXELS if texture is None else texture.reshape(-1, 4),
        texture_table=table,
        scene_count=scenes,
        sample_size=size,
    )


def brute_force(triangles: Triangles) -> tuple[np.ndarray, np.ndarray]:
    """Barycentric coordinates in float64 for every sample and face; the nearest wins."""
    size = triangles.sample_size
    face = np.full((triangles.picture_count, size, size), -1)
    depth = np.full(face.shape, np.inf)
    for view, corners in enumerate(triangles.screen.double().numpy()):
        for number, rows in enumerate(triangles.faces.numpy()):
            picture = int(triangles.face_scene[number]) * triangles.view_count + view
            a, b, c = corners[rows]
            matrix = np.stack([a, b, c], 1)
            matrix[2] = 1
            for j in range(size):
                for i in range(size):
                    weights = np.linalg.solve(matrix, [i + 0.5, j + 0.5, 1])
                    if weights.min() < 0:
                        continue
                    z = 1 / (weights @ np.array([a[2], b[2], c[2]]))
                    if z < depth[picture, j, i]:
                        depth[picture, j, i], face[picture, j, i] = z, number
    return face, depth


def test_coverage_faces_and_depth_match_a_brute_force_reference():
    generator = torch.Generator().manual_seed(0)
    screen = torch.rand(2, 30, 3, generator=generator)
    screen[..., :2] = screen[..., :2] * 16 - 2
    screen[..., 2] = 1 / (1 + screen[..., 2])
    face_scene = torch.tensor([0] * 6 + [1] * 4, dtype=torch.int32)
    triangles = make_triangles(
        screen, torch.arange(30).view(10, 3), size=12, scenes=2, face_scene=face_scene
    )
    face, depth = unpack(rasterize(triangles))
    expected_face, expected_depth = brute_force(triangles)
    assert (expected_face >= 0).sum() > 100
    assert np.array_equal(face.numpy(), expected_face)
    np.testing.assert_allclose(depth.numpy(), expected_depth, rtol=1e-5)


def test_shared_edges_leave_no_gap_at_any_angle():
    angles = torch.linspace(0, 2 * torch.pi, 38)[:-1]
    ring = torch.stack([16 + 40 * angles.cos(), 16 + 40 * angles.sin()], -1)
    points = torch.cat([torch.tensor([[16.5, 16.5]]), ring])
    screen = torch.cat([points, torch.full((38, 1), 0.7)], -1)[None]
    fan = [(0, k, k % 37 + 1) if k % 2 else (k % 37 + 1, k, 0) for k in range(1, 38)]
    packed = rasterize(make_triangles(screen, fan, size=32))
    assert (packed != EMPTY).all()


def test_equal_depth_goes_to_the_lower_face_and_outside_is_empty():
    screen = torch.tensor([[[0.0, 0.0, 0.5], [8.0, 0.0, 0.5], [0.0, 8.0, 0.5]]])
    face, depth = unpack(rasterize(make_triangles(screen, [(0, 1, 2), (2, 1, 0)], size=8)))
    assert face[0, 0, 0] == 0
    assert depth[0, 0, 0] == 2
    assert face[0, 7, 7] == -1
    assert depth[0, 7, 7] == torch.inf


def test_transparent_texels_are_holes_through_which_the_face_behind_shows():
    texture = torch.full((2, 2, 4), 255, dtype=torch.uint8)
    texture[0, 1, 3] = 127  # top right: u > .5, v > .5
    corners = torch.tensor([[0.0, 0.0], [8.0, 0.0], [8.0, 8.0], [0.0, 8.0]])
    uvs = torch.tensor([[0.0, 1.0], [1.0, 1.0], [1.0, 0.0], [0.0, 0.0]])
    screen = torch.cat([corners, torch.full((4, 1), 0.8)], -1)[None]
    face, _ = unpack(
        rasterize(make_triangles(screen, [(0, 1, 2), (0, 2, 3)], size=8, uvs=uvs, texture=texture))
    )
    hole = torch.zeros(8, 8, dtype=torch.bool)
    hole[:4, 4:] = True
    assert torch.equal(face[0] == -1, hole)


def test_a_failed_build_says_why_and_leaves_nothing_behind(tmp_path):
    with pytest.raises(ValueError, match="nvcc"):
        build("no_such_architecture", tmp_path)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


@pytest.mark.shared_data
def test_masks_of_a_scanned_object_match_its_reference_pictures(shared_dir):
    folder = shared_dir / "gso-dev" / "teapot"
    with np.load(folder / "mesh.npz", allow_pickle=False) as archive:
        vertices, faces = torch.from_numpy(archive["v"]).float(), archive["f"]
    poses = torch.from_numpy(target_cameras().poses).float()[None]
    scene = torch.zeros(len(vertices), dtype=torch.int64)
    screen = project(vertices, poses, scene, 256)
    mask = rasterize(make_triangles(screen, faces, size=256)) != EMPTY
    for k in range(0, 16, 5):
        with Image.open(folder / f"{k:03d}.png") as picture:
            truth = torch.from_numpy(np.asarray(picture)[..., 3] > 127)
        iou = (mask[k] & truth).sum() / (mask[k] | truth).sum()
        assert iou > 0.999


@pytest.mark.gpu
def test_cuda_and_torch_give_the_same_samples_and_pictures():
    library = make_library().to("cuda")
    scenes = draw_scenes(library, np.arange(3), np.arange(20), seed=1)
    triangles, surface = assemble(library, scenes, image_size=64)
    packed = rasterize_torch(triangles)
    assert torch.equal(rasterize(triangles), packed)
    a, b = (
        torch.empty(triangles.picture_count, 4, 64, 64, dtype=torch.uint8, device="cuda")
        for _ in range(2)
    )
    shade(triangles, surface, packed, a)
    shade_torch(triangles, surface, packed, b)
    assert ((a.int() - b.int()).abs() > 1).float().mean() < 1e-4
