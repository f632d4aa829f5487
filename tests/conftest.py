"""Fixtures for all tests, and the markers that depend on the machine.

A test that cannot run here is deselected, and the summary says why; it is never skipped.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
import torch

from tests.fakes import FakeDenoiser

ROOT = Path(__file__).resolve().parent.parent
SHARED = ROOT.parent / "shared"
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
REASONS = pytest.StashKey[dict[str, int]]()


def _missing() -> dict[str, str]:
    """Return the markers whose need is not met here, each with the reason."""
    missing = {}
    if not SHARED.is_dir():
        missing["shared_data"] = "the reference folder ../shared is not there"
    if not torch.cuda.is_available():
        missing["gpu"] = "there is no CUDA device"
    if not any(shutil.which(name) for name in BROWSERS):
        missing["browser"] = "there is no Chromium"
    if not _has_gltf_validator():
        missing["gltf_validator"] = "node does not find the package gltf-validator (NODE_PATH)"
    return missing


def _has_gltf_validator() -> bool:
    node = shutil.which("node")
    if node is None:
        return False
    asked = [node, "-e", "require.resolve('gltf-validator')"]
    return subprocess.run(asked, capture_output=True, check=False).returncode == 0


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    missing = _missing()
    kept, dropped, reasons = [], [], {}
    for item in items:
        unmet = [marker for marker in missing if item.get_closest_marker(marker)]
        (dropped if unmet else kept).append(item)
        for marker in unmet[:1]:
            line = f"{marker}: {missing[marker]}"
            reasons[line] = reasons.get(line, 0) + 1
    config.stash[REASONS] = reasons
    if dropped:
        config.hook.pytest_deselected(items=dropped)
        items[:] = kept


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    for reason, count in config.stash.get(REASONS, {}).items():
        terminalreporter.write_line(f"deselected {count} test(s), {reason}")


@pytest.fixture(scope="session")
def shared_dir() -> Path:
    """Return the folder of reference data that is not part of the repository."""
    return SHARED


@pytest.fixture
def model() -> FakeDenoiser:
    """Return a fresh fake denoiser."""
    return FakeDenoiser()
