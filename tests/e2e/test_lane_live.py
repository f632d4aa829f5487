"""Turns on a live page: several visitors, one model."""

from __future__ import annotations

import asyncio
import json
import os
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError

from harmony.serving.lane import Lane
from harmony.ui.turns import Turns
from tests.page_fakes import PageDenoiser, fake_engine

STEP_SECONDS = 0.1
LONG = 999
PATIENCE = 60


class Page:
    """A page with a slow model and a short queue."""

    def __init__(self, serve) -> None:
        self.model = PageDenoiser(STEP_SECONDS)
        self.lane = Lane(max_waiting=3, max_waiting_each=2)
        self.url = serve(fake_engine(model=self.model), turns=Turns(self.lane))

    def until(self, condition) -> None:
        deadline = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < deadline, "the page did not get there"
            time.sleep(0.02)

    def is_quiet(self) -> bool:
        return self.lane.running == self.lane.waiting == 0


@pytest.fixture(scope="module")
def slow(serve) -> Page:
    return Page(serve)


@pytest.fixture
def clients(slow, tmp_path) -> Iterator[list[Client]]:
    opened = [Client(slow.url, download_files=tmp_path / str(k), verbose=False) for k in range(4)]
    yield opened
    for client in opened:
        client.close()
    slow.until(slow.is_quiet)


def start(client: Client, picture: Path, num_steps: int, **settings):
    return client.submit(
        picture=handle_file(str(picture)), num_steps=num_steps, api_name="/generate", **settings
    )


def test_who_waits_is_told_where_and_gets_their_own(slow, clients, picture):
    first = start(clients[0], picture, 60, first_seed=1)
    slow.until(lambda: slow.lane.running == 1)
    second = start(clients[1], picture, 4, first_seed=2)
    slow.until(lambda: slow.lane.waiting == 1)
    third = start(clients[2], picture, 4, first_seed=3)
    jobs = (first, second, third)
    assert [job.result(timeout=PATIENCE)[3][0]["seed"] for job in jobs] == [1, 2, 3]
    places = [out[0]["waiting"] for out in third.outputs() if "waiting" in out[0]]
    assert places[0] == 2
    assert places == sorted(places, reverse=True)


def test_a_full_queue_is_refused_in_a_sentence(slow, clients, picture):
    running = start(clients[0], picture, LONG)
    slow.until(lambda: slow.lane.running == 1)
    waiting = [start(clients[k], picture, 4) for k in (1, 1, 2)]
    slow.until(lambda: slow.lane.waiting == 3)
    with pytest.raises(AppError, match="queue is full"):
        start(clients[3], picture, 4).result(timeout=PATIENCE)
    running.cancel()
    assert all(job.result(timeout=PATIENCE)[0]["done"] for job in waiting)


def test_stopping_frees_the_lane_within_a_step(slow, clients, picture):
    running = start(clients[0], picture, LONG)
    slow.until(lambda: slow.lane.running == 1)
    calls = len(slow.model.calls)
    waiting = start(clients[1], picture, 4)
    slow.until(lambda: slow.lane.waiting == 1)
    running.cancel()
    assert waiting.result(timeout=PATIENCE)[0]["done"]
    assert (len(slow.model.calls) - calls) * STEP_SECONDS < 10


def test_who_stops_waiting_leaves_the_queue(slow, clients, picture):
    running = start(clients[0], picture, LONG)
    slow.until(lambda: slow.lane.running == 1)
    waiting = start(clients[1], picture, 4)
    slow.until(lambda: slow.lane.waiting == 1)
    waiting.cancel()
    slow.until(lambda: slow.lane.waiting == 0)
    assert slow.lane.running == 1
    running.cancel()


def test_a_setting_that_will_not_do_is_refused_without_waiting(slow, clients, picture):
    running = start(clients[0], picture, LONG)
    slow.until(lambda: slow.lane.running == 1)
    with pytest.raises(AppError, match="1000"):
        start(clients[1], picture, 10**9).result(timeout=PATIENCE)
    assert slow.lane.running == 1
    running.cancel()


def test_a_program_without_a_session_is_one_visitor_by_its_address(slow, clients, picture):
    running = start(clients[0], picture, LONG)
    slow.until(lambda: slow.lane.running == 1)
    api = f"{slow.url}gradio_api"
    (path,) = httpx.post(f"{api}/upload", files={"files": picture.read_bytes()}).json()
    dials = ["u2netp", 0.8, 30, "decomposed", 2, 1, 1, "ddim", 4, 1, 1, 0, "egg"]
    body = {"data": [{"path": path, "meta": {"_type": "gradio.FileData"}}, *dials]}
    events = [httpx.post(f"{api}/call/generate", json=body).json()["event_id"] for _ in range(2)]
    slow.until(lambda: slow.lane.waiting == 2)
    third = httpx.post(f"{api}/call/generate", json=body).json()["event_id"]
    answer = httpx.get(f"{api}/call/generate/{third}", timeout=PATIENCE)
    assert "event: error" in answer.text
    assert "2 runs waiting" in answer.text
    running.cancel()
    for event in events:
        answer = httpx.get(f"{api}/call/generate/{event}", timeout=PATIENCE)
        assert "event: complete" in answer.text


