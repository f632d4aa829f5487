"""The app in a process of its own, with every file that it writes below one folder."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx

ROOT = Path(__file__).resolve().parents[1]
START_SECONDS = 120.0


@dataclass(frozen=True)
class Served:
    """A running app.

    Attributes:
        url: Where.
        process: It.
        folder: Below it lies all that it writes.
        log: What it says.
        ready_seconds: From the start to the first answer.
    """

    url: str
    process: subprocess.Popen[bytes]
    folder: Path
    log: Path
    ready_seconds: float

    def resident_mb(self) -> float:
        """Return its resident memory (Linux)."""
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 2**20

    def disk_mb(self) -> float:
        """Return what its files take."""
        total = 0
        for file in self.folder.rglob("*"):
            with contextlib.suppress(FileNotFoundError):  # it may go while this walks
                total += file.lstat().st_size
        return total / 2**20

    def end(self, how: signal.Signals = signal.SIGTERM) -> None:
        """Send it a signal and wait until it is gone."""
        self.process.send_signal(how)
        try:
            self.process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def free_port() -> int:
    """Return a port of this machine that nobody uses."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def start(folder: Path, module: str, arguments: Sequence[str]) -> Served:
    """Start `python -m module ARGUMENTS` on a free port of this machine and wait for its page."""
    places = {name: str(folder / name.lower()) for name in ("TMPDIR", "XDG_CACHE_HOME")}
    for place in places.values():
        Path(place).mkdir(parents=True, exist_ok=True)
    environment = {**os.environ, **places, "GRADIO_ANALYTICS_ENABLED": "False"}
    environment.pop("GRADIO_TEMP_DIR", None)
    port, log = free_port(), folder / "server.log"
    started = time.monotonic()
    with log.open("ab") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments, "--port", str(port)],
            cwd=ROOT,
            env=environment,
            stdout=out,
            stderr=subprocess.STDOUT,
        )
    url = f"http://127.0.0.1:{port}"
    _wait(url, process, log)
    return Served(url, process, folder, log, time.monotonic() - started)


def _wait(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            httpx.get(f"{url}/config", timeout=5)
            return
        except httpx.TransportError:
            time.sleep(0.1)
    process.kill()
    raise RuntimeError(f"The app did not start:\n{log.read_text()[-2000:]}")


@contextlib.contextmanager
def served(folder: Path, module: str, arguments: Sequence[str]) -> Iterator[Served]:
    """Serve for as long as the block lasts."""
    app = start(folder, module, arguments)
    try:
        yield app
    finally:
        app.end()
