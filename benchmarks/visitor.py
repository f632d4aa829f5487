"""A visitor of the page over plain HTTP, as a browser acts: events, streams, a kept-up session."""

from __future__ import annotations

import asyncio
import io
import json
import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
from PIL import Image, ImageDraw

API = "/gradio_api"
PATIENCE = 900.0


class RefusedError(Exception):
    """The app said no in a sentence."""


@dataclass(frozen=True)
class Page:
    """What a browser knows of the page.

    Attributes:
        values: Component id -> value that it opens with.
        ids: Element id -> component id.
        events: All dependencies, as the app describes them.
    """

    values: Mapping[int, Any]
    ids: Mapping[str, int]
    events: tuple[Mapping[str, Any], ...]

    def run_event(self) -> Mapping[str, Any]:
        """Return the event that paints: it follows the one of the button Generate."""
        clicked = [self.ids["generate"], "click"]
        (first,) = (e for e in self.events if clicked in [list(t) for t in e["targets"]])
        return next(e for e in self.events if e["trigger_after"] == first["id"])

    def event_called(self, name: str) -> Mapping[str, Any]:
        """Return a named endpoint's event."""
        return next(e for e in self.events if e["api_name"] == name)

    def data(self, event: Mapping[str, Any], changes: Mapping[str, Any]) -> list[Any]:
        """Return an event's inputs: as the page opens, with some changed by element id."""
        changed = {self.ids[name]: value for name, value in changes.items()}
        return [changed.get(i, self.values.get(i)) for i in event["inputs"]]


async def read_page(client: httpx.AsyncClient) -> Page:
    """Fetch the page's description."""
    config = (await client.get("/config")).raise_for_status().json()
    parts = config["components"]
    values = {part["id"]: part["props"].get("value") for part in parts}
    ids = {part["props"].get("elem_id"): part["id"] for part in parts}
    return Page(values, ids, tuple(config["dependencies"]))


def coded_picture(colour: tuple[int, int, int]) -> bytes:
    """Return a PNG: a disc of one colour with its own mask."""
    image = Image.new("RGBA", (96, 96))
    ImageDraw.Draw(image).ellipse((12, 12, 84, 84), fill=colour)
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


class Visitor:
    """One open tab."""

    def __init__(self, client: httpx.AsyncClient, page: Page) -> None:
        """Open it."""
        self.client, self.page = client, page
        self.session = secrets.token_hex(8)

    async def upload(self, data: bytes) -> dict[str, Any]:
        """Send a picture; returns how events name it."""
        files = {"files": ("picture.png", data, "image/png")}
        answer = await self.client.post(f"{API}/upload", files=files)
        (path,) = answer.raise_for_status().json()
        return {"path": path, "meta": {"_type": "gradio.FileData"}, "orig_name": "picture.png"}

    @asynccontextmanager
    async def present(self) -> AsyncIterator[None]:
        """Keep the session alive for as long as the block lasts; then the tab is closed."""
        url = f"{API}/heartbeat/{self.session}"
        async with self.client.stream("GET", url, timeout=PATIENCE) as stream:
            reading = asyncio.create_task(_read_all(stream))
            try:
                yield
            finally:
                reading.cancel()
                await asyncio.gather(reading, return_exceptions=True)

    async def act(self, event: Mapping[str, Any], data: list[Any]) -> str:
        """Trigger an event and return everything that was streamed for it, as text.

        Raises:
            RefusedError: The app answered with a sentence.
            RuntimeError: The app answered with anything else but success.
        """
        body = {
            "data": data,
            "fn_index": event["id"],
            "session_hash": self.session,
            "trigger_id": None,
            "event_data": None,
        }
        joined = await self.client.post(f"{API}/queue/join", json=body)
        joined.raise_for_status()
        heard: list[str] = []
        url = f"{API}/queue/data?session_hash={self.session}"
        async with self.client.stream("GET", url, timeout=PATIENCE) as stream:
            async for line in stream.aiter_lines():
                if not line.startswith("data:"):
                    continue
                message = json.loads(line[5:])
                heard.append(line)
                if message["msg"] == "process_completed":
                    _check(message)
                    return "\n".join(heard)
        raise RuntimeError("The stream ended before the event did.")


def _check(message: Mapping[str, Any]) -> None:
    if message["success"]:
        return
    error = message["output"].get("error")
    if isinstance(error, str) and error.endswith("."):
        raise RefusedError(error)
    raise RuntimeError(f"The event failed: {error!r}")


async def _read_all(stream: httpx.Response) -> None:
    async for _ in stream.aiter_bytes():
        pass
