import pytest
import torch

from harmony.reconstruction import reconstruct
from harmony.records import Views


def with_alpha(views: Views, alpha: torch.Tensor) -> Views:
    return Views(views.pixels, alpha)


def test_one_empty_view(ellipsoid_views):
    alpha = ellipsoid_views.alpha.clone()
    alpha[0, 5] = 0
    with pytest.raises(ValueError, match="View 5 shows no object"):
        reconstruct(with_alpha(ellipsoid_views, alpha), quality="draft")


def test_all_views_empty(ellipsoid_views):
    with pytest.raises(ValueError, match="all masks are empty"):
        reconstruct(
            with_alpha(ellipsoid_views, torch.zeros_like(ellipsoid_views.alpha)), quality="draft"
        )


def test_all_views_full(ellipsoid_views):
    with pytest.raises(ValueError, match="cover the whole picture"):
        reconstruct(
            with_alpha(ellipsoid_views, torch.ones_like(ellipsoid_views.alpha)), quality="draft"
        )


def test_one_pixel_masks(ellipsoid_views):
    alpha = torch.zeros_like(ellipsoid_views.alpha)
    alpha[..., 64, 64] = 1
    with pytest.raises(ValueError, match="covers only 1 pixel"):
        reconstruct(with_alpha(ellipsoid_views, alpha), quality="draft")


def test_fewer_than_sixteen_views(ellipsoid_views):
    few = Views(ellipsoid_views.pixels[:, :15], ellipsoid_views.alpha[:, :15])
    with pytest.raises(ValueError, match="15 views; a mesh needs all 16"):
        reconstruct(few, quality="draft")


def test_more_than_one_sample(ellipsoid_views):
    two = Views(
        ellipsoid_views.pixels.repeat(2, 1, 1, 1, 1), ellipsoid_views.alpha.repeat(2, 1, 1, 1, 1)
    )
    with pytest.raises(ValueError, match="2 samples"):
        reconstruct(two, quality="draft")


def test_masks_of_another_size(ellipsoid_views):
    with pytest.raises(ValueError, match="differ in size"):
        reconstruct(
            with_alpha(ellipsoid_views, ellipsoid_views.alpha[..., ::2, ::2]), quality="draft"
        )


def test_pictures_too_small_or_not_square(ellipsoid_views):
    small = Views(ellipsoid_views.pixels[..., ::2, ::2], ellipsoid_views.alpha[..., ::2, ::2])
    with pytest.raises(ValueError, match="64 x 64 pixels"):
        reconstruct(small, quality="draft")
    wide = Views(ellipsoid_views.pixels[..., ::2, :], ellipsoid_views.alpha[..., ::2, :])
    with pytest.raises(ValueError, match="128 x 64 pixels"):
        reconstruct(wide, quality="draft")


def test_numbers_out_of_range(ellipsoid_views):
    broken = ellipsoid_views.pixels.clone()
    broken[0, 0, 0, 0, 0] = float("nan")
    with pytest.raises(ValueError, match="numbers from 0 to 1"):
        reconstruct(Views(broken, ellipsoid_views.alpha), quality="draft")


def test_silhouettes_without_a_common_volume(ellipsoid_views):
    alpha = torch.zeros_like(ellipsoid_views.alpha)
    alpha[0, ::2, 0, 4:24, 4:24] = 1
    alpha[0, 1::2, 0, -24:-4, -24:-4] = 1
    with pytest.raises(ValueError, match="share no volume"):
        reconstruct(with_alpha(ellipsoid_views, alpha), quality="draft")


def test_an_unknown_quality(ellipsoid_views):
    with pytest.raises(ValueError, match="Quality is 'best'"):
        reconstruct(ellipsoid_views, quality="best")
