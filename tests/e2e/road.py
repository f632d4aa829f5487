"""Steps that a person takes on the page."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Locator, Page, Route, expect

JOIN = "**/gradio_api/queue/join*"
"""Where a page asks the server for something."""


def give_picture(page: Page, picture: Path) -> None:
    page.locator("#picture input[type=file]").set_input_files(picture)
    page.locator("#cutout img").wait_for()


def set_number(page: Page, block: str, value: float) -> None:
    field = page.locator(f"#{block} input[type=number]")
    field.fill(str(value))
    field.blur()


def generate(page: Page) -> None:
    """Run to the end; the mark tells the new "Done" from that of a run before."""
    page.locator("#status .status").evaluate("element => element.setAttribute('data-old', '')")
    page.get_by_role("button", name="Generate 16 views").click()
    fresh = page.locator("#status .status:not([data-old])")
    expect(fresh).to_contain_text("Done", timeout=40_000)


def cards(page: Page) -> Locator:
    return page.locator(".tt-card")


class Held:
    """Questions to the server that are on their way until they are let go."""

    def __init__(self, page: Page) -> None:
        self.routes, self.free = list[Route](), False
        page.route(JOIN, self._hold)

    def _hold(self, route: Route) -> None:
        if self.free:
            route.continue_()
        else:
            self.routes.append(route)

    def let_go(self) -> None:
        self.free = True
        for route in self.routes:
            route.continue_()
