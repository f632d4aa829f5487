from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image, ImageDraw

from harmony.batch.command import main
from tests.fakes import FakeDenoiser
from tests.page_fakes import PixelScorer
from tests.tiny_painters import save_tiny_painter

Run = Callable[..., int]


def draw_picture(path: Path, hue: int = 0) -> Path:
    """Save a disc with its own mask; the hue tells pictures apart."""
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = Image.new("RGBA", (90, 70))
    ImageDraw.Draw(picture).ellipse((20, 10, 69, 59), fill=(200, hue % 256, 30, 255))
    picture.save(path)
    return path


def contents(folder: Path) -> dict[str, bytes]:
    """Return every file below the folder."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture
def model() -> FakeDenoiser:
    return FakeDenoiser()


@pytest.fixture
def run(model: FakeDenoiser) -> Run:
    """Return the real command line in front of the fake network."""

    def call(*arguments: object, **replaced: FakeDenoiser) -> int:
        chosen = replaced.get("model", model)
        return main(
            [str(argument) for argument in (*arguments, "--device", "cpu")],
            load=lambda name, device: chosen,
            load_scorer=lambda name, device: PixelScorer(),
        )

    return call


@pytest.fixture(scope="session")
def tiny_painter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a tiny Stable Diffusion pipeline."""
    return save_tiny_painter("sd", tmp_path_factory.mktemp("painters") / "tiny-sd")
