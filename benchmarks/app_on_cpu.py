"""What a newcomer waits for, on this machine: python -m benchmarks.app_on_cpu.

Starts `python app.py` in a process of its own and talks to it as a program on its page would.
Prints every figure with the bound that the project sets itself and their ratio.
"""

from __future__ import annotations

import argparse
import os
import resource
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from gradio_client import Client, handle_file

from harmony.devices import choose_dtype, computes_int8

ROOT = Path(__file__).resolve().parents[1]
PAGE_SECONDS, PREVIEW_SECONDS, RUN_SECONDS, QUICK_SECONDS = 20.0, 5.0, 20.0, 8.0
MEMORY_GIB = 2e9 / 2**30
SHORT = {"s1": 2.0, "s2": 0.5, "sampler": "ddim", "num_steps": 2}
FULL = {**SHORT, "num_steps": 12}  # what the page starts with
QUICK = {"s1": 1.0, "s2": 0.0, "sampler": "ddim", "num_steps": 6}


@dataclass(frozen=True)
class Timed:
    """One run through the page's endpoint.

    Attributes:
        preview: Seconds from Generate to the first step's answer.
        total: Seconds from Generate to the last answer.
        views_zip: The views, for the score.
    """

    preview: float
    total: float
    views_zip: str


@contextmanager
def served(cache: str) -> Iterator[tuple[str, float]]:
    """Start `python app.py`; yield (address, seconds until it answers) and end it afterwards.

    Args:
        cache: An empty folder: samples that an earlier run has kept would be answered at once.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url, start = f"http://127.0.0.1:{port}/", time.monotonic()
    command = [sys.executable, "app.py", "--port", str(port), "--device", "cpu"]
    environment = {**os.environ, "XDG_CACHE_HOME": cache}
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL) as app:
        try:
            wait_until_it_answers(app, url)
            yield url, time.monotonic() - start
        finally:
            app.terminate()


def wait_until_it_answers(app: subprocess.Popen[bytes], url: str) -> None:
    """Return when the page answers.

    Raises:
        RuntimeError: The app ended instead.
    """
    while True:
        if app.poll() is not None:
            raise RuntimeError(f"app.py ended with status {app.returncode}.")
        try:
            with urllib.request.urlopen(url, timeout=5) as page:
                page.read()
            return
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.05)


def run(client: Client, picture: Path, settings: dict[str, Any], seed: int) -> Timed:
    """Press Generate and wait for everything."""
    start = time.monotonic()
    job = client.submit(
        picture=handle_file(str(picture)),
        elevation_deg=30.0,
        instances=1,
        first_seed=seed,
        api_name="/generate",
        **settings,
    )
    preview = 0.0
    for _ in job:
        preview = preview or time.monotonic() - start
    *_, views_zips, _, _ = job.result()  # raises what the app said, if it failed
    return Timed(preview, time.monotonic() - start, views_zips[0])


def measure(picture: Path, folder: str) -> Iterator[tuple[str, float, float | None]]:
    """Yield (what, seconds, bound)."""
    with tempfile.TemporaryDirectory() as cache, served(cache) as (url, seconds):
        yield "page ready after python app.py", seconds, PAGE_SECONDS
        client = Client(url, verbose=False, download_files=folder)
        first = run(client, picture, SHORT, seed=0)
        yield "first preview, Generate pressed at once", first.preview, PREVIEW_SECONDS
        full = run(client, picture, FULL, seed=1)
        yield "first preview again", full.preview, PREVIEW_SECONDS
        yield "16 views, 12 steps, as the page starts", full.total, RUN_SECONDS
        quick = run(client, picture, QUICK, seed=2)
        yield "16 views, quick: 6 steps, s1 = 1, s2 = 0", quick.total, QUICK_SECONDS
        start = time.monotonic()
        client.predict(handle_file(full.views_zip), "object", api_name="/score")
        yield "CD score of 16 views", time.monotonic() - start, None
        client.close()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--picture", type=Path, default=ROOT / "examples" / "coffee.jpg")
    options = parser.parse_args()
    products = "int8 and " if computes_int8() else ""
    number_type = choose_dtype(torch.device("cpu"))
    print(f"{torch.get_num_threads()} threads, {products}{number_type}, torch {torch.__version__}")
    with tempfile.TemporaryDirectory() as folder:
        for name, seconds, bound in measure(options.picture, folder):
            note = "" if bound is None else f"   bound {bound:g} s, ratio {seconds / bound:.2f}"
            print(f"{name:42s} {seconds:7.2f} s{note}", flush=True)
    # The app is the only child of this process; macOS counts bytes, Linux KiB.
    unit = 2**30 if sys.platform == "darwin" else 2**20
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / unit
    note = f"bound {MEMORY_GIB:.2f} GiB, ratio {peak / MEMORY_GIB:.2f}"
    print(f"{'peak resident memory of the app':42s} {peak:7.2f} GiB {note}")


if __name__ == "__main__":
    main()
