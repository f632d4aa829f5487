import socket
import sys
from pathlib import Path
from urllib.error import URLError

import pytest
import torch
from torchvision.models import optical_flow, vgg

from harmony.evaluation import flow as flow_module
from harmony.evaluation.flow import (
    DIS,
    RAFT,
    FlowEstimator,
    load_flow,
    neighbour_flows,
)
from harmony.evaluation.metrics import flow_error
from harmony.evaluation.perceptual import LINEAR_SHA256, build_lpips, load_lpips


def blob(x: float, y: float, side: int = 48) -> torch.Tensor:
    rows, columns = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
    bump = torch.exp(-((columns - x) ** 2 + (rows - y) ** 2) / 60.0)
    return (1 - 0.8 * bump).expand(3, side, side)


@pytest.fixture(name="dis")
def make_dis() -> FlowEstimator:
    estimator = load_flow(DIS, torch.device("cpu"), lambda text: None)
    assert estimator is not None
    return estimator


@pytest.mark.parametrize(("dx", "dy"), [(2.0, -1.0), (-5.0, 3.0)])
def test_dis_finds_a_translation(dis: FlowEstimator, dx: float, dy: float) -> None:
    flow = dis.estimate(blob(46, 48, 96)[None], blob(46 + dx, 48 + dy, 96)[None])[0]
    assert flow.shape == (2, 96, 96)
    centre = flow[:, 44:52, 42:50].mean(dim=(1, 2))
    assert centre.tolist() == pytest.approx([dx, dy], abs=0.4)


def test_flow_of_equal_pictures_is_zero(dis: FlowEstimator) -> None:
    views = torch.stack([blob(20, 24), blob(24, 24), blob(28, 24)])
    assert dis.estimate(views, views).abs().max() < 1e-3


def test_e_flow_of_the_truth_against_itself_is_zero(dis: FlowEstimator) -> None:
    views = torch.stack([blob(20, 24), blob(24, 24), blob(28, 24)])
    flows = neighbour_flows(views, dis)
    assert flows.shape == (3, 2, 2, 48, 48)
    # The estimator keeps nothing: after other pairs it gives the same again.
    shuffled = neighbour_flows(views[[1, 0, 2]], dis)
    assert flow_error(flows, neighbour_flows(views, dis)) == 0
    assert flow_error(shuffled, flows) > 0.1


def test_missing_opencv_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(ValueError, match="opencv-python-headless"):
        load_flow(DIS, torch.device("cpu"), lambda text: None)


def test_fetching_does_not_wait_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float | None] = []

    def fetch(*_: object, **__: object) -> None:
        waits.append(socket.getdefaulttimeout())
        raise URLError("no answer")

    weights = optical_flow.Raft_Large_Weights.C_T_V1
    monkeypatch.setattr(type(weights), "get_state_dict", fetch)
    before = socket.getdefaulttimeout()
    with pytest.raises(ValueError, match="could not be fetched"):
        load_flow(RAFT, torch.device("cpu"), lambda text: None)
    assert waits == [flow_module.FETCH_SECONDS]
    assert socket.getdefaulttimeout() == before


def test_neighbours_are_cyclic() -> None:
    # The "flow" of this stand-in is the difference of the pictures' numbers.
    def difference(pictures: torch.Tensor, moved: torch.Tensor) -> torch.Tensor:
        return (moved - pictures)[:, :2]

    views = torch.tensor([0.0, 1.0, 5.0]).view(3, 1, 1, 1).expand(3, 3, 2, 2)
    flows = neighbour_flows(views, FlowEstimator("difference", difference))[:, :, 0, 0, 0]
    assert flows.tolist() == [[1, 5], [4, -1], [-5, -4]]


def test_missing_raft_is_told_and_never_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    def offline(device: torch.device) -> None:
        raise URLError("no network")

    monkeypatch.setattr(flow_module, "_load_raft", offline)
    told: list[str] = []
    estimator = load_flow("auto", torch.device("cpu"), told.append)
    assert estimator is not None
    assert estimator.name == DIS
    assert len(told) == 1
    assert "do not compare" in told[0]
    with pytest.raises(ValueError, match="could not be fetched"):
        load_flow(RAFT, torch.device("cpu"), told.append)
    assert load_flow("none", torch.device("cpu"), told.append) is None
    with pytest.raises(ValueError, match="Flow is"):
        load_flow("farneback", torch.device("cpu"), told.append)


