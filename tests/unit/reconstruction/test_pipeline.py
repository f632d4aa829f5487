import numpy as np
import pytest
import trimesh

from harmony.evaluation.geometry import chamfer_distance, volume_iou
from harmony.reconstruction import Progress, reconstruct


class Stopped(Exception):  # noqa: N818
    pass


@pytest.fixture(scope="module")
def draft(ellipsoid_views):
    return reconstruct(ellipsoid_views, quality="draft")


def test_draft_finds_the_solid(draft, ellipsoid):
    mesh = draft.mesh
    truth = (ellipsoid.vertices, ellipsoid.faces)
    assert chamfer_distance(mesh.vertices, mesh.faces, *truth) < 0.01
    assert volume_iou(mesh.vertices, mesh.faces, *truth) > 0.88


def test_draft_is_closed_and_outward(draft):
    shape = trimesh.Trimesh(draft.mesh.vertices, draft.mesh.faces, process=False)
    assert shape.is_watertight
    assert draft.report.watertight
    assert shape.volume > 0
    assert draft.report.faces == len(shape.faces)
    assert draft.report.silhouette_iou > 0.97
    assert draft.mesh.vertices.dtype == np.float32
    assert draft.mesh.faces.dtype == np.int32


def test_draft_carries_the_pictures_colours(draft, paint):
    seen = draft.mesh.vertices[:, 2] > 0
    error = np.abs(draft.mesh.vertex_colors[seen] - paint(draft.mesh.vertices[seen]))
    assert error.mean() < 0.06
    assert draft.mesh.vertex_colors.min() >= 0
    assert draft.mesh.vertex_colors.max() <= 1


def test_the_same_views_give_the_same_bytes(draft, ellipsoid_views):
    again = reconstruct(ellipsoid_views, quality="draft").mesh
    assert again.vertices.tobytes() == draft.mesh.vertices.tobytes()
    assert again.faces.tobytes() == draft.mesh.faces.tobytes()
    assert again.vertex_colors.tobytes() == draft.mesh.vertex_colors.tobytes()


def test_progress_rises_to_one(ellipsoid_views):
    told: list[Progress] = []
    reconstruct(ellipsoid_views, quality="draft", on_progress=told.append)
    fractions = [progress.fraction for progress in told]
    assert fractions == sorted(fractions)
    assert fractions[0] == 0.0
    assert fractions[-1] == 1.0
    assert all(progress.stage for progress in told)


def test_raising_from_progress_stops(ellipsoid_views):
    def stop(progress: Progress) -> None:
        if progress.fraction > 0:
            raise Stopped

    with pytest.raises(Stopped):
        reconstruct(ellipsoid_views, quality="draft", on_progress=stop)
