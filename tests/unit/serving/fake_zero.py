"""`python -m tests.unit.serving.fake_zero FOLDER`: runs of an engine behind a fake `spaces.GPU`.

The fake does what the real one does: it pickles the arguments, forks for each call, runs the
generator in the fork, pickles what that yields, and ends the fork when the caller closes.
Prints one JSON object of what was seen.
"""

from __future__ import annotations

import functools
import inspect
import json
import multiprocessing
import os
import pickle
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw

from harmony.ui.cache import FileCache
from harmony.ui.engine import Engine
from harmony.ui.events import RunReady, Step
from harmony.ui.zero_engine import ZeroEngine
from tests.page_fakes import PageDenoiser, PixelScorer
from tests.unit.ui.test_visits import SETTINGS

durations: list[float] = []
forks: list[int] = []


def fake_gpu(task: Any = None, *, duration: Any = None) -> Any:
    if task is None:
        return functools.partial(fake_gpu, duration=duration)
    assert inspect.isgeneratorfunction(task)

    def child(pipe: Any, arguments: bytes) -> None:
        for value in task(*pickle.loads(arguments)):
            pipe.send_bytes(pickle.dumps(value))
        pipe.send_bytes(b"")

    def lent(*arguments: Any) -> Iterator[Any]:
        durations.append(duration(*arguments))
        context = multiprocessing.get_context("fork")
        ours, theirs = context.Pipe(duplex=False)
        fork = context.Process(target=child, args=(theirs, pickle.dumps(arguments)))
        fork.start()
        forks.append(fork.pid or 0)
        theirs.close()
        try:
            while value := ours.recv_bytes():
                yield pickle.loads(value)
        finally:
            fork.kill()
            fork.join()

    return lent


def parts(cache: Path) -> dict[str, Any]:
    return {
        "model_name": "fake",
        "load_model": PageDenoiser,
        "load_scorer": PixelScorer,
        "cache": FileCache(cache),
    }


def run(engine: Engine, picture: Path, folder: Path, **changed: Any) -> list[Any]:
    folder.mkdir()
    settings = replace(SETTINGS, num_steps=3, instances=2, **changed)
    return list(engine.generate(picture, settings, folder))


def views(events: list[Any]) -> list[bytes]:
    assert isinstance(events[-1], RunReady)
    return [p.read_bytes() for sample in events[-1].run.samples for p in sample.pictures]


def main(root: Path) -> None:
    picture = root / "egg.png"
    image = Image.new("RGBA", (200, 200))
    ImageDraw.Draw(image).ellipse((40, 30, 160, 170), fill="#b45309")
    image.save(picture)
    plain = Engine(**parts(root / "plain"))
    zero = ZeroEngine(fake_gpu, **parts(root / "zero"))
    model = zero.model.get()
    assert isinstance(model, PageDenoiser)
    first = run(zero, picture, root / "first")
    again = run(zero, picture, root / "again")
    stopped = zero.generate(picture, replace(SETTINGS, num_steps=500), root)
    next(event for event in stopped if isinstance(event, Step))
    stopped.close()  # pyright: ignore[reportAttributeAccessIssue]
    seen = {
        "same_as_plain": views(first) == views(run(plain, picture, root / "of-plain")),
        "same_again": views(first) == views(again),
        "steps": sum(isinstance(event, Step) for event in first),
        "steps_again": sum(isinstance(event, Step) for event in again),
        "calls_in_parent": len(model.calls),
        "forks": len(forks),
        "forks_alive": sum(Path(f"/proc/{pid}").exists() for pid in forks),
        "durations": durations,
    }
    sys.stdout.write(json.dumps(seen) + "\n")
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
