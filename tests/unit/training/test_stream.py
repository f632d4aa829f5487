import numpy as np
import pytest
import torch

from harmony.training.preview import plain_sheet, stream_sheet
from harmony.training.stream import SceneStream, render_views
from tests.unit.training.shapes import make_library

LIBRARY = make_library()


def make_stream(ring_size: int = 5, rank: int = 0) -> SceneStream:
    return SceneStream(LIBRARY, [0, 1, 2], image_size=16, ring_size=ring_size, seed=3, rank=rank)


def test_batches_have_the_promised_shapes_and_white_ground():
    stream = make_stream()
    stream.refill(3)
    batch = stream.batch(4, torch.Generator().manual_seed(0))
    assert batch.reference.shape == (4, 4, 16, 16)
    assert batch.views.shape == (4, 16, 4, 16, 16)
    assert batch.reference.dtype == batch.views.dtype == torch.uint8
    assert batch.elevation_deg.shape == batch.object_ids.shape == (4,)
    assert set(batch.object_ids.tolist()) <= {0, 1, 2}
    alpha = batch.views[:, :, 3]
    colors = batch.views[:, :, :3].amin(2)
    assert (colors[alpha == 0] == 255).all()
    assert ((alpha == 255).float().mean((2, 3)) > 0.02).all()
    assert set(alpha.unique().tolist()) <= {0, 64, 128, 191, 255}


def test_a_resumed_stream_continues_exactly_however_it_was_filled():
    whole, resumed = make_stream(), make_stream()
    for count in (4, 1, 3):
        whole.refill(count)
    resumed.load_state_dict(whole.state_dict())
    assert torch.equal(whole.pictures, resumed.pictures)
    for stream in (whole, resumed):
        stream.refill(2)
    a, b = (s.batch(6, torch.Generator().manual_seed(1)) for s in (whole, resumed))
    assert torch.equal(a.views, b.views)
    assert torch.equal(a.elevation_deg, b.elevation_deg)
    other = make_stream(rank=1)
    other.refill(5)
    assert not torch.equal(other.pictures, whole.pictures)
    with pytest.raises(ValueError, match="rank 0"):
        other.load_state_dict(whole.state_dict())


def test_bad_arguments_are_refused():
    with pytest.raises(ValueError, match="at least one object"):
        SceneStream(LIBRARY, [])
    with pytest.raises(ValueError, match="from 0 to 2"):
        SceneStream(LIBRARY, [3])
    with pytest.raises(ValueError, match="must be positive"):
        make_stream(ring_size=0)
    with pytest.raises(ValueError, match="refill first"):
        make_stream().batch(1, torch.Generator())
    with pytest.raises(ValueError, match="must be positive"):
        make_stream().refill(0)
    with pytest.raises(ValueError, match="from 0 to 2"):
        render_views(LIBRARY, 3)


def test_plain_views_go_round_counter_clockwise_and_view_0_is_the_reference():
    reference, views = render_views(LIBRARY, 2, image_size=32)
    assert torch.equal(reference, views[0])
    _, turned = render_views(LIBRARY, 2, image_size=32, azimuth_turn_deg=45.0)
    step = (torch.roll(turned, -2, 0).int() - views.int()).abs()
    assert (step[:, 3] > 0).float().mean() < 0.01
    low, _ = render_views(LIBRARY, 2, image_size=32, elevation_deg=0.0)
    assert not torch.equal(low, reference)
    extent = (low[3] > 0).any(1).nonzero()[:, 0]
    # A tower of height 1 whose near side is .15 before its middle: f / (1.5 - .15) pixels high.
    assert abs(len(extent) - 35 / 1.35) <= 1.5


def test_the_same_light_falls_on_all_views_of_a_round_object():
    _, views = render_views(LIBRARY, 1, image_size=32)
    covered = views[:, 3] == 255
    means = torch.stack([v[:3, c].float().mean() for v, c in zip(views, covered, strict=True)])
    assert means.max() - means.min() < 25


def test_contact_sheets_show_one_scene_a_row():
    assert stream_sheet(make_stream(), 3).size == (9 * 16, 3 * 16)
    sheet = np.asarray(plain_sheet(LIBRARY, 16))
    assert sheet.shape == (3 * 16, 9 * 16, 3)
    assert sheet.min() < 200
