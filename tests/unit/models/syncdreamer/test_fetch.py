"""Where the weights come from; no test reaches the network."""

from __future__ import annotations

import hashlib
from collections import namedtuple
from pathlib import Path

import pytest
import torch
from huggingface_hub.errors import LocalEntryNotFoundError

from harmony.models import registry
from harmony.models.syncdreamer import convert, fetch
from harmony.models.syncdreamer.fetch import (
    VARIABLE,
    WeightsSource,
    WeightsUnavailableError,
    find_weights,
)
from harmony.models.syncdreamer.loading import load_syncdreamer
from harmony.models.syncdreamer.network import SyncDreamerNetwork

from .conftest import TINY
from .test_convert import official_state, save

Downloads = list[tuple[tuple[object, ...], dict[str, object]]]


@pytest.fixture(autouse=True)
def tiny_sizes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the conversion expect the tiny networks, and start without settings."""
    monkeypatch.setattr(convert, "SyncDreamerConfig", lambda: TINY)
    monkeypatch.delenv(VARIABLE, raising=False)


@pytest.fixture
def checkpoint(network: SyncDreamerNetwork, tmp_path: Path) -> Path:
    return save(tmp_path / "official.ckpt", official_state(network))


@pytest.fixture
def hub(checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> Downloads:
    """A hub that serves the tiny checkpoint and notes every call."""
    calls: Downloads = []

    def serve(*arguments: object, **options: object) -> str:
        calls.append((arguments, options))
        return str(checkpoint)

    monkeypatch.setattr(fetch, "hf_hub_download", serve)
    return calls


def _source(checkpoint: Path) -> WeightsSource:
    content = checkpoint.read_bytes()
    return WeightsSource(
        "someone/mirror", "file.ckpt", hashlib.sha256(content).hexdigest(), len(content)
    )


def test_download_is_converted_once(hub: Downloads, checkpoint: Path, tmp_path: Path) -> None:
    source, cache = _source(checkpoint), tmp_path / "cache"
    folder = find_weights(source=source, cache=cache)
    assert hub[0][0] == ("someone/mirror", "file.ckpt")
    assert find_weights(source=source, cache=cache) == folder
    assert len(hub) == 1
    assert folder.parent == cache


def test_wrong_file_is_refused(hub: Downloads, checkpoint: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="sha256"):
        find_weights(source=WeightsSource(size=1), cache=tmp_path / "cache")
    assert not (tmp_path / "cache").exists()


def test_given_path_and_variable(
    hub: Downloads, checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = tmp_path / "cache"
    folder = find_weights(checkpoint, cache=cache)
    assert find_weights(folder) == folder
    monkeypatch.setenv(VARIABLE, str(checkpoint))
    assert find_weights(cache=cache) == folder
    with pytest.raises(ValueError, match="no SyncDreamer weights at"):
        find_weights(tmp_path / "absent")
    assert not hub


def test_offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(fetch, "try_to_load_from_cache", lambda *_: "cached")
    source = WeightsSource(repo_id="nobody/such-a-repository")
    with pytest.raises(WeightsUnavailableError, match=rf"nobody/such.*5\.57 GB.*{VARIABLE}"):
        find_weights(source=source, cache=tmp_path, local_only=True)

    def unreachable(*_: object, **__: object) -> str:
        raise LocalEntryNotFoundError("no connection")

    monkeypatch.setattr(fetch, "hf_hub_download", unreachable)
    with pytest.raises(WeightsUnavailableError, match="Go online once"):
        find_weights(source=source, cache=tmp_path)


def test_full_disk_is_noticed_before_the_download(
    hub: Downloads, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    usage = namedtuple("usage", "total used free")(10, 10, 0)
    monkeypatch.setattr(fetch.shutil, "disk_usage", lambda _: usage)
    with pytest.raises(ValueError, match=r"8\.4 GB"):
        find_weights(cache=tmp_path)
    assert not hub


def test_progress_counts_resumed_bytes() -> None:
    seen = []
    bar = fetch._progress_bar(WeightsSource(size=100), lambda *step: seen.append(step))
    with bar(total=100, initial=40, disable=True) as progress:
        progress.update(25)
        progress.update(35)
    assert [step[1:] for step in seen] == [(65, 100), (100, 100)]


def test_load(checkpoint: Path, tmp_path: Path) -> None:
    folder = convert.convert_checkpoint(checkpoint, tmp_path / "out", dtype="float32")
    model = load_syncdreamer(weights=folder)
    assert model.name == "syncdreamer"
    assert model.latent_shape == (4, 8, 8)
    assert not any(p.requires_grad for p in model.network.parameters())
    by_folder = registry.load_model(folder, torch.device("cpu"))
    assert by_folder.weights_sha256 == model.weights_sha256
    assert len(model.weights_sha256) == 64
