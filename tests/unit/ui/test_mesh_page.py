import threading
import time
from dataclasses import asdict

import pytest
import torch
from PIL import Image

from harmony import reconstruction
from harmony.reconstruction.records import Progress, ReconstructionReport
from harmony.records import Views
from harmony.ui.clock import ShareClock
from harmony.ui.events import MeshReady
from harmony.ui.mesh_actions import done_text, stage_text
from harmony.ui.mesh_building import building
from harmony.ui.mesh_files import MeshFiles
from harmony.ui.mesh_turntable import MeshStrips, mesh_turntable_value
from tests.page_fakes import fake_engine


@pytest.fixture
def ready(tmp_path) -> MeshReady:
    ious = tuple(0.99 if view != 5 else 0.875 for view in range(16))
    report = ReconstructionReport(
        silhouette_iou=sum(ious) / 16,
        view_ious=ious,
        watertight=True,
        faces=1234,
        seconds=3.0,
        rejected_views=(3,),
    )
    files = MeshFiles(None, None, tmp_path)  # pyright: ignore[reportArgumentType]
    paths = [tmp_path / f"{name}.webp" for name in ("colored", "surface", "difference")]
    for path in paths:
        Image.new("RGB", (64, 4)).save(path)
    return MeshReady(files, asdict(report), 3.2, MeshStrips(*paths))


def test_the_status_tells_the_figures(ready):
    text = done_text(ready)
    assert "1234 triangles" in text
    assert "watertight" in text
    assert "98.3 % on average (worst: 87.5 % at 112.5°)" in text
    assert text.endswith("contradict the others: 67.5°.")


def test_an_open_mesh_is_called_open(ready):
    open_mesh = MeshReady(
        ready.files, ready.report | {"watertight": False, "rejected_views": ()}, 3.2, ready.strips
    )
    assert "not watertight" in done_text(open_mesh)
    assert "Left out" not in done_text(open_mesh)


def test_the_turntable_turns_with_the_views(ready, tmp_path):
    value = mesh_turntable_value(tmp_path / "colored.webp", ready.strips, ready.report)
    assert value["group"] == "main"
    assert value["frames"] == 16
    assert [card["id"] for card in value["samples"]] == ["views", "mesh", "shape", "difference"]
    assert all(card["strip"].startswith("data:image/webp") for card in value["samples"])
    assert "112.5° 88 %" in value["samples"][3]["note"]
    assert value["samples"][3]["badge"] == "98.3 % agree"


def test_time_left_is_told_once_it_can_be_known():
    now = [0.0]
    clock = ShareClock(lambda: now[0])
    now[0] = 5.0
    assert clock.left(0.05) is None
    assert clock.left(0.25) == pytest.approx(15.0)
    assert stage_text("matching the views", None) == "Building the mesh: matching the views"
    assert stage_text("matching the views", 15.0).endswith("about 15 s left")


def test_a_fine_mesh_is_refused_before_any_work_where_there_is_no_gpu(tmp_path):
    with pytest.raises(ValueError, match="one of draft, standard"):
        next(fake_engine().reconstruct(tmp_path / "views.zip", "fine", tmp_path))


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_a_mesh_is_built_on_the_engines_device_and_can_be_stopped(tmp_path, monkeypatch, device):
    views = Views(torch.ones(1, 16, 3, 8, 8), torch.ones(1, 16, 1, 8, 8))
    asked, stopped = [], threading.Event()

    def reconstruct(views, *, quality, device, on_progress):
        asked.append((quality, device))
        try:
            for _ in range(10_000):
                on_progress(Progress("refining", 0.5))
                time.sleep(0.001)
        finally:
            stopped.set()

    monkeypatch.setattr(reconstruction, "reconstruct", reconstruct)
    work = iter(building(views, "standard", tmp_path, device=device))
    assert next(work) == ("refining", 0.4)
    work.close()  # pyright: ignore[reportAttributeAccessIssue]
    assert stopped.wait(5)
    assert asked == [("standard", device)]
