"""Seeded noise: a seed draws the same numbers in any company."""

import pytest
import torch

from harmony.noise import SeededNoise, validate_seeds


def test_a_seed_alone_equals_the_seed_in_a_batch_draw_after_draw():
    together, alone = SeededNoise([5, 7, 11]), SeededNoise([7])
    for shape in [(2, 3), (4,), (2, 3)]:
        assert torch.equal(together.draw(shape)[1], alone.draw(shape)[0])


def test_draws_differ_between_seeds_and_in_time():
    noise = SeededNoise([0, 1])
    first, second = noise.draw((8,)), noise.draw((8,))
    assert not torch.equal(first[0], first[1])
    assert not torch.equal(first, second)


def test_a_first_draw_that_is_known_is_not_drawn_again_and_the_next_ones_stay_the_same():
    plain, kept = SeededNoise([5, 7]), SeededNoise([7])
    first = kept.draw((2, 3))[0]
    again = SeededNoise([5, 7], first={7: first})
    known = again.draw((2, 3))[1]
    for draw in range(3):
        expected = plain.draw((2, 3))
        assert torch.equal((known if draw == 0 else again.draw((2, 3))[1]), expected[1])


def test_known_noise_of_another_shape_is_not_taken():
    other = SeededNoise([7]).draw((4,))[0]
    drawn = SeededNoise([7], first={7: other}).draw((2, 3))
    assert torch.equal(drawn, SeededNoise([7]).draw((2, 3)))


@pytest.mark.gpu
def test_known_noise_on_a_gpu_goes_with_noise_that_is_drawn():
    first = SeededNoise([7], "cuda").draw((2, 3))[0]
    drawn = SeededNoise([5, 7], "cuda", first={7: first}).draw((2, 3))
    assert torch.equal(drawn.cpu(), SeededNoise([5, 7]).draw((2, 3)))


@pytest.mark.parametrize(
    ("seeds", "message"),
    [
        ([], "At least one"),
        ([-1], "out of range"),
        ([2**63], "out of range"),
        ([3, 3], "only once"),
    ],
)
def test_bad_seeds_are_refused(seeds, message):
    with pytest.raises(ValueError, match=message):
        validate_seeds(seeds)
