"""Worker processes: they work at once, stop when told, and are replaced when they are lost."""

import functools
import logging
import os
import signal
import threading

import pytest

from harmony.serving.workers import WorkerLostError, WorkerPool
from tests.unit.serving.services import Counter


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("workers")


@pytest.fixture(scope="module")
def pool(folder):
    opened = WorkerPool(functools.partial(Counter, folder), [2, 5])
    yield opened
    opened.close()


def test_nothing_is_started_before_it_is_needed():
    assert [worker.pid for worker in WorkerPool(Counter, [0, 1]).workers] == [None, None]


def test_values_come_through_and_a_worker_is_used_again(pool):
    assert list(pool.run("count", 4)) == [0, 1, 2, 3]
    first, second = pool.call("gpu"), pool.call("gpu")
    assert first == second
    assert first[0] != os.getpid()


def test_each_worker_sees_its_own_gpu_only(pool):
    first, second = pool.run("count", 2), pool.run("gpu")
    assert next(first) == 0
    assert next(second)[1] == "5"
    first.close()
    second.close()
    assert pool.call("gpu")[1] in {"2", "5"}


def test_two_workers_work_at_once(pool):
    ends = {}

    def meet(name, other):
        *_, ends[name] = pool.run("together", name, other)

    threads = [threading.Thread(target=meet, args=pair) for pair in (("a", "b"), ("b", "a"))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert ends == {"a": "met", "b": "met"}


def test_closing_stops_the_work_in_the_worker(pool, folder):
    (folder / "closed").unlink(missing_ok=True)
    work = pool.run("count", 10**9)
    assert next(work) == 0
    work.close()
    assert (folder / "closed").exists()
    assert list(pool.run("count", 2)) == [0, 1]


def test_a_value_error_is_handed_on_and_the_worker_stays(pool):
    before = pool.call("gpu")
    with pytest.raises(ValueError, match=r"Not with me\."):
        pool.call("refuse")
    assert pool.call("gpu") == before


@pytest.mark.parametrize("how", ["killed", "broken"])
def test_a_lost_worker_is_reported_and_replaced(pool, caplog, how):
    before, _ = pool.call("gpu")
    with caplog.at_level(logging.ERROR, logger="harmony"):
        if how == "killed":
            work = pool.run("count", 10**9)
            next(work)
            os.kill(before, signal.SIGKILL)
            with pytest.raises(WorkerLostError, match="press the button again"):
                list(work)
        else:
            with pytest.raises(WorkerLostError):
                pool.call("break_down")
    assert "A worker was lost" in caplog.text
    after, _ = pool.call("gpu")
    assert after != before


def test_a_worker_ends_with_its_parent_s_pipe(pool):
    pid, _ = pool.call("gpu")
    (worker,) = [worker for worker in pool.workers if worker.pid == pid]
    process, pipe = worker._process, worker._pipe
    assert process is not None
    assert pipe is not None
    pipe.close()
    process.join(60)
    assert process.exitcode == 0
    worker.kill()
