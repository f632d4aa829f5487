import numpy as np
import pytest

from harmony.cameras import target_cameras
from harmony.reconstruction.checks import checked_photographs
from harmony.reconstruction.colors import point_colors, seen_colors
from harmony.reconstruction.depth import rasterize_ring
from harmony.reconstruction.surface import vertex_normals
from harmony.records import Views


@pytest.fixture(scope="module")
def surface(ellipsoid):
    vertices, faces = np.asarray(ellipsoid.vertices), np.asarray(ellipsoid.faces)
    rasters = rasterize_ring(vertices, faces, target_cameras(128))
    return vertices, vertex_normals(vertices, faces), rasters


def test_seen_points_have_the_pictures_colours(surface, ellipsoid_views, paint):
    vertices, normals, rasters = surface
    photographs = checked_photographs(ellipsoid_views)
    colors, seen = seen_colors(vertices, normals, rasters, photographs)
    assert seen[vertices[:, 2] > 0].all()
    assert not seen[normals[:, 2] < -0.95].any()
    top = vertices[:, 2] > 0.05
    assert np.abs(colors[top] - paint(vertices[top])).mean() < 0.05
    assert (colors[~seen] == 0).all()


def test_unseen_points_take_their_neighbours_colours(surface, ellipsoid_views):
    vertices, normals, rasters = surface
    red = ellipsoid_views.pixels.clone()
    red[:] = 1.0
    solid = (ellipsoid_views.alpha > 0.5).expand_as(red)
    red[solid] = 0.2
    photographs = checked_photographs(Views(red, ellipsoid_views.alpha))
    colors = point_colors(vertices, normals, rasters, photographs)
    # No white of the background bleeds in at the outlines.
    assert colors.max() < 0.25
    assert colors.min() > 0.15


def test_view_0_counts_most(surface, ellipsoid_views):
    vertices, normals, rasters = surface
    pixels = ellipsoid_views.pixels.clone()
    pixels[:, 1:] = 0.1
    pixels[:, 0] = 0.9
    photographs = checked_photographs(Views(pixels, ellipsoid_views.alpha))
    colors, _ = seen_colors(vertices, normals, rasters, photographs)
    towards = normals @ np.array([np.cos(np.pi / 6), 0, 0.5])
    assert colors[towards > 0.97].mean() > 0.5
    assert colors[towards < -0.2].max() < 0.15
