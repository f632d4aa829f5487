from __future__ import annotations

import pytest
import torch

from harmony.models.syncdreamer import memory
from harmony.models.syncdreamer.config import SyncDreamerConfig

CPU = torch.device("cpu")


@pytest.mark.parametrize(("samples", "views", "limit"), [(4, 16, 64), (4, 16, 40), (3, 16, 16)])
@pytest.mark.parametrize("smaller", [1, 3, 7])
def test_chunks_cover_everything_once_in_equal_parts(
    samples: int, views: int, limit: int, smaller: int
) -> None:
    for most in (limit, smaller):
        seen = torch.zeros(samples, views)
        sizes = set()
        for rows, columns in memory.chunks(samples, views, most):
            seen[rows, columns] += 1
            sizes.add(seen[rows, columns].numel())
        assert (seen == 1).all()
        assert len(sizes) == 1
        assert max(sizes) <= most


def test_chunks_take_whole_samples_where_they_fit() -> None:
    assert len(list(memory.chunks(4, 16, 64))) == 1
    assert len(list(memory.chunks(4, 16, 40))) == 2
    assert len(list(memory.chunks(4, 16, 8))) == 8


def test_out_of_memory_halves_once() -> None:
    tried = []

    def run(limit: int) -> str:
        tried.append(limit)
        if limit > 8:
            raise torch.OutOfMemoryError
        return "done"

    assert memory.with_halving(run, 16, CPU) == ("done", 8)
    assert tried == [16, 8]
    with pytest.raises(torch.OutOfMemoryError):
        memory.with_halving(run, 64, CPU)
    assert tried == [16, 8, 64, 32]


def test_one_view_that_does_not_fit_is_an_error() -> None:
    def run(limit: int) -> str:
        raise torch.OutOfMemoryError

    with pytest.raises(torch.OutOfMemoryError):
        memory.with_halving(run, 1, CPU)


def test_estimates_grow_with_what_they_estimate() -> None:
    config = SyncDreamerConfig()
    one, three = (memory.denoise_bytes(config, branches, 2) for branches in (1, 3))
    assert one < three < 3 * one
    assert memory.denoise_bytes(config, 3, 4) == 2 * three
    assert memory.views_at_once(10 * three, three, 64) == 10
    assert memory.views_at_once(three // 2, three, 64) == 1
    assert memory.views_at_once(100 * three, three, 64) == 64
    assert memory.free_bytes(CPU) == memory.CPU_BUDGET_BYTES
