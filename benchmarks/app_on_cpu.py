"""What a newcomer waits for, on this machine: python -m benchmarks.app_on_cpu.

Starts the app in a process of its own and times the page; then walks the road once in this
process with the shipped model. Prints every figure with its bound and their ratio.
"""

from __future__ import annotations

import argparse
import resource
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import torch

from harmony.devices import choose_dtype
from harmony.framing import DEFAULT_FOREGROUND
from harmony.images import read_image
from harmony.models.registry import load_model
from harmony.pipeline import SampleEvent, StepEvent, generate, prepare
from harmony.recipe import make_recipe
from harmony.records import Guidance, SamplerSettings
from harmony.scoring import CDScorer

ROOT = Path(__file__).resolve().parents[1]
PAGE_SECONDS, PREVIEW_SECONDS, RUN_SECONDS, MEMORY_GIB = 20.0, 5.0, 60.0, 4.0
GUIDANCE = Guidance("decomposed", 2.0, 1.0)
SAMPLER = SamplerSettings("ddim", 25, 0.0)


def seconds_until_page() -> float:
    """Start `python app.py` and return the seconds until its page answers."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    start = time.monotonic()
    command = [sys.executable, "app.py", "--port", str(port)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL) as app:
        try:
            while True:
                try:
                    with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5) as page:
                        page.read()
                    return time.monotonic() - start
                except (urllib.error.URLError, ConnectionError):
                    time.sleep(0.1)
        finally:
            app.terminate()


def road(picture: Path) -> Iterator[tuple[str, float]]:
    """Walk the road; yield (what, seconds since Generate)."""
    device = torch.device("cpu")
    loaded = read_image(picture)
    model = load_model("small", device)
    prepared = prepare(
        loaded.image,
        cutout="u2netp",
        foreground=DEFAULT_FOREGROUND,
        elevation_deg=30.0,
        image_size=model.image_size,
    )
    recipe = make_recipe(
        model,
        image_sha256=loaded.sha256,
        cutout=prepared.cutout_used,
        foreground=DEFAULT_FOREGROUND,
        elevation_deg=30.0,
        seeds=(0,),
        guidance=GUIDANCE,
        sampler=SAMPLER,
    )
    start = time.monotonic()
    previewed = False
    for event in generate(model, prepared.reference, recipe):
        if isinstance(event, StepEvent) and not previewed:
            previewed = True
            yield "first preview", time.monotonic() - start
        if isinstance(event, SampleEvent):
            yield "16 views of one seed", time.monotonic() - start
            scorer = CDScorer.load("small", device)
            begin = time.monotonic()
            scorer.score(event.sample.views, "object")
            yield "score of 16 views", time.monotonic() - begin
    quick = replace(recipe, sampler=SamplerSettings("dpm++", 8, 0.0))
    quick = replace(quick, guidance=Guidance("decomposed", 1.0, 0.0))
    begin = time.monotonic()
    list(generate(model, prepared.reference, quick))
    yield "quick run (s1 = 1, s2 = 0, 8 steps)", time.monotonic() - begin


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--picture", type=Path, default=ROOT / "examples" / "coffee.jpg")
    options = parser.parse_args()
    bounds = {
        "page ready": PAGE_SECONDS,
        "first preview": PREVIEW_SECONDS,
        "16 views of one seed": RUN_SECONDS,
    }
    print(f"{torch.get_num_threads()} threads, {choose_dtype(torch.device('cpu'))}")
    for name, seconds in [("page ready", seconds_until_page()), *road(options.picture)]:
        bound = bounds.get(name)
        note = "" if bound is None else f"   bound {bound:g} s, ratio {seconds / bound:.2f}"
        print(f"{name:36s} {seconds:7.2f} s{note}", flush=True)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"{'peak resident memory':36s} {peak:7.2f} GiB bound {MEMORY_GIB:g} GiB, ", end="")
    print(f"ratio {peak / MEMORY_GIB:.2f}")


if __name__ == "__main__":
    main()
