import numpy as np
import pytest
import torch
import trimesh

from harmony.evaluation.geometry import chamfer_distance, volume_iou
from harmony.reconstruction import Progress, reconstruct
from harmony.reconstruction.checks import checked_photographs
from harmony.reconstruction.pipeline import Quality, solid_surface
from harmony.reconstruction.records import Photographs
from harmony.reconstruction.registration import RegistrationSettings


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


@pytest.fixture(scope="module")
def stool(ring_views) -> Photographs:
    seat = trimesh.creation.box((0.7, 0.7, 0.3))
    legs = [trimesh.creation.box((0.05, 0.05, 0.5)) for _ in range(4)]
    for leg, (x, y) in zip(legs, ((-1, -1), (-1, 1), (1, -1), (1, 1)), strict=True):
        leg.apply_translation((0.3 * x, 0.3 * y, -0.3))
    return checked_photographs(ring_views(trimesh.util.concatenate([seat, *legs])))


def test_views_that_disagree_keep_thin_legs(stool):
    settings = Quality(
        spacing=0.0125,
        faces=20_000,
        smoothing=3,
        regularisation=0.04,
        registration=RegistrationSettings(),
    )
    vertices, _ = solid_surface(stool, 1.0, settings, torch.device("cpu"), lambda progress: None)
    corners = [
        vertices[(x * vertices[:, 0] > 0) & (y * vertices[:, 1] > 0)]
        for x, y in ((-1, -1), (-1, 1), (1, -1), (1, 1))
    ]
    assert all(corner[:, 2].min() < -0.45 for corner in corners)
