"""Several workers behind one lane: they work at once, and one may be killed."""

from __future__ import annotations

import functools
import os
import signal
import time
from dataclasses import replace

import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError

from harmony.serving.lane import Lane
from harmony.serving.workers import WorkerPool
from harmony.ui.live import LiveMemory, LiveOffer, LiveRequest
from harmony.ui.pooled_engine import PooledEngine, WorkerEngine
from harmony.ui.settings import Framing, Settings
from harmony.ui.turns import Turns
from tests.page_fakes import PageStudent, engine_with_student, fake_engine

PATIENCE = 300
LONG = 999


class Page:
    """A page in front of two workers."""

    def __init__(self, serve) -> None:
        make = functools.partial(fake_engine, step_seconds=0.3)
        self.pool = WorkerPool(functools.partial(WorkerEngine, make), [None, None])
        rules = ("decomposed", "cfg", "none")
        self.engine = PooledEngine(model_name="fake", rules=rules, pool=self.pool)
        self.lane = Lane(2)
        self.url = serve(self.engine, turns=Turns(self.lane))

    def until(self, condition) -> None:
        deadline = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < deadline, "the page did not get there"
            time.sleep(0.05)


@pytest.fixture(scope="module")
def gpus(serve):
    page = Page(serve)
    page.engine.model.get()
    yield page
    page.engine.close()


@pytest.fixture
def clients(gpus, tmp_path):
    opened = [Client(gpus.url, download_files=tmp_path / str(k), verbose=False) for k in (0, 1)]
    yield opened
    for client in opened:
        client.close()
    gpus.until(lambda: gpus.lane.running == 0)


def submit(client, picture, num_steps, seed=0):
    return client.submit(
        picture=handle_file(str(picture)),
        num_steps=num_steps,
        first_seed=seed,
        api_name="/generate",
    )


def steps(job) -> int:
    return len([out for out in job.outputs() if "step" in out[0]])


def test_the_status_names_the_workers(gpus):
    assert gpus.engine.model.get().device == "2 × cpu"
    assert gpus.engine.status() == "fake · 2 × cpu"
    assert len({worker.pid for worker in gpus.pool.workers}) == 2
    assert os.getpid() not in {worker.pid for worker in gpus.pool.workers}


def test_two_runs_go_on_at_once(gpus, clients, picture):
    jobs = [submit(client, picture, LONG, k) for k, client in enumerate(clients)]
    gpus.until(lambda: all(steps(job) > 3 for job in jobs))
    assert gpus.lane.running == 2
    before = [steps(job) for job in jobs]
    gpus.until(lambda: all(steps(job) > old + 3 for job, old in zip(jobs, before, strict=True)))
    for job in jobs:
        job.cancel()


def test_results_scores_and_names_come_back(gpus, clients, picture):
    done, pictures, zips, scores, recipe = submit(clients[0], picture, 4, 7).result(PATIENCE)
    assert done["done"]
    assert len(pictures) == 16
    assert (scores[0]["seed"], recipe["model"]) == (7, "fake")
    again = clients[0].predict(views_zip=handle_file(zips[0]), object_name="egg", api_name="/score")
    assert again["encoder"] == "pixel-means"


def test_a_killed_worker_costs_its_own_run_only(gpus, clients, picture):
    jobs = [submit(client, picture, LONG, k) for k, client in enumerate(clients)]
    gpus.until(lambda: all(steps(job) > 3 for job in jobs))
    os.kill(gpus.pool.workers[0].pid, signal.SIGKILL)
    gpus.until(lambda: any(job.done() for job in jobs))
    (lost,) = [job for job in jobs if job.done()]
    (kept,) = [job for job in jobs if not job.done()]
    with pytest.raises(AppError, match="press the button again"):
        lost.result(PATIENCE)
    before = steps(kept)
    gpus.until(lambda: steps(kept) > before + 3)
    next_one = submit(clients[jobs.index(lost)], picture, 4)
    assert next_one.result(PATIENCE)[0]["done"]
    kept.cancel()


def test_a_worker_answers_the_dials_as_one_process_does(picture):
    pool = WorkerPool(functools.partial(WorkerEngine, engine_with_student), [None])
    offer = LiveOffer(PageStudent)
    engine = PooledEngine(model_name="fake", rules=("decomposed",), pool=pool, live=offer)
    settings = Settings(
        Framing("none", 0.8, 30.0), "decomposed", 2.0, 1.0, 1.0, "ddim", 4, 1.0, 1, 0, "egg"
    )
    answers = []
    for student in (engine.student, engine_with_student().student):
        assert student is not None
        memory = LiveMemory()
        for s1 in (2.0, 0.5):
            request = LiveRequest(picture, replace(settings, s1=s1), 2)
            *steps, last = student.answer(request, memory)
            assert steps == [None, None]
            assert last is not None
            answers.append((last.strip.tobytes(), last.recipe))
        assert len(memory.pictures) == 1
    engine.close()
    assert answers[:2] == answers[2:]
    assert answers[0] != answers[1]


def test_closing_ends_the_workers():
    pool = WorkerPool(functools.partial(WorkerEngine, fake_engine), [None])
    engine = PooledEngine(model_name="fake", rules=("none",), pool=pool)
    engine.model.get()
    pid = pool.workers[0].pid
    assert pid is not None
    engine.close()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
