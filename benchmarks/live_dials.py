"""How soon the live dials answer, measured in the browser: python -m benchmarks.live_dials.

Starts the app in a process of its own, gives it a picture of its own in headless Chromium, drags s1
with the mouse and lets it go. Every figure runs from the release to the frame that shows the views
of that position. `--by-events` closes the short way of `harmony.ui.wire` first. `--frames` walks
each dial slowly instead and saves what the browser shows.
"""

from __future__ import annotations

import argparse
import base64
import io
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from PIL import Image, ImageDraw
from playwright.sync_api import Page, sync_playwright

from benchmarks.live_compute import bars
from benchmarks.page_in_browser import BROWSERS, FLAGS
from benchmarks.served import ROOT, served
from harmony.devices import choose_device
from harmony.ui.live import STEP_COUNTS
from harmony.ui.wire import ASK_PAGE, PATH

PATIENCE_MS = 60_000
MOVES = 10
FRAME_VIEWS = (0, 2, 4, 6, 8, 10, 12, 14)
FRAME_POSITIONS = {
    "s1": (0, 0.5, 1, 1.5, 2, 2.5, 3, 3.5, 4),
    "s2": (0, 0.25, 0.5, 0.75, 1, 1.25, 1.5),
}
FRAME_SIDE, MARGIN = 160, 70

ANSWERED = """([said, patience]) => new Promise((resolve, reject) => {
  setTimeout(() => reject(new Error(`No views of ${said}`)), patience);
  const banner = () => [...document.querySelectorAll("#banner .banner-live")].find(
    (line) => line.checkVisibility())?.innerText ?? "";
  const look = async () => {
    if (!banner().includes(said)) return requestAnimationFrame(look);
    const url = document.querySelector(".tt-picture").style.backgroundImage.slice(5, -2);
    const image = new Image();
    image.src = url;
    await image.decode();
    requestAnimationFrame(() => resolve([performance.now() - window.letGo, banner(), url]));
  };
  look();
})"""
"""Milliseconds since the release, what the banner says, and the strip on show."""
NOTE_RELEASE = """() => window.addEventListener(
  "pointerup", () => { window.letGo = performance.now(); }, { capture: true })"""


@dataclass(frozen=True)
class Answer:
    """One drag.

    Attributes:
        seconds: From the release to the pictures.
        model_seconds: Of these, those of the model's own work, as the page says.
    """

    seconds: float
    model_seconds: float

    @property
    def rest(self) -> float:
        """Everything else: the step that was under way, the ways to and fro, the painting."""
        return self.seconds - self.model_seconds


@contextmanager
def page_with(picture: Path, arguments: list[str]) -> Iterator[Page]:
    """Open the app's page in a browser with a picture on it."""
    path = next(filter(None, map(shutil.which, BROWSERS)))
    with (
        tempfile.TemporaryDirectory() as folder,
        served(Path(folder), "app", arguments) as app,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        page = browser.new_page(viewport={"width": 1280, "height": 1000})
        page.set_default_timeout(PATIENCE_MS)
        page.goto(app.url)
        # The page takes its first example's picture by itself.
        page.locator("#cutout img").first.wait_for()
        give(page, picture)
        page.evaluate(NOTE_RELEASE)
        yield page
        browser.close()


def give(page: Page, picture: Path) -> None:
    """Put a picture on the page."""
    page.locator("#picture input[type=file]").set_input_files(picture)
    page.locator(f"#picture img[src*='{picture.name}']").wait_for()


def drag(page: Page, start: float, end: float) -> Answer:
    """Drag s1 between two shares of its track in quick moves, and wait for the answer."""
    track = page.locator("#s1 input[type=range]")
    # In the middle: at its lower end the window has Generate above all else.
    track.evaluate("(node) => node.scrollIntoView({ block: 'center' })")
    box = track.bounding_box()
    assert box is not None
    height = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + start * box["width"], height)
    page.mouse.down()
    for move in range(1, MOVES + 1):
        share = start + (end - start) * move / MOVES
        page.mouse.move(box["x"] + share * box["width"], height)
    page.mouse.up()
    stands = float(page.locator("#s1 input[type=number]").input_value())
    passed, said, _ = page.evaluate(ANSWERED, [f"s1 {stands:g},", PATIENCE_MS])
    return Answer(passed / 1000, seconds_in(said))


