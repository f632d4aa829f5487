"""Live pages on free ports, and a browser to look at them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from PIL import Image, ImageDraw
from playwright.sync_api import Browser, Page, expect, sync_playwright

from harmony.serving.lane import Lane
from harmony.ui.cache import FileCache
from harmony.ui.engine import Engine
from harmony.ui.examples import Example
from harmony.ui.inputs import Defaults
from harmony.ui.page import build_demo, launch_settings
from harmony.ui.turns import Turns
from harmony.ui.visits import Visits
from tests.page_fakes import PageDenoiser, fake_engine

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
FLAGS = [
    "--headless",
    "--no-sandbox",
    # A WebGL in software, so that the 3D viewer really draws.
    "--use-gl=angle",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
STEPS = 4


@dataclass(frozen=True)
class Live:
    """A page that is being served.

    Attributes:
        url: Where.
        model: The network behind it, where it is the fake one.
        folder: Where its visitors' files go.
    """

    url: str
    model: PageDenoiser
    folder: Path


@pytest.fixture(scope="module")
def picture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a picture with its own mask."""
    image = Image.new("RGBA", (200, 200))
    ImageDraw.Draw(image).ellipse((40, 30, 160, 170), fill="#b45309")
    path = tmp_path_factory.mktemp("pictures") / "egg.png"
    image.save(path)
    return path


@pytest.fixture(scope="module")
def serve(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., str]]:
    """Return a function that serves an engine's page until the module is done."""
    folder = tmp_path_factory.mktemp("gradio")
    before = os.environ.get("GRADIO_TEMP_DIR")
    os.environ["GRADIO_TEMP_DIR"] = str(folder)
    demos = []

    def start(
        engine: Engine, *, examples: tuple[Example, ...] = (), turns: Turns | None = None
    ) -> str:
        turns, visits = turns or Turns(Lane()), Visits(lambda: folder)
        demo = build_demo(
            engine,
            defaults=Defaults(num_steps=STEPS),
            examples=examples,
            visits=visits,
            turns=turns,
        )
        demos.append(demo)
        settings = launch_settings(engine, visits, turns)
        _, url, _ = demo.launch(prevent_thread_lock=True, quiet=True, **settings)
        return url

    yield start
    for demo in demos:
        demo.close()
    if before is None:
        del os.environ["GRADIO_TEMP_DIR"]
    else:
        os.environ["GRADIO_TEMP_DIR"] = before


@pytest.fixture(scope="module")
def live(serve: Callable[..., str], picture: Path) -> Live:
    """Serve the page in front of the fake network."""
    model = PageDenoiser()
    examples = (Example(picture, "egg", 20.0),)
    # Without a cache every run is painted, so that a test can watch and stop it.
    engine = fake_engine(model=model, cache=FileCache(memory_bytes=0))
    url = serve(engine, examples=examples)
    return Live(url, model, Path(os.environ["GRADIO_TEMP_DIR"]))


# Patience for slow machines; a condition that holds is never waited for.
expect.set_options(timeout=15_000)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Open Chromium once."""
    path = next(filter(None, map(shutil.which, BROWSERS)))
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield opened
        opened.close()


@pytest.fixture
def page(browser: Browser, live: Live) -> Iterator[Page]:
    """Open the page in a window of its own; errors on the console fail the test."""
    errors: list[str] = []
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    tab = context.new_page()
    tab.set_default_timeout(20_000)
    # The 3D viewer tries WebGPU first and says so where a machine has none.
    tab.on(
        "console",
        lambda m: (
            errors.append(m.text) if m.type == "error" and not m.text.startswith("BJS - ") else None
        ),
    )
    tab.on("pageerror", lambda error: errors.append(str(error)))
    tab.goto(live.url)
    tab.get_by_role("button", name="Generate 16 views").wait_for()
    yield tab
    context.close()
    assert errors == []
