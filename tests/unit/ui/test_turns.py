"""What an event gets whose place in the queue was taken."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import gradio as gr

from harmony.serving.lane import Lane, Work
from harmony.ui.turns import Turns

QUICK = Work("live", "live step", fleeting=True)


class Visitor:
    """Stands for a request of a page."""

    session_hash = "me"


def values_of(lane: Lane, *, replaced: bool = False) -> list[Any]:
    """Return what an event yields that says "done" in its turn, unless it is replaced before."""
    # In a thread of its own: a browser's tests leave a loop running in this one.
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, _values_of(lane, replaced)).result()


async def _values_of(lane: Lane, replaced: bool) -> list[Any]:
    event = Turns(lane).of(lambda: "done", lambda *_: QUICK)["fn"](Visitor())
    asked = asyncio.ensure_future(_all(event))
    if replaced:
        while not lane.waiting:
            await asyncio.sleep(0.01)
        lane.join("me", QUICK)
    return await asyncio.wait_for(asked, 10)


async def _all(values: Any) -> list[Any]:
    return [value async for value in values]


def test_who_is_replaced_changes_nothing():
    lane = Lane()
    lane.join("somebody else", QUICK)
    assert values_of(lane, replaced=True) == [gr.skip()]


def test_who_has_something_to_say_says_that_alone():
    assert values_of(Lane()) == ["done"]
