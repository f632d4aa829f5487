from __future__ import annotations

import csv
import io
import json
import zipfile
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from harmony.cameras import target_cameras
from harmony.export import (
    camera_to_world_opengl,
    cameras_json,
    cutout_images,
    nerf_transforms_json,
    png_bytes,
    run_files,
    scores_csv,
    scores_json,
    strip,
    turntable_gif,
    view_images,
    write_zip,
)
from harmony.noise import SeededNoise
from harmony.pipeline import Sample
from harmony.recipe import recipe_from_json, recipe_from_png
from harmony.records import CDScore, Views
from tests.fakes import FakeDenoiser
from tests.unit.test_recipe import RECIPE

SCORE = CDScore(
    *(0.5, 0.25, 2.0, "official", "small"),
    tuple(n / 100 for n in range(16)),
    tuple(0.2 + n / 100 for n in range(16)),
)


def samples(score: CDScore | None = SCORE) -> list[Sample]:
    model = FakeDenoiser()
    noise = SeededNoise([0, 7]).draw((16, *model.latent_shape))
    views = [model.decode(latents[None]) for latents in noise]
    return [Sample(seed, view, score) for seed, view in zip((0, 7), views, strict=True)]


def test_pictures_and_masks_have_the_values_of_the_views():
    views = samples()[0].views
    pictures, cutouts = view_images(views), cutout_images(views)
    assert len(pictures) == len(cutouts) == 1
    assert len(pictures[0]) == len(cutouts[0]) == 16
    assert (pictures[0][3].mode, cutouts[0][3].mode) == ("RGB", "RGBA")
    expected = (views.pixels[0, 3].permute(1, 2, 0) * 255).round().to(torch.uint8).numpy()
    assert np.array_equal(np.asarray(pictures[0][3]), expected)
    mask = np.asarray(cutouts[0][3].getchannel("A"))
    assert np.array_equal(mask, np.asarray((views.alpha[0, 3, 0] * 255).round()))


def test_a_cutout_on_white_is_the_view_again():
    alpha = torch.linspace(0, 1, 64).view(1, 1, 1, 8, 8)
    colour = torch.tensor([0.9, 0.4, 0.1]).view(1, 1, 3, 1, 1)
    views = Views(colour * alpha + 1 - alpha, alpha)
    (cutout,) = cutout_images(views)[0]
    values = np.asarray(cutout).astype(float) / 255
    again = values[..., :3] * values[..., 3:] + 1 - values[..., 3:]
    assert np.abs(again - views.pixels[0, 0].permute(1, 2, 0).numpy()).max() <= 1.01 / 255
    # Straight colour: an edge brings no white fringe to another background.
    half = values[4, 0]
    assert 0.3 < half[3] < 0.7
    assert half[:3] == pytest.approx([0.9, 0.4, 0.1], abs=0.02)
    assert values[0, 0].tolist() == [1, 1, 1, 0]


def test_a_strip_holds_the_views_in_order():
    views = view_images(samples()[0].views)[0]
    joined = strip(views)
    assert joined.size == (16 * 32, 32)
    for index, view in enumerate(views):
        assert joined.crop((index * 32, 0, index * 32 + 32, 32)).tobytes() == view.tobytes()
    for wrong in ([], [Image.new("RGB", (2, 2)), Image.new("RGB", (3, 2))]):
        with pytest.raises(ValueError, match="same size"):
            strip(wrong)


def test_png_bytes_repeat_and_read_back():
    view = view_images(samples()[0].views)[0][0]
    assert png_bytes(view) == png_bytes(view.copy())
    with Image.open(io.BytesIO(png_bytes(view))) as opened:
        assert opened.tobytes() == view.tobytes()


def test_the_turntable_shows_all_views_for_ever():
    views = view_images(samples()[0].views)[0]
    with Image.open(io.BytesIO(turntable_gif(views, frame_ms=100))) as gif:
        assert gif.n_frames == 16  # pyright: ignore[reportAttributeAccessIssue]
        assert gif.info["loop"] == 0
        assert gif.info["duration"] == 100
        gif.seek(5)
        found = np.asarray(gif.convert("RGB")).astype(int)
    assert np.abs(found - np.asarray(views[5]).astype(int)).mean() < 4


def test_nerf_cameras_see_the_same_pixels():
    cameras = target_cameras(64)
    transforms = json.loads(nerf_transforms_json(cameras))
    assert len(transforms["frames"]) == 16
    point = np.array([0.21, -0.13, 0.3])
    for pose, frame in zip(cameras.poses, transforms["frames"], strict=True):
        x, y, z = pose[:, :3] @ point + pose[:, 3]
        u, v = cameras.intrinsics[0, 0] * x / z + 32, cameras.intrinsics[1, 1] * y / z + 32
        matrix = np.array(frame["transform_matrix"])
        gx, gy, gz = np.linalg.inv(matrix)[:3] @ np.append(point, 1)
        assert gz < 0  # in front of an OpenGL camera
        assert transforms["fl_x"] * gx / -gz + transforms["cx"] == pytest.approx(u)
        assert transforms["cy"] - transforms["fl_y"] * gy / -gz == pytest.approx(v)
        assert np.linalg.det(matrix[:3, :3]) == pytest.approx(1)
        assert matrix[2, 3] == pytest.approx(0.75)  # 1.5 sin 30 deg above the ground
    half = 32 / transforms["fl_x"]
    assert transforms["camera_angle_x"] == pytest.approx(2 * np.arctan(half))
    assert np.allclose(camera_to_world_opengl(np.eye(3, 4)), np.diag([1, -1, -1, 1]))


