import numpy as np
import pytest
import trimesh

from harmony.evaluation.solids import enclosed_solid


def test_overlapping_boxes_become_one_solid():
    first = trimesh.creation.box((0.4, 0.3, 0.2))
    second = trimesh.creation.box((0.2, 0.2, 0.4))
    both = trimesh.util.concatenate([first, second])
    faces = np.asarray(both.faces).copy()
    faces[::3] = faces[::3, ::-1]  # orientation means nothing
    vertices, solid = enclosed_solid(np.asarray(both.vertices), faces, spacing=0.02)
    shape = trimesh.Trimesh(vertices, solid, process=False)
    assert shape.is_watertight
    assert shape.volume == pytest.approx(0.4 * 0.3 * 0.2 + 2 * 0.1 * 0.2 * 0.2, rel=0.05)
    assert np.allclose(shape.bounds, both.bounds, atol=0.01)


def test_a_sheet_encloses_nothing():
    sheet = trimesh.creation.box((0.4, 0.3, 0.2))
    top = np.asarray(sheet.faces)[sheet.face_normals[:, 2] > 0.9]
    with pytest.raises(ValueError, match="encloses nothing"):
        enclosed_solid(np.asarray(sheet.vertices), top, spacing=0.02)
