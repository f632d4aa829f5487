"""Many visitors at once: no error, nobody sees another's result, memory and disk stay bounded.

python -m benchmarks.load --visitors 40 --minutes 10
python -m benchmarks.load --visitors 40 --minutes 10 --model small --steps 4

Each visit brings a picture in a colour of its own. The network of the first command paints that
colour, so that it is looked for in every view; with both, the picture's hash and the names of
everybody else's pictures and folders are looked for in all that is streamed and downloaded.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import io
import itertools
import json
import random
import re
import secrets
import sys
import tempfile
import time
import zipfile
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import httpx
from PIL import Image

from benchmarks.served import Served, served
from benchmarks.visitor import API, Page, RefusedError, Visitor, coded_picture, read_page

STEP_SECONDS = 0.01
SAMPLE_SECONDS = 2.0
GROWTH = 1.10
DISK_MB = 4000.0
GONE_SECONDS, GONE_TRIES = 3.0, 10
WARM_UP = 0.3
"""Share of the time after which memory must not grow any more."""
LEVELS = (16, 64, 112, 160, 208)
"""Far enough apart to be told after rounding; 125 colours."""
TOLERANCE = 20
"""The last step leaves a little noise in the pictures of the stand-in."""
PATHS = re.compile(r'"path": ?"([^"]+)"')
VISIT = re.compile(r"visit-[\w-]{20,}")


@dataclass
class Tally:
    """What has happened so far."""

    counts: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    marks: dict[str, int] = field(default_factory=dict)
    memory: list[tuple[float, float]] = field(default_factory=list)
    disk: list[float] = field(default_factory=list)

    def fail(self, kind: str, text: str) -> None:
        """Count and keep what went wrong."""
        self.counts[kind] += 1
        self.failures.append(f"{kind}: {text[:300]}")


@dataclass(frozen=True)
class Visit:
    """One visit's own marks: a number, a colour, its picture and the picture's hash."""

    number: int
    colour: tuple[int, int, int]
    picture: bytes

    @property
    def sha256(self) -> str:
        """Name of the picture in every recipe."""
        return hashlib.sha256(self.picture).hexdigest()


def new_visit(number: int) -> Visit:
    """Return a visit whose colour no other of the last 124 has; its bytes are its own for ever."""
    colours = [(red, green, blue) for red in LEVELS for green in LEVELS for blue in LEVELS]
    colour = colours[number * 51 % len(colours)]
    return Visit(number, colour, coded_picture(colour) + secrets.token_bytes(8))


class Load:
    """Visitors that come and go at one app."""

    def __init__(self, app: Served, options: argparse.Namespace) -> None:
        """Know the app; nothing is asked yet."""
        self.app, self.options = app, options
        self.tally, self.numbers = Tally(), itertools.count()
        self.deadline = time.monotonic() + 60 * options.minutes

    async def run(self) -> Tally:
        """Let the visitors come until the time is up."""
        limits = httpx.Limits(max_connections=None)
        async with httpx.AsyncClient(base_url=self.app.url, timeout=300, limits=limits) as client:
            page = await read_page(client)
            watching = asyncio.create_task(self._watch())
            await asyncio.gather(
                *(self._visits(client, page) for _ in range(self.options.visitors))
            )
            watching.cancel()
        return self.tally

    async def _watch(self) -> None:
        started = time.monotonic()
        while True:
            self.tally.memory.append((time.monotonic() - started, self.app.resident_mb()))
            self.tally.disk.append(self.app.disk_mb())
            await asyncio.sleep(SAMPLE_SECONDS)

    async def _visits(self, client: httpx.AsyncClient, page: Page) -> None:
        while time.monotonic() < self.deadline:
            visit = new_visit(next(self.numbers))
            self.tally.marks[visit.sha256] = visit.number
            try:
                await self._one(Visitor(client, page), visit)
                self.tally.counts["finished"] += 1
            except RefusedError as error:
                polite = "queue is full" in str(error) or "runs waiting" in str(error)
                if polite:
                    self.tally.counts["polite refusals"] += 1
                    await asyncio.sleep(2)
                else:
                    self.tally.fail("errors", str(error))
            except (httpx.HTTPError, RuntimeError, StopIteration) as error:
                self.tally.fail("errors", f"{type(error).__name__}: {error}")

    async def _one(self, visitor: Visitor, visit: Visit) -> None:
        """Open the page, cut out, paint, take the result, look around, leave."""
        program = visit.number % 4 == 3
        page = visitor.page
        async with visitor.present():
            picture = await visitor.upload(visit.picture)
            settings = {"picture": picture, "steps": self.options.steps, "cutout-model": "none"}
            settings |= {"seed": visit.number, "object-name": "ball"}
            for name in ("cutout", "generate" if program else ""):
                event = page.event_called(name) if name else page.run_event()
                heard = await visitor.act(event, page.data(event, settings))
                self._look(heard, visit)
            await self._take(visitor, visit, heard)
            await self._pry(visitor, heard)
        if not program:
            await self._gone(visitor, heard)

    def _look(self, text: str, visit: Visit) -> None:
        """Look for anybody else's picture in what was streamed."""
        for mark, number in self.tally.marks.items():
            if number != visit.number and mark in text:
                self.tally.fail("leaks", f"visit {visit.number} was told of picture {number}")
        if len(set(VISIT.findall(text))) > 2:
            self.tally.fail("leaks", f"visit {visit.number} was told of others' folders")

    async def _take(self, visitor: Visitor, visit: Visit, heard: str) -> None:
        """Download the views and look at every one of them."""
        archives = {path for path in PATHS.findall(heard) if path.endswith(".zip")}
        if not archives:
            raise RuntimeError(f"No zip was offered: {heard[-200:]}")
        for path in archives:
            answer = await visitor.client.get(f"{API}/file={quote(path)}")
            with zipfile.ZipFile(io.BytesIO(answer.raise_for_status().content)) as archive:
                self._examine(archive, visit)

    def _examine(self, archive: zipfile.ZipFile, visit: Visit) -> None:
        recipe = json.loads(archive.read("recipe.json"))
        if recipe["image_sha256"] != visit.sha256:
            self.tally.fail("leaks", f"visit {visit.number} got another picture's result")
        if self.options.model:
            return
        views = [name for name in archive.namelist() if re.search(r"view-\d\d\.png$", name)]
        for name in views:
            with Image.open(io.BytesIO(archive.read(name))) as view:
                colour = view.convert("RGB").getpixel((view.width // 2, view.height // 2))
            assert isinstance(colour, tuple)
            if max(abs(a - b) for a, b in zip(colour, visit.colour, strict=True)) > TOLERANCE:
                self.tally.fail("leaks", f"visit {visit.number}: {colour} and not {visit.colour}")
        self.tally.counts["views examined"] += len(views)

    async def _pry(self, visitor: Visitor, heard: str) -> None:
        """Ask for what is not one's own, as far as it can be guessed."""
        own = Path(next(path for path in PATHS.findall(heard) if "visit-" in path))
        top = next(parent for parent in own.parents if parent.name.startswith("visit-"))
        stranger = f"visit-{secrets.token_urlsafe(18)}"
        wanted = [
            *(top.parent, top, own.parent, f"{top.parent}/visit-*", f"{top}/../{stranger}"),
            *(top.parent / stranger / own.relative_to(top), f"{top}/../../../server.log"),
            *(self.app.log, "/etc/hostname", f"/proc/{self.app.process.pid}/environ", "app.py"),
        ]
        path = random.choice(wanted)
        answer = await visitor.client.get(f"{API}/file={quote(str(path))}")
        self.tally.counts["attempts to pry"] += 1
        if answer.status_code < 400:
            self.tally.fail("leaks", f"{path} was served")

    async def _gone(self, visitor: Visitor, heard: str) -> None:
        """A result ends with its visit: nobody gets it afterwards, even by its full name."""
        path = next(path for path in PATHS.findall(heard) if "visit-" in path)
        for _ in range(GONE_TRIES):
            await asyncio.sleep(GONE_SECONDS)
            answer = await visitor.client.get(f"{API}/file={quote(path)}")
            if answer.status_code >= 400:
                return
        self.tally.fail("leaks", f"{path} outlived its visit")


def report(tally: Tally) -> int:
    """Print the table; returns 1 where a bar is missed."""
    for failure in tally.failures[:20]:
        print(failure)
    end = tally.memory[-1][0]
    warm = [mb for at, mb in tally.memory if WARM_UP * end <= at < (WARM_UP + 0.1) * end + 1]
    late = [mb for at, mb in tally.memory if at >= 0.9 * end - 1]
    growth = (sum(late) / len(late)) / (sum(warm) / len(warm))
    counts = tally.counts
    for name in ("finished", "polite refusals", "views examined", "attempts to pry"):
        print(f"{name:34s} {counts[name]:9d}")
    print(f"{'errors':34s} {counts['errors']:9d}      bar 0")
    print(f"{'leaks':34s} {counts['leaks']:9d}      bar 0")
    print(f"{'resident memory at the end':34s} {late[-1]:9.0f} MB")
    print(f"{'against that after warm-up':34s} {growth:9.3f}      bar {GROWTH:g}, ratio {growth / GROWTH:.2f}")  # fmt: skip
    print(f"{'disk at most':34s} {max(tally.disk):9.0f} MB   bar {DISK_MB:g} MB, ratio {max(tally.disk) / DISK_MB:.2f}")  # fmt: skip
    missed = counts["errors"] or counts["leaks"] or growth > GROWTH or max(tally.disk) > DISK_MB
    return int(bool(missed or not counts["finished"]))


def main() -> int:
    """Serve, visit, report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("--visitors", type=int, default=40)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--model", default="", help="a real model instead of the one that paints colours")  # fmt: skip
    options = parser.parse_args()
    module = ("app", ["--model", options.model]) if options.model else ("benchmarks.coded_app", [str(STEP_SECONDS)])  # fmt: skip
    with tempfile.TemporaryDirectory() as folder, served(Path(folder), *module) as app:
        tally = asyncio.run(Load(app, options).run())
        log = app.log.read_text(errors="replace")
        if "Traceback" in log:
            tally.fail("errors", "a traceback in the log: " + log[log.index("Traceback") :][-1500:])
            print(log[-4000:])
    return report(tally)


if __name__ == "__main__":
    sys.exit(main())