def vgg_states() -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    torch.manual_seed(0)
    layers = vgg.make_layers(vgg.cfgs["D"], batch_norm=False)
    state = {f"features.{key}": value for key, value in layers.state_dict().items()}
    state["classifier.0.weight"] = torch.zeros(1)
    linear = {
        f"lin{level}.model.1.weight": torch.rand(1, channels, 1, 1)
        for level, channels in enumerate((64, 128, 256, 512, 512))
    }
    return state, linear


def test_lpips_reads_vgg_before_each_pooling() -> None:
    state, linear = vgg_states()
    for level in range(1, 5):
        linear[f"lin{level}.model.1.weight"] *= 0
    measure = build_lpips(state, linear, torch.device("cpu"))
    x, y = blob(10, 12, side=32)[None], blob(20, 14, side=32)[None]

    def first_tap(picture: torch.Tensor) -> torch.Tensor:
        shift = torch.tensor([-0.030, -0.088, -0.188]).view(1, 3, 1, 1)
        scale = torch.tensor([0.458, 0.448, 0.450]).view(1, 3, 1, 1)
        hidden = (picture * 2 - 1 - shift) / scale
        for layer in (0, 2):
            weight, bias = state[f"features.{layer}.weight"], state[f"features.{layer}.bias"]
            hidden = torch.conv2d(hidden, weight, bias, padding=1).relu()
        return hidden / hidden.norm(dim=1, keepdim=True)

    difference = (first_tap(x) - first_tap(y)).square()
    expected = (difference * linear["lin0.model.1.weight"]).sum(dim=1).mean()
    assert float(measure(x, y)) == pytest.approx(float(expected), rel=1e-4)
    assert float(measure(x, x)) == 0


def test_damaged_lpips_weights_are_named(tmp_path: Path) -> None:
    for name in ("vgg16-397923af.pth", "vgg.pth"):
        (tmp_path / name).write_bytes(b"half a downl")
    with pytest.raises(ValueError, match=r"vgg16-397923af.pth is damaged"):
        load_lpips(tmp_path, torch.device("cpu"), print)


def test_raft_with_a_wrong_hash_is_refused_or_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(device: torch.device) -> None:
        raise RuntimeError('invalid hash value (expected "1b8c9e55", got "00000000")')

    monkeypatch.setattr(flow_module, "_load_raft", wrong)
    with pytest.raises(ValueError, match="RAFT's weights could not be fetched"):
        load_flow("raft-things", torch.device("cpu"), print)
    said: list[str] = []
    estimator = load_flow("auto", torch.device("cpu"), said.append)
    assert estimator is not None
    assert estimator.name == "dis"
    assert len(said) == 1


def test_every_level_of_lpips_counts() -> None:
    state, linear = vgg_states()
    x, y = blob(10, 12, side=32)[None], blob(20, 14, side=32)[None]
    full = float(build_lpips(state, linear, torch.device("cpu"))(x, y))
    for level in range(5):
        less = {**linear, f"lin{level}.model.1.weight": linear[f"lin{level}.model.1.weight"] * 0}
        assert float(build_lpips(state, less, torch.device("cpu"))(x, y)) < full


def test_lpips_without_files_or_network_is_not_available(tmp_path) -> None:
    said: list[str] = []
    assert load_lpips(None, torch.device("cpu"), said.append) is None
    assert said == [
        "LPIPS is not available: its weights could not be fetched (<urlopen error no route>)."
    ]
    with pytest.raises(ValueError, match="vgg16"):
        load_lpips(tmp_path, torch.device("cpu"), print)


def test_lpips_weights_are_fetched_once_and_checked(monkeypatch, tmp_path) -> None:
    vgg, linear = vgg_states()
    asked: list[tuple[str, str | None]] = []

    def fetch(url: str, to: str, hash_prefix: str | None = None, progress: bool = True) -> None:
        asked.append((url.rsplit("/", 1)[1], hash_prefix))
        Path(to).parent.mkdir(parents=True, exist_ok=True)
        torch.save(vgg if "vgg16" in url else linear, to)

    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.setattr(torch.hub, "download_url_to_file", fetch)
    x, y = blob(10, 12, side=32)[None], blob(20, 14, side=32)[None]
    expected = build_lpips(vgg, linear, torch.device("cpu"))(x, y)
    for _ in range(2):
        measure = load_lpips(None, torch.device("cpu"), print)
        assert measure is not None
        assert torch.equal(measure(x, y), expected)
    assert asked == [("vgg16-397923af.pth", "397923af"), ("vgg.pth", LINEAR_SHA256)]
