from pathlib import Path

import pytest
import torch
from torch.nn.functional import grid_sample

from harmony.evaluation.dataset import find_objects
from harmony.evaluation.flow import DIS, load_flow
from harmony.evaluation.metrics import flow_error, psnr, ssim

pytestmark = pytest.mark.shared_data


def test_reference_objects_are_read(shared_dir: Path) -> None:
    objects = find_objects(shared_dir / "gso-dev")
    assert [item.name for item in objects] == [
        "alarm",
        "school_bus1",
        "shoe",
        "sofa",
        "teapot",
        "turtle",
    ]
    mesh = objects[0].mesh()
    assert mesh is not None
    extent = mesh[0].max(axis=0) - mesh[0].min(axis=0)
    assert extent[2] <= 1.0001


def test_neighbouring_views_differ_and_their_flow_explains_it(shared_dir: Path) -> None:
    views = find_objects(shared_dir / "gso-dev", ("school_bus1",))[0].views()
    one, other = views[2], views[3]
    assert 10 < psnr(one, other) < 30
    assert ssim(one, other) < 0.95
    estimator = load_flow(DIS, torch.device("cpu"), lambda text: None)
    assert estimator is not None
    there = estimator.estimate(one[None], other[None])
    back = estimator.estimate(other[None], one[None])
    assert flow_error(there, there) == 0
    assert flow_error(there, back) > 1
    rows, columns = torch.meshgrid(torch.arange(256), torch.arange(256), indexing="ij")
    places = torch.stack([columns + there[0, 0], rows + there[0, 1]], dim=-1)
    warped = grid_sample(
        other[None], (places[None] + 0.5) / 128 - 1, padding_mode="border", align_corners=False
    )[0]
    assert psnr(warped, one) > psnr(other, one) + 2
