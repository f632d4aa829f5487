"""Kill -9 in the middle of runs: the next start works at once, and nothing half written is served.

python -m benchmarks.kills --times 20
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import io
import random
import signal
import sys
import tempfile
import zipfile
from collections import Counter
from pathlib import Path
from urllib.parse import quote

import httpx

from benchmarks.load import PATHS
from benchmarks.served import Served, start
from benchmarks.visitor import API, Page, Visitor, coded_picture, read_page
from harmony.ui.cache import ENDING, unpack

STEP_SECONDS = 0.02
STEPS = 8
VISITORS = 3
LATEST_SECONDS = 4.0
READY_SECONDS = 20.0
"""The project's own bound for a page after `python app.py`."""
SERVERS = "harmony-server-*"


class Kills:
    """A server that is killed again and again, always with the same folders."""

    def __init__(self, folder: Path, seed: int) -> None:
        """Nothing runs yet."""
        self.folder, self.draw = folder, random.Random(seed)
        self.counts: Counter[str] = Counter()
        self.told: set[str] = set()
        self.ready: list[float] = []
        self.number = 0

    def start(self) -> Served:
        """Start the server and look at what the last one left."""
        app = start(self.folder, "benchmarks.coded_app", [str(STEP_SECONDS)])
        self.ready.append(app.ready_seconds)
        servers = list((self.folder / "tmpdir").glob(SERVERS))
        if len(servers) != 1:
            self.fail(f"{len(servers)} servers' folders are there with one server")
        for entry in (self.folder / "xdg_cache_home").rglob(f"*{ENDING}"):
            self.counts["cache entries read"] += 1
            if unpack(entry.read_bytes()) is None:
                self.fail(f"the cache holds a damaged entry {entry.name}")
        return app

    def fail(self, text: str) -> None:
        """Count and print."""
        self.counts["failures"] += 1
        print(text, flush=True)

    async def one_life(self, app: Served) -> None:
        """Ask for what earlier visitors were told of, make one run, then runs that are cut short."""
        async with httpx.AsyncClient(base_url=app.url, timeout=120) as client:
            page = await read_page(client)
            await self._ask_for_old(client)
            await self._visit(client, page)
            self.counts["runs after a start"] += 1
            runs = [asyncio.create_task(self._visit(client, page)) for _ in range(VISITORS)]
            await asyncio.sleep(self.draw.uniform(0.1, LATEST_SECONDS))
            unfinished = sum(not run.done() for run in runs)
            app.end(signal.SIGKILL)
            await asyncio.gather(*runs, return_exceptions=True)
            self.counts["runs cut short"] += unfinished

    async def _visit(self, client: httpx.AsyncClient, page: Page) -> None:
        self.number += 1
        visitor = Visitor(client, page)
        event = page.run_event()
        async with visitor.present():
            picture = await visitor.upload(coded_picture((self.number % 256, 99, 180)))
            changes = {"picture": picture, "steps": STEPS, "cutout-model": "none"}
            changes |= {"seed": self.number, "instances": 2, "object-name": "ball"}
            heard = await visitor.act(event, page.data(event, changes))
            self.told |= {path for path in PATHS.findall(heard) if "visit-" in path}
            await self._ask_for(client, PATHS.findall(heard), must_be_there=True)

    async def _ask_for_old(self, client: httpx.AsyncClient) -> None:
        left = [str(file) for file in (self.folder / "tmpdir").rglob("visit-*/**/*")]
        await self._ask_for(client, [*self.told, *left], must_be_there=False)

    async def _ask_for(
        self, client: httpx.AsyncClient, paths: list[str], *, must_be_there: bool
    ) -> None:
        for path in paths:
            answer = await client.get(f"{API}/file={quote(path)}")
            self.counts["files asked for"] += 1
            if answer.status_code >= 400:
                if must_be_there:
                    self.fail(f"{path} was told and is not served")
            elif not is_whole(path, answer.content):
                self.fail(f"{path} is served and is not whole")
            elif not must_be_there:
                self.fail(f"{path} is served and its visit ended with its server")


def is_whole(path: str, content: bytes) -> bool:
    """Whether a zip passes its checksums; other files must not be empty."""
    if not path.endswith(".zip"):
        return len(content) > 0
    with contextlib.suppress(zipfile.BadZipFile):
        return zipfile.ZipFile(io.BytesIO(content)).testzip() is None
    return False


def main() -> int:
    """Kill as often as asked, start once more, report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("--times", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        kills = Kills(Path(folder), options.seed)
        for _ in range(options.times):
            asyncio.run(kills.one_life(kills.start()))
        last = kills.start()
        last.end()
        if left := list((Path(folder) / "tmpdir").glob(SERVERS)):
            kills.fail(f"{len(left)} servers' folders are left after an orderly end")
        log = last.log.read_text(errors="replace")
    slowest = max(kills.ready[1:])
    for name in ("runs after a start", "runs cut short", "files asked for", "cache entries read"):
        print(f"{name:28s} {kills.counts[name]:6d}")
    print(f"{'kills':28s} {options.times:6d}")
    print(f"{'failures':28s} {kills.counts['failures']:6d}     bar 0")
    print(f"{'slowest start after one':28s} {slowest:6.1f} s   bar {READY_SECONDS:g} s, ratio {slowest / READY_SECONDS:.2f}")  # fmt: skip
    print(f"{'tracebacks in the log':28s} {log.count('Traceback'):6d}     bar 0")
    cut_short = kills.counts["runs cut short"]
    return int(bool(kills.counts["failures"] or not cut_short or "Traceback" in log))


if __name__ == "__main__":
    sys.exit(main())
