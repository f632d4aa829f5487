import numpy as np
import pytest
import trimesh

from harmony.evaluation.geometry import volume_iou
from harmony.reconstruction.carving import CarvingRound, carve, even_offsets, resized
from harmony.reconstruction.checks import checked_photographs
from harmony.reconstruction.pipeline import ground_cut_hull
from harmony.reconstruction.stereo import SweepSettings
from harmony.reconstruction.surface import extract_surface

ROUND = CarvingRound(
    image_size=128,
    sweep=SweepSettings(even_offsets(-0.02, 0.24, 0.02)),
    tolerance=0.03,
    truncation=0.06,
)


@pytest.fixture(scope="module")
def dish() -> trimesh.Trimesh:
    """A wide dish whose hollow no silhouette shows."""
    outline = [[0, -0.15], [0.45, -0.15], [0.45, 0.15], [0.4, 0.15], [0.32, 0.0], [0, 0.0]]
    return trimesh.creation.revolve(np.array(outline), sections=48)


@pytest.fixture(scope="module")
def photographs(ring_views, dish):
    return checked_photographs(ring_views(dish))


def test_stereo_finds_the_hollow(photographs, dish):
    hull, grid = ground_cut_hull(photographs, 0.025)
    told: list[float] = []
    carved, trust = carve(photographs, hull, grid, (ROUND,), told.append)
    truth = (dish.vertices, dish.faces)
    before = volume_iou(*extract_surface(hull, grid), *truth)
    after = volume_iou(*extract_surface(carved, grid), *truth)
    assert after > before + 0.1
    assert (carved <= hull + 1e-6).all()
    assert 0 <= trust.min() <= trust.max() <= 1
    assert told == sorted(told)
    assert len(told) == 16


def test_without_rounds_the_hull_stays(photographs):
    hull, grid = ground_cut_hull(photographs, 0.05)
    assert carve(photographs, hull, grid, (), lambda share: None)[0] is hull


def test_carving_stops_when_told(photographs):
    class Stopped(Exception):  # noqa: N818
        pass

    def stop(share: float) -> None:
        if share > 0:
            raise Stopped

    hull, grid = ground_cut_hull(photographs, 0.05)
    with pytest.raises(Stopped):
        carve(photographs, hull, grid, (ROUND,), stop)


def test_offsets_include_both_ends():
    assert even_offsets(-0.02, 0.02, 0.01) == pytest.approx((-0.02, -0.01, 0.0, 0.01, 0.02))


def test_smaller_pictures_keep_their_cameras(photographs):
    pictures, cameras = resized(photographs, 64)
    assert pictures.shape == (16, 1, 64, 64)
    assert cameras.intrinsics[0] == pytest.approx([70.0, 0.0, 32.0])
    assert resized(photographs, 512, colored=True)[0].shape == (16, 3, 128, 128)
