"""Official checkpoint -> converted folder -> networks, with the real keys at a tiny size."""

from __future__ import annotations

import json
import os
import pickle
import shutil
from collections import namedtuple
from pathlib import Path

import pytest
import torch
from torch import Tensor

from harmony.models.syncdreamer import convert
from harmony.models.syncdreamer.checkpoint import (
    CARD_NAME,
    load_network,
    plan_shards,
    read_card,
)
from harmony.models.syncdreamer.convert import convert_checkpoint
from harmony.models.syncdreamer.keys import UNUSED_KEYS, key_table
from harmony.models.syncdreamer.network import SyncDreamerNetwork
from harmony.models.syncdreamer.schedule import alphas_cumprod

from .conftest import TINY


def official_state(network: SyncDreamerNetwork) -> dict[str, Tensor]:
    """Return the networks' weights under the official names, in the official shapes."""
    ours, state = network.state_dict(), {}
    thirds: dict[str, list[Tensor]] = {}
    pointwise = {"t_conv": 5, "v_conv": 5, "proj_context": 5, "to_k": 5, "to_v": 5}
    for entry in key_table(network.config):
        tensor = ours[entry.ours]
        if entry.change.startswith("third"):
            thirds.setdefault(entry.official, []).append(tensor)
        elif entry.change == "transpose":
            state[entry.official] = tensor.T.contiguous()
        elif entry.change == "matrix":
            dims = next((n for name, n in pointwise.items() if name in entry.official), 4)
            state[entry.official] = tensor.reshape(*tensor.shape, *([1] * (dims - 2)))
        else:
            state[entry.official] = tensor
    state |= {key: torch.cat(parts) for key, parts in thirds.items()}
    state |= {key: torch.zeros(3) for key in UNUSED_KEYS - {"alphas_cumprod", "poses"}}
    return state | {"alphas_cumprod": alphas_cumprod()}


def save(path: Path, state: dict[str, Tensor]) -> Path:
    torch.save({"global_step": 7, "state_dict": state}, path)
    return path


@pytest.fixture
def checkpoint(network: SyncDreamerNetwork, tmp_path: Path) -> Path:
    return save(tmp_path / "official.ckpt", official_state(network))


def test_round_trip_is_exact(network: SyncDreamerNetwork, checkpoint: Path, tmp_path: Path) -> None:
    steps = []
    folder = convert_checkpoint(
        checkpoint,
        tmp_path / "out",
        dtype="float32",
        config=TINY,
        on_progress=lambda *step: steps.append(step),
    )
    loaded = load_network(folder)
    assert loaded.config == TINY
    state = loaded.state_dict()
    for name, tensor in network.state_dict().items():
        assert torch.equal(state[name], tensor), name
    assert {step[0] for step in steps} >= {"converting weights"}
    card = read_card(folder)
    assert card.source_name == "official.ckpt"
    assert len(card.weights_sha256) == 64
    pixels = torch.rand(1, 3, 28, 28)
    expected = network.image_encoder(pixel_values=pixels)[0]
    # The one buffer that no file holds is made anew.
    assert torch.allclose(loaded.image_encoder(pixel_values=pixels)[0], expected, atol=1e-5)


def test_half_precision_is_the_rounded_original(
    network: SyncDreamerNetwork, checkpoint: Path, tmp_path: Path
) -> None:
    folder = convert_checkpoint(checkpoint, tmp_path / "out", config=TINY)
    loaded = load_network(folder).state_dict()
    assert read_card(folder).dtype == "float16"
    for name, tensor in network.state_dict().items():
        assert torch.equal(loaded[name], tensor.half()), name
    wide = load_network(folder, torch.float32).state_dict()
    assert all(tensor.dtype == torch.float32 for tensor in wide.values())


def test_same_input_same_bytes(checkpoint: Path, tmp_path: Path) -> None:
    folders = [convert_checkpoint(checkpoint, tmp_path / n, config=TINY) for n in ("a", "b")]
    first, second = (read_card(folder).shards for folder in folders)
    assert first == second


