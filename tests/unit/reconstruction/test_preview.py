import numpy as np
import pytest
from PIL import Image

from harmony.reconstruction import reconstruct
from harmony.reconstruction.preview import mesh_pictures


@pytest.fixture(scope="module")
def drawn(ellipsoid_views):
    result = reconstruct(ellipsoid_views, quality="draft")
    return result, mesh_pictures(result, ellipsoid_views)


def test_the_mesh_looks_like_its_views(drawn, ellipsoid_views):
    _, pictures = drawn
    assert pictures.colored.shape == (16, 128, 128, 3)
    truth = ellipsoid_views.pixels[0].permute(0, 2, 3, 1).numpy()
    error = np.abs(pictures.colored / 255 - truth).mean(axis=(1, 2, 3))
    assert error.max() < 0.03
    other = np.abs(pictures.colored[4] / 255 - truth[0]).mean()
    assert other > 2 * error.max()


def test_the_difference_counts_what_the_report_says(drawn, ellipsoid_views):
    result, pictures = drawn
    red = (pictures.difference == (214, 61, 41)).all(axis=3).sum(axis=(1, 2))
    blue = (pictures.difference == (31, 107, 209)).all(axis=3).sum(axis=(1, 2))
    mask = (ellipsoid_views.alpha[0, :, 0] >= 0.5).sum(dim=(1, 2)).numpy()
    assert np.allclose((mask - blue) / (mask + red), result.report.view_ious)
    assert result.report.silhouette_iou == pytest.approx(np.mean(result.report.view_ious))


def test_the_shape_is_lit_from_above(drawn):
    _, pictures = drawn
    covered = (pictures.surface < 255).any(axis=3)
    bright = np.asarray(Image.fromarray(pictures.surface[0]).convert("L"))
    rows = np.nonzero(covered[0].any(axis=1))[0]
    column = 64
    assert bright[rows[0] + 6, column] > bright[rows[-1] - 3, column]
