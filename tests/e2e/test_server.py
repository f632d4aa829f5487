"""The server as a process: health, limits, its log and its end."""

from __future__ import annotations

import ctypes
import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 90
EXIT_SECONDS = 30
STEP_SECONDS = 0.05


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    """The app as a process of its own."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.port, self.files = free_port(), folder / "files"
        self.url = f"http://127.0.0.1:{self.port}/"
        self._log = folder / "log"
        command = [sys.executable, "-m", "tests.e2e.fake_app", str(STEP_SECONDS)]
        command += ["--port", str(self.port), "--cache-dir", str(self.files), *options]
        with self._log.open("w") as log:
            self.process = subprocess.Popen(
                command, cwd=ROOT, stderr=log, stdout=subprocess.DEVNULL
            )

    def health(self) -> httpx.Response | None:
        assert self.process.poll() is None, self._log.read_text()
        try:
            return httpx.get(f"{self.url}healthz", timeout=PATIENCE)
        except httpx.TransportError:
            return None

    def state(self) -> dict:
        answer = self.health()
        assert answer is not None
        return answer.json()

    def until(self, condition) -> None:
        deadline = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < deadline, "the server did not get there"
            time.sleep(0.05)

    def catches(self, number: int) -> bool:
        """Whether the process has a handler for a signal."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        (caught,) = (line.split()[1] for line in status.splitlines() if line.startswith("SigCgt"))
        return bool(int(caught, 16) >> (number - 1) & 1)

    def signal_another_thread(self, number: int) -> None:
        """Send a signal to a thread that is not the main one: the system may choose any."""
        pid = self.process.pid
        threads = (int(task.name) for task in Path(f"/proc/{pid}/task").iterdir())
        other = next(thread for thread in threads if thread != pid)
        assert ctypes.CDLL(None).tgkill(pid, other, number) == 0

    def end(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(EXIT_SECONDS)

    def log(self) -> list[dict]:
        lines = self._log.read_text().splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]


@pytest.fixture
def begin(tmp_path) -> Iterator[Callable[..., Server]]:
    """Return a function that starts a server and does not wait for it."""
    servers: list[Server] = []

    def run(*options: str) -> Server:
        servers.append(Server(tmp_path, *options))
        return servers[-1]

    yield run
    for server in servers:
        server.process.kill()
        server.process.wait()


@pytest.fixture
def start(begin) -> Callable[..., Server]:
    """Return a function that starts a server and returns it when it answers."""

    def run(*options: str) -> Server:
        server = begin(*options)
        server.until(lambda: server.health() is not None)
        return server

    return run


def submit(server: Server, tmp_path: Path, picture: Path, num_steps: int):
    client = Client(server.url, download_files=tmp_path / "downloads", verbose=False)
    return client.submit(
        picture=handle_file(str(picture)), num_steps=num_steps, api_name="/generate"
    )


def test_health_size_limit_and_a_clean_end(start, tmp_path, picture):
    server = start("--max-queue", "5")
    state = server.state()
    assert (state["status"], state["model"]) == ("ok", "fake")
    assert (state["running"], state["waiting"], state["max_waiting"]) == (0, 0, 5)
    page = httpx.get(server.url, timeout=PATIENCE)
    assert "HarmonyView" in page.text
    huge = httpx.post(f"{server.url}gradio_api/call/score", content=bytes(5 << 20))
    assert huge.status_code == 413
    done = submit(server, tmp_path, picture, 4).result(timeout=PATIENCE)
    assert done[0]["done"]
    assert server.state()["model_state"] == "ready"
    assert any(server.files.iterdir())
    assert server.end() == 0
    assert list(server.files.iterdir()) == []
    runs = [line for line in server.log() if line["event"] == "run"]
    assert [(run["work"], run["steps"], run["outcome"]) for run in runs] == [
        ("generate", 4, "done")
    ]
    assert "egg" not in json.dumps(server.log())


def test_a_long_run_and_who_waits_are_told_and_the_server_ends(start, tmp_path, picture):
    server = start()
    running = submit(server, tmp_path, picture, 999)
    server.until(lambda: server.state()["running"] == 1)
    waiting = submit(server, tmp_path, picture, 4)
    server.until(lambda: server.state()["waiting"] == 1)
    server.signal_another_thread(signal.SIGTERM)
    with pytest.raises(AppError, match="being restarted"):
        waiting.result(timeout=PATIENCE)
    during = server.health()
    assert during is None or during.status_code == 503
    with pytest.raises(AppError, match="being restarted"):
        running.result(timeout=PATIENCE)
    assert server.process.wait(EXIT_SECONDS) == 0
    assert list(server.files.iterdir()) == []
    outcomes = [line["outcome"] for line in server.log() if line["event"] == "run"]
    assert outcomes == ["ended", "ended"]


def test_a_server_that_is_still_starting_ends_at_once(begin):
    server = begin()
    server.until(lambda: server.catches(signal.SIGTERM))
    assert server.end() == 128 + signal.SIGTERM


def test_after_a_kill_the_next_start_is_clean(start, tmp_path, picture):
    killed = start()
    submit(killed, tmp_path, picture, 999)
    killed.until(lambda: killed.state()["running"] == 1)
    left = set(killed.files.iterdir())
    killed.process.kill()
    killed.process.wait()
    server = start()
    assert len(set(server.files.iterdir()) & left) == 0
    assert submit(server, tmp_path, picture, 4).result(timeout=PATIENCE)[0]["done"]


def test_a_page_with_users_asks_for_the_password(start, tmp_path):
    (tmp_path / "users").write_text("ada:lovelace\n")
    server = start("--auth", str(tmp_path / "users"))
    assert server.state()["status"] == "ok"
    config = f"{server.url}config"
    assert httpx.get(config).status_code == 401
    wrong = httpx.post(f"{server.url}login", data={"username": "ada", "password": "no"})
    assert wrong.status_code == 400
    with httpx.Client() as browser:
        browser.post(f"{server.url}login", data={"username": "ada", "password": "lovelace"})
        assert browser.get(config).status_code == 200
    assert "lovelace" not in Path(f"/proc/{server.process.pid}/cmdline").read_text()
