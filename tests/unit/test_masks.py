import numpy as np
import pytest
import torch

from harmony.masks import foreground_mask

SIZE = 128
ROWS, COLUMNS = np.mgrid[:SIZE, :SIZE] + 0.5


def disc(row: float, column: float, radius: float) -> np.ndarray:
    return (ROWS - row) ** 2 + (COLUMNS - column) ** 2 < radius**2


def on_white(mask: np.ndarray, color: tuple[float, float, float] = (0.2, 0.4, 0.7)) -> torch.Tensor:
    picture = np.where(mask[..., None], color, 1.0)
    return torch.from_numpy(picture).float().permute(2, 0, 1)


def binary(picture: torch.Tensor) -> np.ndarray:
    return foreground_mask(picture)[0].numpy() >= 0.5


def test_a_solid_disc_is_found_exactly():
    mask = disc(64, 60, 30)
    assert np.array_equal(binary(on_white(mask)), mask)


def test_the_edge_is_soft_where_the_picture_is():
    coverage = np.clip(30.5 - np.hypot(ROWS - 64, COLUMNS - 64), 0, 1)
    picture = 1 - coverage[None] * 0.09 * np.ones((3, 1, 1))
    alpha = foreground_mask(torch.from_numpy(picture))[0].numpy()
    edge = (coverage > 0.3) & (coverage < 0.95)
    assert ((alpha[edge] > 0) & (alpha[edge] < 1)).mean() > 0.5
    assert alpha[64, 64] == 1.0
    assert alpha[0, 0] == 0.0


def test_a_highlight_is_filled_and_a_handle_stays_open():
    highlight = disc(64, 64, 40) & ~disc(50, 50, 4)
    assert binary(on_white(highlight))[50, 50]
    handle = disc(64, 64, 40) & ~disc(64, 64, 25)
    assert not binary(on_white(handle))[64, 64]


def test_a_pale_region_inside_is_filled_however_large():
    picture = on_white(disc(64, 64, 45))
    pale = torch.from_numpy(disc(64, 64, 30))
    picture[:, pale] = 0.985
    assert binary(picture)[64, 64]


def test_thin_parts_are_kept():
    mask = disc(90, 64, 25)
    mask[10:70, 64] = True
    found = binary(on_white(mask))
    assert found[10:70, 64].all()
    assert found.sum() == mask.sum()


def test_specks_are_dropped():
    mask = disc(64, 64, 30)
    specks = mask.copy()
    specks[3:5, 3:5] = True
    specks[120, 100] = True
    assert np.array_equal(binary(on_white(specks)), mask)


def test_noise_of_the_background_is_no_foreground():
    noise = torch.rand((3, SIZE, SIZE), generator=torch.Generator().manual_seed(3)) * 0.015
    mask = disc(64, 64, 30)
    assert np.array_equal(binary((on_white(mask) - noise).clamp(0, 1)), mask)


def test_batches_are_masked_one_by_one():
    pictures = torch.stack([on_white(disc(64, 64, 20)), on_white(disc(40, 40, 9))])
    stacked = foreground_mask(pictures[None].repeat(3, 1, 1, 1, 1))
    assert stacked.shape == (3, 2, 1, SIZE, SIZE)
    assert torch.equal(stacked[2, 1], foreground_mask(pictures[1]))


def test_a_white_picture_has_no_foreground():
    assert foreground_mask(torch.ones(3, 32, 32)).max() == 0.0


def test_other_shapes_and_ranges_are_refused():
    with pytest.raises(ValueError, match="must be"):
        foreground_mask(torch.ones(4, 32, 32))
    with pytest.raises(ValueError, match="from 0 to 1"):
        foreground_mask(torch.full((3, 32, 32), 2.0))


@pytest.mark.shared_data
@pytest.mark.parametrize("name", ["alarm", "teapot", "turtle"])
def test_masks_of_white_composites_match_the_renderings(name: str, shared_dir):
    from harmony.view_files import read_views

    views = read_views(shared_dir / "gso-dev" / name)
    found = foreground_mask(views.pixels[0, ::5]) >= 0.5
    true = views.alpha[0, ::5] >= 0.5
    iou = (found & true).sum((1, 2, 3)) / (found | true).sum((1, 2, 3))
    assert iou.min() > 0.97