def test_the_camera_file_holds_the_ring():
    values = json.loads(cameras_json(target_cameras(32)))
    assert np.allclose(values["poses"], target_cameras(32).poses)
    assert values["intrinsics"][0][0] == pytest.approx(280 / 8)
    assert values["azimuths_deg"][4] == 90
    assert "OpenCV" in values["conventions"]


def test_scores_name_their_encoder():
    values = json.loads(scores_json(samples(), "teapot"))
    assert values["encoder"] == "small"
    assert values["object_name"] == "teapot"
    assert [entry["seed"] for entry in values["scores"]] == [0, 7]
    assert values["scores"][0]["cd_score"]["ratio"] == 2.0


def test_scores_that_are_not_finite_or_not_there_are_null():
    odd = CDScore(0.5, float("nan"), None, "official", "small", (float("inf"),), ())
    values = json.loads(scores_json(samples(odd), "teapot"))["scores"][0]["cd_score"]
    assert values["semantic_variance"] is None
    assert values["ratio"] is None
    assert values["view_distances"] == [None]
    unscored = json.loads(scores_json(samples(None), "teapot"))
    assert unscored["encoder"] is None
    assert unscored["scores"][0]["cd_score"] is None


def test_the_table_of_scores_has_a_row_for_each_view():
    found = list(csv.DictReader(io.StringIO(scores_csv(samples(), "teapot", target_cameras()))))
    assert len(found) == 32
    row = found[16 + 4]
    assert (row["seed"], row["view"], row["object_name"]) == ("7", "4", "teapot")
    assert (float(row["cd"]), float(row["d"]), float(row["s_var"])) == (2.0, 0.5, 0.25)
    assert (float(row["azimuth_deg"]), float(row["elevation_deg"])) == (90.0, 30.0)
    assert float(row["distance"]) == SCORE.view_distances[4]
    assert float(row["text_similarity"]) == SCORE.text_similarities[4]
    odd = CDScore(0.5, float("nan"), None, "official", "small")
    (*_, last) = csv.DictReader(io.StringIO(scores_csv(samples(odd), "cup", target_cameras())))
    assert (last["cd"], last["s_var"], last["distance"], last["view"]) == ("", "", "", "15")
    assert len(scores_csv(samples(None), "teapot", target_cameras()).splitlines()) == 1


def test_a_run_leaves_its_files():
    files = dict(run_files(samples(), RECIPE))
    expected = {"recipe.json", "scores.json", "cameras.json"}
    for folder in ("seed-0000", "seed-0007"):
        expected |= {f"{folder}/view-{i:02d}.png" for i in range(16)}
        expected |= {f"{folder}/view-{i:02d}.alpha.png" for i in range(16)}
        expected.add(f"{folder}/strip.png")
    assert set(files) == expected
    assert recipe_from_json(files["recipe.json"].decode()) == RECIPE
    for picture in ("strip", "view-03"):
        assert recipe_from_png(files[f"seed-0007/{picture}.png"]) == replace(RECIPE, seeds=(7,))


def test_the_zip_is_whole_and_repeats(tmp_path):
    first = write_zip(tmp_path / "a.zip", samples(), RECIPE)
    again = write_zip(tmp_path / "b.zip", samples(), RECIPE)
    assert first.read_bytes() == again.read_bytes()
    with zipfile.ZipFile(first) as archive:
        assert archive.testzip() is None
        names = set(archive.namelist())
        content = {name: archive.read(name) for name in names}
    files = {
        name: data for name, data in run_files(samples(), RECIPE) if not name.endswith(".alpha.png")
    }
    extras = {"turntable.gif", "turntable.mp4", "transforms.json"}
    own = {f"seed-{seed:04d}/{name}" for seed in (0, 7) for name in extras}
    assert names == set(files) | own | {"scores.csv"}
    for name, expected in files.items():
        assert content[name] == expected or "/view-" in name
    for frame in json.loads(content["seed-0000/transforms.json"])["frames"]:
        assert f"seed-0000/{frame['file_path']}" in names
        with Image.open(io.BytesIO(content[f"seed-0000/{frame['file_path']}"])) as view:
            assert view.mode == "RGBA"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.zip", "b.zip"]


def test_a_zip_that_cannot_be_written_leaves_nothing(tmp_path):
    with pytest.raises(ValueError, match="cannot be written"):
        write_zip(tmp_path / "absent" / "a.zip", samples(), RECIPE)
    with pytest.raises(ValueError, match="no finished sample"):
        write_zip(tmp_path / "a.zip", [], RECIPE)
    assert list(tmp_path.iterdir()) == []
