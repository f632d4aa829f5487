"""The page as programs see it: gradio_client on a live port."""

from __future__ import annotations

import json
import math
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from PIL import Image

from harmony.recipe import recipe_from_json
from tests.e2e.conftest import STEPS, Live
from tests.e2e.look import mesh_of


@pytest.fixture
def client(live: Live, tmp_path: Path) -> Iterator[Client]:
    opened = Client(live.url, download_files=tmp_path / "downloads", verbose=False)
    yield opened
    opened.close()


def generate(client: Client, picture: Path, **settings):
    return client.predict(picture=handle_file(str(picture)), api_name="/generate", **settings)


def test_a_run_returns_pictures_zips_scores_and_a_recipe(client, picture):
    done, pictures, zips, scores, recipe = generate(
        client, picture, s1=1.5, s2=0.5, instances=2, first_seed=7, object_name="egg"
    )
    assert done["done"] is True
    assert len(pictures) == 32
    for shown in pictures:
        with Image.open(shown["image"]) as view:
            assert view.size == (128, 128)
            assert len(view.convert("RGB").getcolors(maxcolors=128 * 128) or []) > 1
    assert [entry["seed"] for entry in scores] == [7, 8]
    assert all(math.isfinite(entry["score"]["ratio"]) for entry in scores)
    assert {entry["score"]["encoder"] for entry in scores} == {"pixel-means"}
    assert (recipe["guidance"]["s1"], recipe["seeds"]) == (1.5, [7, 8])
    with zipfile.ZipFile(zips[1]) as archive:
        own = recipe_from_json(archive.read("recipe.json").decode())
    assert own.seeds == (8,)


def test_a_client_that_says_nothing_gets_what_the_dials_say(client, picture):
    *_, recipe = generate(client, picture)
    assert recipe["sampler"]["num_steps"] == STEPS
    assert recipe["guidance"] == {"rule": "decomposed", "s1": 2.0, "s2": 1.0, "cfg_scale": 1.0}


def test_steps_are_streamed(client, picture):
    job = client.submit(
        picture=handle_file(str(picture)), num_steps=5, instances=2, api_name="/generate"
    )
    job.result(timeout=60)
    steps = [(out[0]["pass"], out[0]["step"]) for out in job.outputs() if "step" in out[0]]
    assert steps == [(number, step) for number in (1, 2) for step in range(1, 6)]


def test_the_same_recipe_gives_the_same_bytes(client, picture):
    first, second = (generate(client, picture, first_seed=3)[2][0] for _ in range(2))
    other = generate(client, picture, first_seed=4)[2][0]
    assert Path(first).read_bytes() == Path(second).read_bytes()
    assert Path(first).read_bytes() != Path(other).read_bytes()


def test_a_seed_does_not_depend_on_its_neighbours(client, picture):
    alone = generate(client, picture, first_seed=9)[1]
    among = generate(client, picture, first_seed=8, instances=2)[1][16:]
    assert [Path(p["image"]).read_bytes() for p in alone] == [
        Path(p["image"]).read_bytes() for p in among
    ]


def test_stop_ends_the_work_and_not_only_the_waiting(live, client, picture):
    with live.model.slowed(0.2):
        live.model.working.clear()
        job = client.submit(picture=handle_file(str(picture)), num_steps=400, api_name="/generate")
        assert live.model.working.wait(20)
        job.cancel()
        calls, deadline = -1, time.monotonic() + 20
        while calls != len(live.model.calls) and time.monotonic() < deadline:
            calls = len(live.model.calls)
            time.sleep(0.5)
        assert calls == len(live.model.calls)
        timesteps = {timestep for timestep, _, _ in live.model.calls}
        assert len(timesteps) < 399
    assert generate(client, picture)[0]["done"] is True


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"s1": 5}, "4"),
        ({"s2": -1}, "0"),
        ({"first_seed": -1}, "0"),
        ({"num_steps": 10**9}, "1000"),
        ({"num_steps": 0}, "1"),
        ({"instances": 9}, "8"),
        ({"elevation_deg": 1000}, "90"),
        ({"rule": "magic"}, "magic"),
        ({"sampler": "euler"}, "euler"),
        ({"cutout": "someone-elses"}, "someone-elses"),
        ({"object_name": "12"}, "letters"),
    ],
)
def test_a_setting_that_will_not_do_gets_one_sentence(client, picture, settings, sentence):
    with pytest.raises((AppError, ValueError)) as caught:
        generate(client, picture, **settings)
    message = str(caught.value)
    assert sentence in message
    assert "Traceback" not in message
    assert len(message) < 300


