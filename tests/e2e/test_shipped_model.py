"""The whole road with the weights that ship, at few steps."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from gradio_client import Client, handle_file
from PIL import Image

from harmony.ui.loading import standard_engine
from tests.e2e.look import mesh_of


@pytest.fixture(scope="module", params=["small"])
def shipped(
    request: pytest.FixtureRequest,
    serve: Callable[..., str],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Client]:
    """Open a client on a page in front of a shipped model."""
    downloads = tmp_path_factory.mktemp("downloads")
    client = Client(
        serve(standard_engine(request.param, "cpu")), download_files=downloads, verbose=False
    )
    yield client
    client.close()


def test_a_picture_becomes_views_scores_and_a_mesh(shipped: Client, picture: Path):
    _, pictures, zips, scores, recipe = shipped.predict(
        picture=handle_file(str(picture)),
        num_steps=4,
        instances=1,
        object_name="egg",
        api_name="/generate",
    )
    assert len(pictures) == 16
    for shown in pictures:
        with Image.open(shown["image"]) as view:
            assert len(view.convert("L").getcolors(256) or []) > 1
    assert math.isfinite(scores[0]["score"]["diversity"])
    assert scores[0]["score"]["encoder"] == "small"
    assert recipe["model"] == "small"
    _, glb, *_ = shipped.predict(
        views_zip=handle_file(zips[0]), quality="draft", api_name="/reconstruct"
    )
    assert len(mesh_of(glb).faces) > 500
