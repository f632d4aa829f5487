import dataclasses

import numpy as np
import torch

from harmony.training.assembly import assemble
from harmony.training.rasterizer import rasterize
from harmony.training.rasterizer.geometry import LIGHT_COLUMNS
from harmony.training.shading import render, sample_texture, shade
from harmony.training.stream import plain_scenes
from tests.unit.training.shapes import make_library

LIBRARY = make_library()


def test_texture_lookup_is_bilinear_upside_up_and_wraps():
    texels = torch.tensor([[0] * 3, [100] * 3, [200] * 3, [40] * 3], dtype=torch.uint8)
    texels = torch.cat([texels, torch.full((4, 1), 255, dtype=torch.uint8)], 1)
    u = torch.tensor([0.25, 0.75, 0.25, 0.75, 0.5, -1.75, 0.0])
    v = torch.tensor([0.75, 0.75, 0.25, 0.25, 0.75, 3.75, 0.75])
    table = torch.tensor([[0, 2, 2, 0]]).repeat(len(u), 1)
    found = sample_texture(texels, table, u, v)[:, 0] * 255
    np.testing.assert_allclose(found, [0, 100, 200, 40, 50, 0, 50], atol=1e-3)


def test_transparent_texels_do_not_bleed():
    texels = torch.tensor([[10, 10, 10, 0], [90, 90, 90, 255]], dtype=torch.uint8)
    found = sample_texture(
        texels, torch.tensor([[0, 2, 1, 1]]), torch.tensor([0.5]), torch.tensor([0.5])
    )
    np.testing.assert_allclose(found * 255, [[90, 90, 90]], atol=0.5)


def test_ambient_light_alone_gives_the_objects_own_colour():
    scenes = plain_scenes(LIBRARY, np.array([0]), elevation_deg=30, azimuth_turn_deg=20)
    lights = np.zeros((1, LIGHT_COLUMNS))
    lights[:, :6] = 1
    lights[:, 19] = 1
    triangles, surface = assemble(
        LIBRARY, dataclasses.replace(scenes, lights=lights), image_size=16
    )
    pictures = render(triangles, surface)
    inside = pictures[:, 3] == 255
    colors = pictures.permute(0, 2, 3, 1)[inside][:, :3]
    assert (colors == torch.tensor([200, 100, 50])).all()


def test_a_light_from_above_brightens_tops_and_leaves_sides_dark():
    scenes = plain_scenes(LIBRARY, np.array([0]), elevation_deg=30, azimuth_turn_deg=0)
    lights = np.zeros((1, LIGHT_COLUMNS))
    lights[:, 8] = lights[:, 9:12] = lights[:, 19] = 1
    triangles, surface = assemble(
        LIBRARY, dataclasses.replace(scenes, lights=lights), image_size=16
    )
    pictures = torch.empty(17, 4, 16, 16, dtype=torch.uint8)
    shade(triangles, surface, rasterize(triangles), pictures)
    shown = pictures[0, 0][pictures[0, 3] == 255].unique().tolist()
    assert {0, 200} <= set(shown) <= {0, 50, 100, 150, 200}
