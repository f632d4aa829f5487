import threading

import pytest

from harmony.ui.background_work import StoppedError, in_background


def test_progress_comes_through_and_the_result_stays():
    def count(tell):
        for k in range(3):
            tell(k)
        return "done"

    work = in_background(count)
    assert list(work) == [0, 1, 2]
    assert work.result == "done"


def test_an_exception_of_the_work_is_raised_by_the_iterator():
    def fail(tell):
        tell("started")
        raise ValueError("no views")

    told = []
    with pytest.raises(ValueError, match="no views"):
        told.extend(in_background(fail))


def test_closing_ends_the_work_at_its_next_word():
    go_on, ended = threading.Event(), threading.Event()

    def work(tell):
        tell("first")
        go_on.wait(5)
        try:
            tell("second")
        except StoppedError:
            ended.set()
            raise

    iterator = iter(in_background(work))
    assert next(iterator) == "first"
    iterator.close()  # pyright: ignore[reportAttributeAccessIssue]
    go_on.set()
    assert ended.wait(5)