def seconds_in(banner: str) -> float:
    """Return the seconds that the banner tells."""
    found = re.search(r"(\d+\.\d) s", banner)
    assert found is not None
    return float(found[1])


def report(steps: int, answers: list[Answer]) -> None:
    """Print what the drags took beside their bar."""
    seconds, bar = [answer.seconds for answer in answers], bars(choose_device("auto"))[steps]
    middle, worst = median(seconds), max(seconds)
    rest = median(answer.rest for answer in answers)
    print(
        f"{steps} steps: median {middle:.2f} s, worst {worst:.2f} s of {len(answers)} drags   "
        f"bar {bar:g} s, ratio {middle / bar:.2f}, worst {worst / bar:.2f}   "
        f"(outside the model: median {rest:.2f} s)",
        flush=True,
    )


def measure(page: Page, drags: int, another: Path) -> None:
    """Measure at every number of steps; a first drag reads its picture and is not counted."""
    first = drag(page, 0.1, 0.5)
    print(f"first drag on the picture: {first.seconds:.2f} s", flush=True)
    give(page, another)
    first = drag(page, 0.5, 0.3)
    print(f"first drag on another one, all loaded: {first.seconds:.2f} s", flush=True)
    stands = 0.3
    for steps in sorted(STEP_COUNTS, reverse=True):
        page.locator("#live").get_by_text(f"{steps} steps").click()
        answers = []
        for _ in range(drags):
            # To where the dial does not stand, whose answer is on show already.
            end = 0.15 if stands > 0.5 else 0.9
            answers.append(drag(page, stands, end))
            stands = end
        report(steps, answers)


def frames(page: Page, dial: str) -> list[tuple[str, Image.Image]]:
    """Walk a dial slowly and return what the browser shows at each position."""
    found = []
    for value in FRAME_POSITIONS[dial]:
        field = page.locator(f"#{dial} input[type=number]")
        page.evaluate("window.letGo = performance.now()")
        field.fill(str(value))
        field.blur()
        said = f"s1 {value:g}," if dial == "s1" else f"s2 {value:g} "
        _, _, url = page.evaluate(ANSWERED, [said, PATIENCE_MS])
        content = base64.b64decode(url.partition(",")[2])
        found.append((f"{dial} {value:g}", Image.open(io.BytesIO(content)).convert("RGB")))
    return found


def sheet(rows: list[tuple[str, Image.Image]]) -> Image.Image:
    """Return the frames as one picture: a row for each position, a column for each view."""
    size = (MARGIN + FRAME_SIDE * len(FRAME_VIEWS), FRAME_SIDE * len(rows))
    found = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(found)
    for row, (title, strip) in enumerate(rows):
        draw.text((8, row * FRAME_SIDE + FRAME_SIDE // 2), title, fill="black")
        side = strip.height
        for column, view in enumerate(FRAME_VIEWS):
            frame = strip.crop((view * side, 0, (view + 1) * side, side))
            place = (MARGIN + column * FRAME_SIDE, row * FRAME_SIDE)
            found.paste(frame.resize((FRAME_SIDE, FRAME_SIDE)), place)
    return found


def main() -> None:
    """Measure and print, or save frames."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--picture", type=Path, default=ROOT / "examples" / "coffee.jpg")
    parser.add_argument("--another", type=Path, default=ROOT / "examples" / "taxi.png")
    parser.add_argument("--drags", type=int, default=6, help="drags at each number of steps")
    parser.add_argument("--by-events", action="store_true", help="let Gradio's events answer")
    parser.add_argument("--frames", type=Path, metavar="OUT.png", help="save frames instead")
    parser.add_argument("--live-model", default="small-live", help="as for app.py")
    options = parser.parse_args()
    with page_with(options.picture, ["--live-model", options.live_model]) as page:
        if options.by_events:
            page.route(f"**/{PATH}", lambda route: route.fulfill(json=ASK_PAGE))
        if options.frames is None:
            measure(page, options.drags, options.another)
        else:
            sheet([*frames(page, "s1"), *frames(page, "s2")]).save(options.frames)


if __name__ == "__main__":
    main()
