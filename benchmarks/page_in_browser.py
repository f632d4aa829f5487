"""What a visitor waits for, measured in the browser: python -m benchmarks.page_in_browser.

Starts the app in a process of its own, opens it in headless Chromium and prints every figure with
its bar and their ratio. The runs that are needed take two steps of the shipped model.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from playwright.sync_api import Browser, Page, expect, sync_playwright

ROOT = Path(__file__).resolve().parents[1]
FIRST_VIEW_MS, DIAL_MS, RESELECT_MS = 3000.0, 200.0, 500.0
PATIENCE_MS = 600_000
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")

FIRST_VIEW = """() => new Promise((resolve) => {
  const look = () => {
    const picture = document.querySelector(".tt-picture");
    if (picture && picture.offsetWidth && picture.style.backgroundImage.startsWith("url")) {
      requestAnimationFrame(() => resolve(performance.now()));
    } else requestAnimationFrame(look);
  };
  look();
})"""
"""Milliseconds from the start of the navigation to the frame that shows the first view."""

DIAL = """([name, value]) => new Promise((resolve, reject) => {
  const range = document.querySelector(`#${name} input[type=range]`);
  const picture = document.querySelector(".tt-picture"), before = picture.style.backgroundImage;
  const start = performance.now();
  range.value = value;
  range.dispatchEvent(new Event("input", { bubbles: true }));
  const look = () => {
    if (picture.style.backgroundImage !== before) resolve(performance.now() - start);
    else if (performance.now() - start > 5000) reject(new Error("the dial has no answer"));
    else requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
})"""
"""Milliseconds from the movement of a dial to the frame with another picture."""

RESELECT = """([name, value, wanted]) => new Promise((resolve, reject) => {
  const range = document.querySelector(`#${name} input[type=range]`);
  const shown = () => document.querySelector(".tt-picture").style.backgroundImage;
  range.value = value;
  range.dispatchEvent(new Event("input", { bubbles: true }));
  const start = performance.now();
  range.dispatchEvent(new PointerEvent("pointerup", { bubbles: true }));
  const look = () => {
    if (shown() === wanted) resolve(performance.now() - start);
    else if (performance.now() - start > 60000) reject(new Error("the result did not come back"));
    else requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
})"""
"""Milliseconds from letting a dial go to the frame with the result that was made before."""


@contextlib.contextmanager
def serving(examples: Path | None) -> Iterator[str]:
    """Serve the app with an empty cache; yields its address once it answers."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    code = (
        "import app, harmony.ui.examples as e, pathlib, sys;"
        "app.load_examples = lambda: e.load_examples(pathlib.Path(sys.argv[1]));"
        "app.main(['--port', sys.argv[2]])"
    )
    folder = examples or ROOT / "examples"
    with tempfile.TemporaryDirectory() as cache:
        environment = os.environ | {"XDG_CACHE_HOME": cache}
        command = [sys.executable, "-c", code, str(folder), str(port)]
        with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL) as app:
            try:
                yield _answering(f"http://127.0.0.1:{port}/")
            finally:
                app.terminate()


def _answering(url: str) -> str:
    while True:
        try:
            with urllib.request.urlopen(url, timeout=5) as page:
                page.read()
            return url
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.1)


def first_view(browser: Browser, url: str) -> float:
    """Return the milliseconds until a new visitor sees the first view."""
    page = browser.new_page()
    page.goto(url, wait_until="commit")
    passed = page.evaluate(FIRST_VIEW)
    page.close()
    return passed


def dial_answers(page: Page) -> list[float]:
    """Return how long the example's map takes to answer each of some movements of a dial."""
    cells = page.locator(".mp-cell:enabled")
    cells.first.wait_for()
    names = cells.evaluate_all("all => all.map((cell) => cell.getAttribute('aria-label'))")
    values = sorted({name.split(",")[0].removeprefix("s1 ") for name in names})
    walk = [*values[::-1][1:], *values[1:]] * 3
    return [page.evaluate(DIAL, ["s1", value]) for value in walk]


def reselected(page: Page) -> list[float]:
    """Return how long results that were made before take to come back."""
    page.get_by_role("button", name="Advanced settings").click()
    steps = page.locator("#steps input[type=number]")
    steps.fill("2")
    steps.blur()
    made = {}
    for value in ("1", "2"):
        field = page.locator("#s1 input[type=number]")
        field.fill(value)
        field.blur()
        _generate(page)
        made[value] = page.locator(".tt-picture").first.evaluate("e => e.style.backgroundImage")
    return [page.evaluate(RESELECT, ["s1", value, made[value]]) for value in ("1", "2") * 4]


def _generate(page: Page) -> None:
    status = page.locator("#status .status")
    status.evaluate("element => element.setAttribute('data-old', '')")
    page.get_by_role("button", name="Generate 16 views").click()
    fresh = page.locator("#status .status:not([data-old])")
    expect(fresh).to_contain_text("Done", timeout=PATIENCE_MS)


def report(name: str, figures: list[float], bar: float) -> None:
    """Print the median and the worst of some figures beside their bar."""
    middle, worst = median(figures), max(figures)
    print(
        f"{name:44s} median {middle:7.0f} ms, worst {worst:7.0f} ms of {len(figures)}   "
        f"bar {bar:g} ms, ratio {middle / bar:.2f}, worst {worst / bar:.2f}",
        flush=True,
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--examples", type=Path, help="another folder with examples.json")
    parser.add_argument("--visitors", type=int, default=5, help="first views to measure")
    options = parser.parse_args()
    path = next(filter(None, map(shutil.which, BROWSERS)))
    with serving(options.examples) as url, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        views = [first_view(browser, url) for _ in range(options.visitors)]
        report("first view", views, FIRST_VIEW_MS)
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.goto(url)
        page.locator("#picture img").first.wait_for()
        page.locator(".mp-cell").first.wait_for(state="attached")
        if page.locator(".mp-cell").count() > 1:
            report("dial on an example", dial_answers(page), DIAL_MS)
        else:
            print("dial on an example: the first example ships with one cell; nothing to measure")
        report("a setting that was made before", reselected(page), RESELECT_MS)
        browser.close()


if __name__ == "__main__":
    main()
