"""From a description to views: the tab, the endpoint, and the command line that repeats both."""

from __future__ import annotations

import json
import shlex
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from playwright.sync_api import Browser, Page, Route, expect

from harmony.batch.command import main
from harmony.painting.painter import Painter
from harmony.painting.record import read_painted_from
from harmony.recipe import recipe_command, recipe_from_json
from tests.e2e.road import cards, generate
from tests.page_fakes import PageDenoiser, PixelScorer, fake_engine
from tests.tiny_painters import save_tiny_painter

PROMPT = "a small red teapot with a lid"


@pytest.fixture(scope="module")
def painter_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_painter("sd", tmp_path_factory.mktemp("painters") / "tiny-sd")


@pytest.fixture(scope="module")
def url(serve: Callable[..., str], painter_folder: Path) -> str:
    """Serve the page with a tiny text-to-image pipeline."""
    return serve(fake_engine(painter=Painter(str(painter_folder), num_steps=2)))


@pytest.fixture
def client(url: str, tmp_path: Path) -> Iterator[Client]:
    opened = Client(url, download_files=tmp_path / "downloads", verbose=False)
    yield opened
    opened.close()


def repeat(recipe_text: str, output: Path, painter_folder: Path, monkeypatch) -> None:
    """Run the recipe's own command line where the painter's folder can be named as it is."""
    command = recipe_command(recipe_from_json(recipe_text), output=str(output))
    monkeypatch.chdir(painter_folder.parent)
    code = main(
        [*shlex.split(command)[3:], "--device", "cpu"],
        load=lambda name, device: PageDenoiser(),
        load_scorer=lambda name, device: PixelScorer(),
    )
    assert code == 0


def test_pictures_are_painted_and_become_views(
    client: Client, painter_folder, tmp_path, monkeypatch
):
    _, files, name, report = client.predict(prompt=PROMPT, pictures=4, seed=5, api_name="/describe")
    assert name == "teapot"
    assert report["model"] == "tiny-sd"
    assert report["licence"]
    painted = [read_painted_from(Path(file).read_bytes()) for file in files]
    assert [words.seed for words in painted if words is not None] == [5, 6, 7, 8]
    assert len({Path(file).read_bytes() for file in files}) == 4
    alone = client.predict(prompt=PROMPT, pictures=1, seed=6, api_name="/describe")[1]
    assert Path(alone[0]).read_bytes() == Path(files[1]).read_bytes()

    _, _, zips, _, recipe = client.predict(
        picture=handle_file(files[1]), object_name=name, cutout="none", api_name="/generate"
    )
    assert recipe["painted_from"]["prompt"] == PROMPT
    assert recipe["painted_from"]["model"] == "tiny-sd"
    assert recipe["painted_from"]["seed"] == 6
    repeat(json.dumps(recipe), tmp_path / "again", painter_folder, monkeypatch)
    with zipfile.ZipFile(zips[0]) as archive:
        strip = archive.read("seed-0000/strip.png")  # all views, and the recipe
    assert strip == (tmp_path / "again/seed-0000/strip.png").read_bytes()
    assert (tmp_path / "again/picture.png").read_bytes() == Path(files[1]).read_bytes()


def test_steps_are_streamed(client: Client):
    job = client.submit(prompt=PROMPT, pictures=1, seed=1, api_name="/describe")
    job.result(timeout=60)
    told = [out[0] for out in job.outputs() if "text" in out[0]]
    assert {"text": "Painting: step 1 of 2", "fraction": 0.5} in told


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"prompt": ""}, "Describe the object"),
        ({"prompt": "12"}, "Describe the object"),
        ({"prompt": "x" * 301}, "300"),
        ({"seed": -1}, "0"),
        ({"pictures": 3}, "3"),
    ],
)
def test_what_cannot_be_painted_gets_one_sentence(client: Client, settings, sentence: str):
    wanted = {"prompt": PROMPT, "pictures": 1, "seed": 0} | settings
    with pytest.raises((AppError, ValueError), match=sentence) as caught:
        client.predict(**wanted, api_name="/describe")
    assert "Traceback" not in str(caught.value)


@pytest.fixture
def page(browser: Browser, url: str) -> Iterator[Page]:
    errors: list[str] = []
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    tab = context.new_page()
    tab.on("console", lambda m: errors.append(m.text) if m.type == "error" else None)
    tab.on("pageerror", lambda error: errors.append(str(error)))
    tab.goto(url)
    tab.get_by_role("tab", name="Describe it").click()
    tab.locator("#prompt textarea, #prompt input").wait_for()
    yield tab
    context.close()
    assert errors == []


@pytest.mark.browser
def test_a_painted_picture_takes_the_road_of_an_upload(page: Page, url: str):
    expect(page.locator("#paint-licence")).to_contain_text("Licence")
    page.locator("#prompt textarea, #prompt input").fill(PROMPT)
    page.locator("#paint-count").get_by_text("four").click()
    page.get_by_role("button", name="Paint", exact=True).click()
    thumbnails = page.locator("#paintings .thumbnail-item, #paintings button.thumbnail-lg")
    expect(thumbnails).to_have_count(4, timeout=60_000)
    expect(page.locator("#paint-status")).to_contain_text("Choose a picture.")
    thumbnails.nth(2).click()
    page.locator("#cutout img").wait_for()
    expect(page.locator("#picture img").first).to_be_visible()
    page.get_by_role("button", name="Advanced settings").click()
    expect(page.get_by_label("Object name").first).to_have_value("teapot")
    generate(page)
    expect(cards(page)).to_have_count(1)
    with page.expect_download() as caught:
        page.locator("#recipe-file").click()
    painted = json.loads(Path(caught.value.path()).read_text())["painted_from"]
    assert (painted["prompt"], painted["seed"]) == (PROMPT, 2)


@pytest.mark.browser
def test_no_picture_is_missed_however_late_the_page_s_code_comes(page: Page):
    """What the pictures are shown in is there before them, so that it cannot miss one."""
    for part in ("#paintings", "#paint-status .status"):
        page.locator(part).wait_for(state="attached")
    held: list[Route] = []
    page.route("**/assets/*", lambda route: held.append(route))
    page.locator("#prompt textarea, #prompt input").fill(PROMPT)
    page.locator("#paint-count").get_by_text("four").click()
    page.get_by_role("button", name="Paint", exact=True).click()
    expect(page.locator("#paint-status")).to_contain_text("Choose a picture.", timeout=60_000)
    page.unroute("**/assets/*")
    for route in held:
        route.continue_()
    expect(page.locator("#paintings .thumbnail-item, #paintings .thumbnail-lg")).to_have_count(4)


@pytest.mark.browser
def test_an_empty_description_says_what_to_do_and_the_tab_stays_usable(page: Page):
    page.get_by_role("button", name="Paint", exact=True).click()
    expect(page.locator(".toast-body")).to_contain_text("Describe the object in a few words")
    expect(page.locator("#paint-status")).to_contain_text("what was painted is kept")
    expect(page.get_by_role("button", name="Paint", exact=True)).to_be_enabled()
