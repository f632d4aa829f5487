import io
import json

import numpy as np
import pytest
import torch
from PIL import Image

from harmony.training.objects import build_library, load_library, training_split
from tests.unit.training.shapes import box, make_library, sphere


def write_object_set(folder, meshes):
    """Encode meshes as the object format describes it."""
    rows = {name: [] for name in ("pos", "uv", "face", "mat", "rgb", "tex")}
    offsets = {name: [0] for name in ("pos", "uv", "face", "layer", "tex")}
    ranges, images, index = [], [], []
    for number, mesh in enumerate(meshes):
        grid = np.round((mesh.positions + 0.5) * 65535).astype(np.uint16)
        rows["pos"].append(np.diff(grid, axis=0, prepend=np.zeros((1, 3), np.uint16)))
        textured = len(mesh.textures) > 0
        uv = np.round(mesh.uvs * 65535).astype(np.uint16)[: None if textured else 0]
        rows["uv"].append(np.diff(uv, axis=0, prepend=np.zeros((1, 2), np.uint16)))
        ranges.append([0, 0, 1 / 65535, 1 / 65535])
        seen, codes = {}, []
        order = mesh.faces.reshape(-1)
        for vertex in order:  # these meshes introduce their vertices in rising order
            new = vertex not in seen
            codes.append(0 if new else len(seen) - seen[vertex])
            seen.setdefault(vertex, len(seen))
        rows["face"].append(np.array(codes, np.uint16))
        rows["mat"].append(mesh.face_layer.astype(np.uint8))
        rows["rgb"].append(mesh.layer_color)
        rows["tex"].append(np.where(mesh.layer_texture >= 0, len(images), -1).astype(np.int32))
        for texture in mesh.textures:
            file = io.BytesIO()
            Image.fromarray(texture).save(file, "WEBP", lossless=True)
            images.append(np.frombuffer(file.getvalue(), np.uint8))
            offsets["tex"].append(offsets["tex"][-1] + len(images[-1]))
        lengths = (len(grid), len(uv), len(mesh.faces), len(mesh.layer_color))
        for name, length in zip(("pos", "uv", "face", "layer"), lengths, strict=True):
            offsets[name].append(offsets[name][-1] + length)
        index.append(
            {
                "name": mesh.name,
                "category": mesh.category,
                "has_texture": mesh.has_colour,
                "smooth": mesh.smooth,
                "shard": "objects-00.npz",
                "offset": number,
            }
        )
    arrays = {name: np.concatenate(value) for name, value in rows.items()}
    arrays |= {f"{name}_off": np.array(value) for name, value in offsets.items()}
    arrays |= {"uv_range": np.array(ranges, np.float32), "tex_bytes": np.concatenate(images)}
    np.savez(folder / "objects-00.npz", allow_pickle=False, **arrays)
    (folder / "index.jsonl").write_text("\n".join(json.dumps(line) for line in index) + "\n")


def rising(mesh):
    """Renumber vertices in the order in which the faces name them, as the format wants."""
    order = list(dict.fromkeys(mesh.faces.reshape(-1).tolist()))
    place = np.argsort(order)
    fields = {**mesh.__dict__, "positions": mesh.positions[order], "uvs": mesh.uvs[order]}
    return type(mesh)(**{**fields, "faces": place[mesh.faces]})


def test_object_set_reads_back_as_it_was_written(tmp_path):
    texture = np.random.default_rng(0).integers(0, 256, (5, 7, 4), dtype=np.uint8)
    texture[..., 3] = 255
    texture[2, 3, 3] = 0
    uvs = np.random.default_rng(1).random((8, 2))
    layers = np.arange(12) % 2
    meshes = [
        rising(box(name="crate", face_layer=layers, colors=((1, 2, 3), (4, 5, 6)))),
        rising(box((0.2, 1.0, 0.3), name="parcel", uvs=uvs, texture=texture, smooth=False)),
    ]
    write_object_set(tmp_path, meshes)
    library = load_library(tmp_path)
    assert library.names == ("crate", "parcel")
    for k, mesh in enumerate(meshes):
        vertices = slice(*library.vertex_start[k : k + 2])
        faces = slice(*library.face_start[k : k + 2])
        np.testing.assert_allclose(library.positions[vertices], mesh.positions, atol=1e-5)
        assert np.array_equal(library.faces[faces], mesh.faces)
        assert np.array_equal(library.face_layer[faces], mesh.face_layer)
    np.testing.assert_allclose(library.uvs[library.vertex_start[1] :], meshes[1].uvs, atol=1e-4)
    np.testing.assert_allclose(library.layer_color[:2] * 255, [[1, 2, 3], [4, 5, 6]], atol=1e-4)
    first, width, height, holes = library.texture_table[library.layer_texture[2]].tolist()
    assert (width, height, holes) == (7, 5, 1)
    read = library.texels[first : first + 35].view(5, 7, 4).numpy()
    visible = texture[..., 3] > 0
    assert np.array_equal(read[visible], texture[visible])
    assert np.array_equal(library.layer_has_holes, [False, False, True])
    one = load_library(tmp_path, object_ids=[1])
    assert one.names == ("parcel",)
    with pytest.raises(ValueError, match="Object 2"):
        load_library(tmp_path, object_ids=[2])


def test_a_folder_without_index_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"index\.jsonl"):
        load_library(tmp_path)


def test_normals_are_flat_on_a_box_and_radial_on_a_sphere_whatever_the_winding():
    library = build_library([box(), sphere(16), sphere(16, smooth=False)])
    start = library.face_start
    corners = library.faces.long()
    flat = library.corner_normals[: start[1]]
    assert torch.allclose(flat.abs().amax(-1), torch.ones(12, 3))
    smooth = slice(start[1], start[2])
    places = library.positions[library.vertex_start[1] :][corners[smooth]]
    radial = torch.nn.functional.normalize(places, dim=-1)
    cosine = (library.corner_normals[smooth] * radial).sum(-1).abs()
    assert cosine.min() > 0.99
    unsmoothed = library.corner_normals[start[2] :]
    assert torch.equal(unsmoothed[:, 0], unsmoothed[:, 2])


def test_split_holds_out_all_objects_of_a_name_and_is_stable():
    names = [f"thing {k // 2}" for k in range(60)] + ["chair"] * 9
    meshes = [box(name=name) for name in names]
    meshes += [box(name="abstract", category="random shape")] * 5
    library = build_library(meshes)
    training, validation = training_split(library, held_out_names=7)
    assert sorted(training + validation) == list(range(len(library)))
    held_out = {library.names[k] for k in validation}
    assert len(held_out) == 7
    assert len(validation) == 14
    assert held_out.isdisjoint(library.names[k] for k in training)
    shuffled = build_library(meshes[::-1])
    again = {shuffled.names[k] for k in training_split(shuffled, held_out_names=7)[1]}
    assert again == held_out


def test_a_library_moves_as_a_whole():
    library = make_library().to("meta")
    assert library.device.type == "meta"
    assert library.texels.device.type == "meta"
    with pytest.raises(ValueError, match="at least one"):
        build_library([])


@pytest.mark.shared_data
def test_real_objects_fill_the_unit_cube(shared_dir):
    library = load_library(shared_dir / "objects", object_ids=range(1500, 1540))
    assert library.positions.abs().max() <= 0.5
    assert torch.isfinite(library.corner_normals).all()
    assert library.uvs.abs().max() < 1000
    sides = (library.box_max - library.box_min).max(1)
    assert sides.min() > 0.99
