"""ZeroGPU, with a fake `spaces` that forks and pickles like the real one."""

import json
import os
import subprocess
import sys
import types

import pytest

from harmony.serving.zero import find_gpu, is_zero_gpu, plain_gpu
from harmony.ui.zero_engine import MAX_SECONDS, START_SECONDS


@pytest.fixture(scope="module")
def seen(tmp_path_factory):
    """What a process of its own saw: forking one that has run many tests is another matter."""
    command = [sys.executable, "-m", "tests.unit.serving.fake_zero"]
    done = subprocess.run(
        [*command, str(tmp_path_factory.mktemp("zero"))],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    return json.loads(done.stdout.splitlines()[-1])


def test_a_run_in_the_fork_is_the_same_run(seen):
    assert seen["same_as_plain"]
    assert seen["steps"] == 6
    assert seen["calls_in_parent"] == 0


def test_what_was_made_before_asks_for_no_gpu(seen):
    assert seen["same_again"]
    assert seen["steps_again"] == 0
    assert seen["forks"] == 2


def test_stopping_ends_the_loan(seen):
    assert seen["forks_alive"] == 0


def test_the_duration_follows_from_the_steps(seen):
    first, second = seen["durations"]
    assert START_SECONDS < first < MAX_SECONDS
    assert START_SECONDS < second <= MAX_SECONDS


def test_the_stand_in_takes_every_form():
    @plain_gpu
    def bare():
        return 1

    @plain_gpu()
    def empty():
        return 2

    @plain_gpu(duration=lambda: 60)
    def timed():
        return 3

    assert (bare(), empty(), timed()) == (1, 2, 3)


def test_spaces_is_taken_where_it_is_installed(monkeypatch):
    monkeypatch.setitem(sys.modules, "spaces", None)
    with pytest.raises(ModuleNotFoundError):
        __import__("spaces")
    fake = types.ModuleType("spaces")
    fake.GPU = object()  # pyright: ignore[reportAttributeAccessIssue]
    monkeypatch.setitem(sys.modules, "spaces", fake)
    assert find_gpu() is fake.GPU


@pytest.mark.parametrize(("value", "zero"), [("true", True), ("1", True), ("", False)])
def test_the_platform_says_whether_it_is_one(monkeypatch, value, zero):
    monkeypatch.setenv("SPACES_ZERO_GPU", value)
    assert is_zero_gpu() is zero
