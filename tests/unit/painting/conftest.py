from __future__ import annotations

from pathlib import Path

import pytest

from tests.tiny_painters import save_tiny_painter


@pytest.fixture(scope="session")
def tiny_painter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a tiny Stable Diffusion pipeline."""
    return save_tiny_painter("sd", tmp_path_factory.mktemp("painters") / "tiny-sd")
