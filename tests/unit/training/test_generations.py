"""Procedural objects that take part in training, generation by generation."""

from collections.abc import Iterator

import numpy as np
import pytest
import torch

from harmony.training.generations import Generations, ProceduralSettings, mixed_ids
from harmony.training.stream import SceneStream
from tests.unit.training.shapes import make_library

LIBRARY = make_library()
SETTINGS = ProceduralSettings(count=3, share=0.5, scenes=4, seed=7, workers=1, occlusion=False)


@pytest.fixture(scope="module")
def generations() -> Iterator[Generations]:
    with Generations(LIBRARY, [0, 1], SETTINGS) as made:
        yield made


def make_stream(generations: Generations) -> SceneStream:
    return SceneStream(LIBRARY, [0, 1], image_size=16, ring_size=6, seed=3, generations=generations)


def test_a_pool_holds_the_library_and_new_objects_in_the_promised_share(generations):
    pool = generations.pool(0)
    assert len(pool.library) == len(LIBRARY) + 3
    procedural = pool.object_ids >= len(LIBRARY)
    assert procedural.mean() == pytest.approx(0.5, abs=1e-4)
    assert set(pool.object_ids[procedural]) == {3, 4, 5}
    assert set(pool.object_ids[~procedural]) == {0, 1}


def test_every_generation_is_new_and_comes_again_when_asked_for(generations):
    first = generations.pool(0).library.positions
    second = generations.pool(1).library.positions
    again = generations.pool(0).library.positions
    assert torch.equal(first, again)
    assert first.shape != second.shape or not torch.equal(first, second)


def test_scenes_show_procedural_objects_and_a_resumed_stream_the_same_ones(generations):
    whole, resumed = make_stream(generations), make_stream(generations)
    whole.refill(10)
    drawn = whole.batch(50, torch.Generator().manual_seed(0)).object_ids
    assert (drawn >= len(LIBRARY)).any()
    resumed.load_state_dict({"scene_count": 10, "seed": 3, "rank": 0})
    assert torch.equal(whole.pictures, resumed.pictures)


def test_occlusion_reaches_procedural_objects():
    settings = ProceduralSettings(count=2, scenes=4, workers=1)
    with Generations(LIBRARY, [0, 1], settings) as made:
        visibility = made.pool(0).library.visibility
    own = LIBRARY.vertex_start[-1]
    assert (visibility[:own] == 1).all()
    assert (visibility[own:] < 1).any()


def test_shares_are_exact_for_few_and_many_objects():
    for count in (1, 100, 70_000):
        ids = mixed_ids(np.arange(10), 10, count, 0.25)
        assert (ids >= 10).mean() == pytest.approx(0.25, abs=1e-4)
    assert (mixed_ids(np.arange(10), 10, 2, 1.0) >= 10).all()


def test_impossible_settings_are_refused():
    with pytest.raises(ValueError, match="positive"):
        ProceduralSettings(count=0)
    with pytest.raises(ValueError, match="share"):
        ProceduralSettings(count=1, share=0.0)