def test_not_a_number_by_hand_gets_one_sentence(live, picture):
    """The client refuses to send NaN; a program of one's own may not."""
    api = f"{live.url}gradio_api"
    (path,) = httpx.post(f"{api}/upload", files={"files": picture.read_bytes()}).json()
    file = json.dumps({"path": path, "meta": {"_type": "gradio.FileData"}})
    dials = '"u2netp", 0.8, 30, "decomposed", NaN, 1, 1, "ddim", 4, 1, 1, 0, "egg"'
    sent = httpx.post(
        f"{api}/call/generate",
        content=f'{{"data": [{file}, {dials}]}}',
        headers={"content-type": "application/json"},
    )
    answer = httpx.get(f"{api}/call/generate/{sent.json()['event_id']}", timeout=30)
    assert "event: error" in answer.text
    assert "s1 must be a number" in answer.text or "nan" in answer.text
    assert "Traceback" not in answer.text


def test_what_is_no_picture_gets_one_sentence(client, tmp_path):
    (tmp_path / "noise.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(range(256)))
    with pytest.raises(AppError, match="picture"):
        generate(client, tmp_path / "noise.png")


@pytest.mark.parametrize("mode", ["CMYK", "L", "P", "RGBA"])
def test_unusual_pictures_are_read(client, tmp_path, picture, mode):
    with Image.open(picture) as opened:
        flat = Image.new("RGB", opened.size, "white")
        flat.paste(opened, mask=opened.getchannel("A"))
    ending = "jpg" if mode == "CMYK" else "png"
    unusual = flat.convert(mode)
    unusual.save(tmp_path / f"unusual.{ending}")
    cutout, warnings = client.predict(
        picture=handle_file(str(tmp_path / f"unusual.{ending}")), cutout="none", api_name="/cutout"
    )
    with Image.open(cutout) as shown:
        assert shown.mode == "RGBA"
    assert all(warning.endswith(".") for warning in warnings)


def test_views_are_scored_again_for_another_name(client, picture):
    *_, zips, scores, _ = generate(client, picture, object_name="egg")
    same = client.predict(views_zip=handle_file(zips[0]), object_name="egg", api_name="/score")
    other = client.predict(
        views_zip=handle_file(zips[0]), object_name="large brown egg", api_name="/score"
    )
    assert same["ratio"] == pytest.approx(scores[0]["score"]["ratio"], rel=0.05)
    assert other["ratio"] != pytest.approx(same["ratio"], rel=0.2)


def test_views_become_a_mesh_in_every_format(client, picture):
    zips = generate(client, picture)[2]
    _, glb, files, report = client.predict(
        views_zip=handle_file(zips[0]), quality="draft", api_name="/reconstruct"
    )
    assert sorted(Path(file).suffix for file in files) == [".glb", ".ply", ".stl", ".zip"]
    mesh = mesh_of(glb)
    assert len(mesh.faces) > 500
    assert report["faces"] == len(mesh.faces)
    with zipfile.ZipFile(next(file for file in files if file.endswith(".zip"))) as archive:
        endings = {Path(name).suffix for name in archive.namelist()}
    assert {".obj", ".mtl", ".png"} <= endings


def test_a_zip_of_something_else_gets_one_sentence(client, tmp_path):
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as archive:
        archive.writestr("readme.txt", "hello")
    with pytest.raises(AppError, match="not a zip of views"):
        client.predict(
            views_zip=handle_file(str(tmp_path / "other.zip")),
            quality="draft",
            api_name="/reconstruct",
        )


def test_two_clients_at_once_get_their_own(live, picture, tmp_path):
    clients = [Client(live.url, download_files=tmp_path / str(k), verbose=False) for k in (0, 1)]
    jobs = [
        client.submit(picture=handle_file(str(picture)), first_seed=seed, api_name="/generate")
        for client, seed in zip(clients, (11, 22), strict=True)
    ]
    seeds = [job.result(timeout=60)[3][0]["seed"] for job in jobs]
    assert seeds == [11, 22]
    folders = [folder for folder in live.folder.iterdir() if folder.name.startswith("visit-")]
    assert len(folders) >= 2
    for client in clients:
        client.close()


def test_nobody_can_list_or_guess_anothers_files(live, client, picture):
    generate(client, picture)
    # Folders of visitors that have left may still stand there, empty by now.
    result = next(live.folder.glob("visit-*/*"))
    visit = result.parent
    for path in (live.folder, visit, result, visit / "recipe.json", live.folder / "recipe.json"):
        answer = httpx.get(f"{live.url}gradio_api/file={path}")
        assert answer.status_code in {403, 404}
    assert httpx.get(f"{live.url}gradio_api/file=/etc/hostname").status_code == 403
