from __future__ import annotations

import itertools

import pytest
import torch

from harmony.serving.guess import EFFICIENCY, OPERATIONS, PROBE_SIDE, guess_seconds

CPU = torch.device("cpu")


def ticking(seconds: float):
    """Return a clock on which every product takes so many seconds."""
    count = itertools.count()
    return lambda: (next(count) + 1) // 2 * seconds


def test_the_guess_sets_operations_against_the_processors_speed():
    speed = EFFICIENCY * 2 * PROBE_SIDE**3 / 0.01
    guess = guess_seconds("small", 75, CPU, ticking(0.01))
    assert guess is not None
    assert guess == pytest.approx(75 * OPERATIONS["small"] / speed)
    slower = guess_seconds("small", 75, CPU, ticking(0.02))
    assert slower == pytest.approx(2 * guess)
    other = guess_seconds("syncdreamer", 75, CPU, ticking(0.01))
    assert other == pytest.approx(guess * OPERATIONS["syncdreamer"] / OPERATIONS["small"])


def test_what_cannot_be_guessed_is_not():
    assert guess_seconds("somebody's", 75, CPU) is None
    assert guess_seconds("small", 75, torch.device("cuda")) is None


def test_the_real_clock_gives_a_time():
    guess = guess_seconds("small", 1, CPU)
    assert guess is not None
    assert guess > 0
