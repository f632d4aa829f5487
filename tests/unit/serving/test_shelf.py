"""The disk that visitors' files may take."""

import os
import time

import pytest

from harmony.serving.shelf import LOOK_SECONDS, UPLOAD_SECONDS, disk_bytes
from harmony.ui.visits import Visits
from tests.unit.ui.test_visits import a_run

KILO = 1000


class Shelf:
    """Visits below a bound of 10 kB, at a time that the test sets."""

    def __init__(self, root) -> None:
        self.now, self.busy = 100.0, None
        self.root = root
        self.visits = Visits(
            lambda: root, clock=lambda: self.now, max_bytes=10 * KILO, busy_since=lambda: self.busy
        )

    def result(self, session, kilobytes):
        self.now += LOOK_SECONDS
        visit = self.visits.of(session)
        run = a_run(visit, session)
        visit.keep(run)
        (run.recipe_file.parent / "views.zip").write_bytes(bytes(kilobytes * KILO))
        return run

    def look(self):
        self.now += LOOK_SECONDS
        self.visits.of("somebody")
        return disk_bytes(self.root)


@pytest.fixture
def shelf(tmp_path):
    return Shelf(tmp_path)


def test_the_oldest_results_go_first_whoever_made_them(shelf):
    first, second, third = (shelf.result(name, 4) for name in ("a", "b", "a"))
    assert shelf.look() <= 10 * KILO
    there = [run.recipe_file.exists() for run in (first, second, third)]
    assert there == [False, True, True]


def test_a_visit_forgets_what_went(shelf):
    first = shelf.result("a", 4)
    visit = shelf.visits.of("a")
    visit.cells["0|0"] = first
    second = shelf.result("a", 8)
    shelf.look()
    assert list(visit.runs) == [second.id]
    assert visit.cells == {}
    assert visit.run is second


def test_a_result_that_is_on_show_may_go_and_is_then_on_show_no_more(shelf):
    shelf.result("a", 11)
    shelf.look()
    visit = shelf.visits.of("a")
    assert visit.run is None
    assert visit.sample is None


def test_what_is_still_being_written_stays(shelf):
    old = shelf.result("a", 4)
    shelf.busy = shelf.now + LOOK_SECONDS
    running = shelf.result("b", 20)
    shelf.look()
    assert not old.recipe_file.exists()
    assert running.recipe_file.exists()
    shelf.busy = None
    shelf.look()
    assert not running.recipe_file.exists()


def test_below_the_bound_nothing_goes(shelf):
    runs = [shelf.result(name, 3) for name in "abc"]
    shelf.look()
    assert all(run.recipe_file.exists() for run in runs)


@pytest.mark.parametrize(("age", "stays"), [(0.0, True), (UPLOAD_SECONDS + 60, False)])
def test_uploads_go_when_results_are_not_enough_and_they_are_old(shelf, age, stays):
    upload = shelf.root / "0123abcd" / "picture.png"
    upload.parent.mkdir()
    upload.write_bytes(bytes(11 * KILO))
    then = time.time() - age
    os.utime(upload.parent, (then, then))
    shelf.look()
    assert upload.exists() is stays
