import numpy as np
import pytest
import trimesh

from harmony.reconstruction.charts import flat_charts


@pytest.fixture(scope="module")
def ball() -> trimesh.Trimesh:
    return trimesh.creation.icosphere(subdivisions=4, radius=0.4)


def signed_areas(uv: np.ndarray, faces: np.ndarray) -> np.ndarray:
    a, b, c = (uv[faces[:, corner]] for corner in range(3))
    first, second = b - a, c - a
    return (first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0]) / 2


def test_no_face_is_turned_over_or_squashed(ball):
    cut = flat_charts(np.asarray(ball.vertices), np.asarray(ball.faces))
    share = signed_areas(cut.uv, cut.faces) / ball.area_faces
    assert share.min() > 0.2
    assert share.max() <= 1 + 1e-9


def test_the_cut_mesh_is_the_mesh(ball):
    cut = flat_charts(np.asarray(ball.vertices), np.asarray(ball.faces))
    assert np.array_equal(cut.vertex[cut.faces], ball.faces)


def test_a_ball_needs_few_charts_and_they_lie_apart(ball):
    cut = flat_charts(np.asarray(ball.vertices), np.asarray(ball.faces))
    number = np.round(cut.uv[:, 0] / 2)
    assert len(np.unique(number)) == 6
    assert (np.abs(cut.uv[:, 0] - 2 * number) <= 0.4 + 1e-9).all()
