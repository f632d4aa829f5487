from __future__ import annotations

import numpy as np
import pytest

from harmony.images import read_image
from tests.fuzz.mutations import DAMAGES, mutation
from tests.fuzz.originals import originals
from tests.fuzz.reading import read_and_frame
from tests.fuzz.watched import watched

COUNT = 200
"""A share of the thousand that `python -m benchmarks.fuzz_pictures` makes."""
MAX_GROWN_MB = 800.0


def _misbehaves(data: bytes) -> str:
    """Do as the data says; runs in the watched process."""
    if data == b"hang":
        while True:
            pass
    if data == b"crash":
        import os

        os.abort()
    if data == b"error":
        raise TypeError("unplanned")
    return data.decode()


def test_the_watcher_tells_hangs_crashes_and_errors_from_answers():
    pieces = [(word, word.encode()) for word in ("fine", "hang", "crash", "error", "again")]
    kinds = [outcome.kind for outcome in watched(_misbehaves, pieces, seconds=3.0)]
    assert kinds == ["answer", "hang", "crash", "error", "answer"]


@pytest.mark.parametrize("name", list(originals()))
def test_every_original_is_read(name):
    data = originals()[name]
    assert read_and_frame(data).startswith("picture ")
    notes = " ".join(read_image(data).notes)
    assert ("animated" in notes or "pages" in notes) == name.startswith(("moving", "pages"))


def test_mutations_repeat_and_reach_every_file_and_damage():
    files = originals()
    made = [mutation(files, index) for index in range(COUNT)]
    assert made == [mutation(files, index) for index in range(COUNT)]
    for word in (*files, *DAMAGES):
        assert any(word in label for label, _ in made), word
    damaged = [data not in files.values() for _, data in made]
    assert np.mean(damaged) > 0.95


def test_damaged_pictures_get_a_picture_or_a_sentence():
    files = originals()
    pieces = [mutation(files, index) for index in range(COUNT)]
    outcomes = list(watched(read_and_frame, pieces, seconds=10.0))
    assert [outcome for outcome in outcomes if outcome.kind != "answer"] == []
    assert max(outcome.grown_mb for outcome in outcomes) < MAX_GROWN_MB
    kinds = {outcome.text.split()[0] for outcome in outcomes}
    assert kinds == {"picture", "refused:"}
