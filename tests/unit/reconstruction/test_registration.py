from dataclasses import replace

import pytest
import torch

from harmony.cameras import target_cameras
from harmony.reconstruction.checks import checked_photographs
from harmony.reconstruction.hull import hull_field, hull_grid, signed_silhouettes
from harmony.reconstruction.records import Photographs
from harmony.reconstruction.registration import (
    RegistrationSettings,
    displacements,
    registered,
)


def shifted(photographs: Photographs, pixels: list[int]) -> Photographs:
    """Move view k by pixels[k] columns."""
    alpha = torch.from_numpy(photographs.alpha)
    moved = torch.stack([mask.roll(step, dims=1) for mask, step in zip(alpha, pixels, strict=True)])
    colors = torch.from_numpy(photographs.pixels)
    painted = torch.stack(
        [picture.roll(step, dims=2) for picture, step in zip(colors, pixels, strict=True)]
    )
    return replace(photographs, alpha=moved.numpy(), pixels=painted.numpy())


def hull_volume(photographs: Photographs) -> float:
    silhouettes = signed_silhouettes(photographs.alpha)
    grid = hull_grid(silhouettes, target_cameras(128), 0.02)
    return float((hull_field(silhouettes, target_cameras(128), grid) > 0).sum()) * grid.spacing**3


@pytest.fixture(scope="module")
def clean(ellipsoid_views):
    return checked_photographs(ellipsoid_views)


def test_views_that_agree_stay_where_they_are(clean):
    found, residual = displacements(clean, RegistrationSettings())
    assert found.abs().mean() < 0.4
    assert residual < 0.2


def test_one_shifted_view_goes_back(clean):
    pixels = [0] * 16
    pixels[6] = 3
    found, _ = displacements(shifted(clean, pixels), RegistrationSettings())
    # 3 pixels of 128 are 6 of 256; the picture lies too far right, so it must be read further right.
    middle = found[6, 0, 2:5, 2:5].mean()
    assert 3.0 < middle < 7.0
    others = found[:, 0, 2:5, 2:5].mean(dim=(1, 2)).abs()
    assert others.sort().values[-2] < middle / 2


def test_the_hull_gets_its_volume_back(clean):
    pixels = [2, -2, 1, 0, -1, 2, -2, 0, 1, -1, 2, 0, -2, 1, -1, 0]
    jittered = shifted(clean, pixels)
    lost = hull_volume(clean) - hull_volume(jittered)
    left = hull_volume(clean) - hull_volume(
        registered(jittered, RegistrationSettings()).photographs
    )
    assert lost > 0
    assert abs(left) < lost / 2


def test_pictures_move_with_their_masks(clean):
    pixels = [0] * 16
    pixels[6] = 3
    moved = registered(shifted(clean, pixels), RegistrationSettings()).photographs
    solid = (moved.alpha[6] > 0.99) & (clean.alpha[6] > 0.99)
    error = abs(moved.pixels[6] - clean.pixels[6])[:, solid].mean()
    before = abs(shifted(clean, pixels).pixels[6] - clean.pixels[6])[:, solid].mean()
    assert error < before / 2
    assert moved.pixels.min() >= 0
    assert moved.alpha.max() <= 1


@pytest.mark.parametrize("far", [0, 1, 9])
def test_no_round_makes_it_worse(clean, far):
    """Nine pixels is farther than the steps can see; then the views stay as they are or better."""
    views = shifted(clean, [far * (-1) ** index for index in range(16)])
    _, before = displacements(views, replace(RegistrationSettings(), rounds=0))
    _, after = displacements(views, RegistrationSettings())
    assert after <= before


def test_raising_stops_it(clean):
    class Stopped(Exception):  # noqa: N818
        pass

    def stop(share: float) -> None:
        raise Stopped

    with pytest.raises(Stopped):
        registered(clean, RegistrationSettings(), stop)
