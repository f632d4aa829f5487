from pathlib import Path
from urllib.error import URLError

import numpy as np
import pytest
import torch
from PIL import Image

from harmony.scoring import CDScorer
from tests.tiny_clip import save_tiny_clip

SIDE = 32


@pytest.fixture(autouse=True)
def nothing_is_fetched(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Let the tests' machine neither have nor get the weights of LPIPS and RAFT."""

    def no_network(*_: object, **__: object) -> None:
        raise URLError("no route")

    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))
    monkeypatch.setattr(torch.hub, "download_url_to_file", no_network)


def draw_view(view: int, shade: int) -> Image.Image:
    rgba = np.zeros((SIDE, SIDE, 4), dtype=np.uint8)
    left = 4 + view
    rgba[10:22, left : left + 9] = (shade, 40 + 10 * view, 200 - 10 * view, 255)
    return Image.fromarray(rgba)


@pytest.fixture(scope="session")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with two objects; the second has a mesh file, a cube."""
    folder = tmp_path_factory.mktemp("dataset")
    for name, shade in (("box1", 200), ("red_brick", 120)):
        (folder / name).mkdir()
        for view in range(16):
            draw_view(view, shade).save(folder / name / f"{view:03d}.png")
    corners = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)]) * 0.3
    quads = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
    faces = [face for a, b, c, d in quads for face in ((a, b, c), (a, c, d))]
    np.savez(
        folder / "red_brick" / "mesh.npz",
        v=corners.astype(np.float32),
        f=np.array(faces, dtype=np.int32),
    )
    (folder / "notes").mkdir()
    return folder


@pytest.fixture(scope="session")
def tiny_encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a tiny random CLIP."""
    return save_tiny_clip(tmp_path_factory.mktemp("tiny-clip"))


@pytest.fixture(scope="session")
def scorer(tiny_encoder: Path) -> CDScorer:
    """Return a scorer with the tiny CLIP."""
    return CDScorer.load(tiny_encoder)