def test_a_connection_that_breaks_takes_its_work_along(slow, picture):
    """Running and waiting work of a client that is gone ends, and its slot is free."""
    api = f"{slow.url}gradio_api"
    (path,) = httpx.post(f"{api}/upload", files={"files": picture.read_bytes()}).json()
    dials = ["u2netp", 0.8, 30, "decomposed", 2, 1, 1, "ddim", LONG, 1, 1, 0, "egg"]
    body = {"data": [{"path": path, "meta": {"_type": "gradio.FileData"}}, *dials]}
    event = httpx.post(f"{api}/call/generate", json=body).json()["event_id"]
    with httpx.stream("GET", f"{api}/call/generate/{event}", timeout=PATIENCE) as answer:
        next(answer.iter_lines())
        assert slow.lane.running == 1
    calls = len(slow.model.calls)
    slow.until(slow.is_quiet)
    assert (len(slow.model.calls) - calls) * STEP_SECONDS < 19.5


def test_many_who_wait_do_not_hold_up_a_cut_out(slow, clients, picture):
    running = start(clients[0], picture, LONG)
    slow.until(lambda: slow.lane.running == 1)
    waiting = [start(clients[k], picture, 4) for k in (1, 1, 2)]
    slow.until(lambda: slow.lane.waiting == 3)
    threads = [t.name for t in threading.enumerate() if t.name.startswith("slot-")]
    clients[3].predict(
        picture=handle_file(str(picture)),
        cutout="none",
        foreground=0.8,
        elevation_deg=30,
        api_name="/cutout",
    )
    assert slow.lane.waiting == 3
    assert len([t for t in threading.enumerate() if t.name.startswith("slot-")]) == len(threads)
    for job in (running, *waiting):
        job.cancel()


def events_of(lines: Iterator[str]) -> Iterator[dict]:
    return (json.loads(line[6:]) for line in lines if line.startswith("data: "))


def page_run(url: str, session: str, picture: Path, num_steps: int) -> str:
    """Press Generate as a page would; returns the event's id."""
    api = f"{url}gradio_api"
    config = httpx.get(f"{url}config").json()
    (target,) = [
        dependency["id"]
        for dependency in config["dependencies"]
        if dependency["api_name"] == "generate_1"
    ]
    upload = httpx.post(f"{api}/upload", files={"files": picture.read_bytes()}).json()
    file = {"path": upload[0], "meta": {"_type": "gradio.FileData"}}
    dials = ["u2netp", 0.8, 30, "decomposed", 2, 1, 1, "ddim", num_steps, 1, 1, 0, "egg"]
    sent = httpx.post(
        f"{api}/queue/join",
        json={"data": [file, *dials], "fn_index": target, "session_hash": session},
    )
    return sent.json()["event_id"]


def test_a_visitors_new_run_replaces_the_one_that_waits(slow, clients, picture):
    running = start(clients[0], picture, LONG)
    slow.until(lambda: slow.lane.running == 1)
    old = page_run(slow.url, "visitor-1", picture, 4)
    slow.until(lambda: slow.lane.waiting == 1)
    new = page_run(slow.url, "visitor-1", picture, 5)
    told: dict[str, list[str]] = {old: [], new: []}
    ended: list[str] = []
    with httpx.stream(
        "GET",
        f"{slow.url}gradio_api/queue/data",
        params={"session_hash": "visitor-1"},
        timeout=PATIENCE,
    ) as answer:
        for message in events_of(answer.iter_lines()):
            event = message.get("event_id")
            if event not in told:
                continue
            told[event].append(json.dumps(message))
            if message["msg"] == "process_completed":
                ended.append(event)
                assert message["success"]
                running.cancel()
            if len(ended) == 2:
                break
    assert ended == [old, new]
    assert "replaced by the new one" in " ".join(told[old])
    assert "Waiting: next in line" in " ".join(told[old])
    assert "Done: 1 sample" in " ".join(told[new])
    assert "Done: 1 sample" not in " ".join(told[old])


def test_a_closed_tab_takes_its_work_and_its_files_along(slow, picture):
    """The heartbeat of a page breaks off: what runs for it ends, and then its folder goes."""

    async def visit() -> None:
        heartbeat = f"{slow.url}gradio_api/heartbeat/visitor-2"
        async with (
            httpx.AsyncClient(timeout=PATIENCE) as client,
            client.stream("GET", heartbeat) as beat,
        ):
            lines = beat.aiter_lines()
            await anext(lines)
            page_run(slow.url, "visitor-2", picture, LONG)
            while slow.lane.running == 0:
                await asyncio.sleep(0.02)
            page_run(slow.url, "visitor-2", picture, LONG)
            while slow.lane.waiting == 0:
                await asyncio.sleep(0.02)
            assert set(folder.glob("visit-*")) > before

    folder = Path(os.environ["GRADIO_TEMP_DIR"])
    before = set(folder.glob("visit-*"))
    calls = len(slow.model.calls)
    # The browser of other tests may already run an event loop in this thread.
    with ThreadPoolExecutor(1) as threads:
        threads.submit(asyncio.run, visit()).result(PATIENCE)
    slow.until(slow.is_quiet)
    slow.until(lambda: set(folder.glob("visit-*")) == before)
    assert (len(slow.model.calls) - calls) * STEP_SECONDS < 19.5
