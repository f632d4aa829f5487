import pytest
import torch

from harmony.reconstruction import reconstruct
from harmony.reconstruction.checks import checked_photographs
from harmony.reconstruction.hull import signed_silhouettes
from harmony.reconstruction.rejection import contradicting_views, without_contradictions
from harmony.records import Views


def replaced(views: Views, **sources: int) -> Views:
    order = torch.arange(16)
    for name, source in sources.items():
        order[int(name.removeprefix("view"))] = source
    return Views(views.pixels[:, order], views.alpha[:, order])


def rejected(views: Views) -> tuple[int, ...]:
    photographs = checked_photographs(views)
    return contradicting_views(signed_silhouettes(photographs.alpha), photographs.cameras)


def test_consistent_views_are_all_kept(ellipsoid_views):
    assert rejected(ellipsoid_views) == ()


@pytest.mark.parametrize("view", [0, 5, 12])
def test_one_wrong_view_is_found(ellipsoid_views, view):
    assert rejected(replaced(ellipsoid_views, **{f"view{view}": (view + 4) % 16})) == (view,)


def test_two_wrong_views_are_found(ellipsoid_views):
    assert rejected(replaced(ellipsoid_views, view3=7, view10=14)) == (3, 10)


def test_a_shifted_view_is_found(ellipsoid_views):
    alpha = ellipsoid_views.alpha.clone()
    alpha[0, 6] = alpha[0, 6].roll(12, dims=-1)
    assert 6 in rejected(Views(ellipsoid_views.pixels, alpha))


def test_the_kept_views_keep_their_cameras_and_numbers(ellipsoid_views):
    photographs = checked_photographs(replaced(ellipsoid_views, view5=9))
    kept, numbers = without_contradictions(photographs)
    assert numbers == (5,)
    assert kept.indices == (*range(5), *range(6, 16))
    assert len(kept.cameras.poses) == len(kept.pixels) == 15
    assert kept.cameras.azimuths_deg[5] == 6 * 22.5


def test_the_report_names_rejected_views(ellipsoid_views):
    result = reconstruct(replaced(ellipsoid_views, view5=9), quality="draft")
    assert result.report.rejected_views == (5,)
    assert result.report.silhouette_iou > 0.95