@pytest.mark.parametrize("change", ["missing", "unknown", "shape", "schedule"])
def test_strict(network: SyncDreamerNetwork, tmp_path: Path, change: str) -> None:
    state = official_state(network)
    if change == "missing":
        del state["cc_projection.bias"]
    elif change == "unknown":
        state["model.extra"] = torch.zeros(1)
    elif change == "shape":
        state["cc_projection.bias"] = torch.zeros(3)
    else:
        state["alphas_cumprod"] = torch.linspace(0.9, 0.1, 1000)
    path = save(tmp_path / "wrong.ckpt", state)
    with pytest.raises(ValueError, match=r"model\.extra|cc_projection\.bias|alphas_cumprod"):
        convert_checkpoint(path, tmp_path / "out", config=TINY)
    assert not (tmp_path / "out").exists()


def test_overflow_leaves_nothing_behind(network: SyncDreamerNetwork, tmp_path: Path) -> None:
    state = official_state(network)
    state["cc_projection.bias"] = torch.full_like(state["cc_projection.bias"], 1e6)
    path = save(tmp_path / "large.ckpt", state)
    with pytest.raises(ValueError, match="bfloat16"):
        convert_checkpoint(path, tmp_path / "out", config=TINY)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["large.ckpt"]
    convert_checkpoint(path, tmp_path / "out", dtype="bfloat16", config=TINY)


class Malicious:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (os.mkdir, ("executed",))


@pytest.mark.parametrize("kind", ["code", "text", "nothing", "list"])
def test_files_that_are_no_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "file.ckpt"
    if kind == "code":
        torch.save({"state_dict": {"a": Malicious()}}, path)
    elif kind == "text":
        path.write_text("hello")
    elif kind == "list":
        torch.save([torch.zeros(2)], path)
    else:
        path.write_bytes(pickle.dumps(None)[:1])
    with pytest.raises(ValueError, match="checkpoint"):
        convert_checkpoint(path, tmp_path / "out", config=TINY)
    assert not (tmp_path / "executed").exists()


def test_refusals(checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="no checkpoint at"):
        convert_checkpoint(tmp_path / "absent", tmp_path / "out")
    with pytest.raises(ValueError, match="number type"):
        convert_checkpoint(checkpoint, tmp_path / "out", dtype="int8")
    with pytest.raises(ValueError, match="exists"):
        convert_checkpoint(checkpoint, tmp_path)
    usage = namedtuple("usage", "total used free")(10, 10, 0)
    monkeypatch.setattr(convert.shutil, "disk_usage", lambda _: usage)
    with pytest.raises(ValueError, match="free some space"):
        convert_checkpoint(checkpoint, tmp_path / "out", config=TINY)


def test_stopping_leaves_nothing_behind(checkpoint: Path, tmp_path: Path) -> None:
    def stop(what: str, done: int, total: int) -> None:
        if what == "converting weights":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        convert_checkpoint(checkpoint, tmp_path / "out", config=TINY, on_progress=stop)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["official.ckpt"]


def test_damaged_folders(checkpoint: Path, tmp_path: Path) -> None:
    folder = convert_checkpoint(checkpoint, tmp_path / "out", config=TINY)
    shard = next(folder.glob("*.safetensors"))
    good = shard.read_bytes()
    shard.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
    with pytest.raises(ValueError, match="damaged"):
        load_network(folder)
    shard.unlink()
    with pytest.raises(ValueError, match="missing"):
        load_network(folder, verify=False)
    card = json.loads((folder / CARD_NAME).read_text())
    card["shards"] = {"../" + name: sha for name, sha in card["shards"].items()}
    (folder / CARD_NAME).write_text(json.dumps(card))
    with pytest.raises(ValueError, match="damaged"):
        read_card(folder)
    shutil.rmtree(folder)
    with pytest.raises(ValueError, match="no converted"):
        load_network(folder)


def test_shards() -> None:
    sizes = [("a", 4), ("b", 5), ("c", 20), ("d", 1), ("e", 2)]
    assert plan_shards(sizes, limit=10) == [["a", "b"], ["c"], ["d", "e"]]


def test_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        convert.main([str(tmp_path / "absent.ckpt")])
    assert stopped.value.code == 2
    assert "no checkpoint at" in capsys.readouterr().err
