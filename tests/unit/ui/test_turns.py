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


def values_of(turns: Turns, handler: Any, between: Any = None) -> list[Any]:
    """Return what an event yields; `between` happens while it waits."""
    # In a thread of its own: a browser's tests leave a loop running in this one.
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, _values_of(turns, handler, between)).result()


async def _values_of(turns: Turns, handler: Any, between: Any) -> list[Any]:
    event = turns.of(handler, lambda *_: QUICK)["fn"](Visitor())
    asked = asyncio.ensure_future(_all(event))
    await asyncio.sleep(0.05)
    if between is not None:
        between()
    return await asyncio.wait_for(asked, 10)


async def _all(values: Any) -> list[Any]:
    return [value async for value in values]


def test_who_is_replaced_changes_nothing():
    lane = Lane()
    lane.join("somebody else", QUICK)
    values = values_of(Turns(lane), lambda: "done", lambda: lane.join("me", QUICK))
    assert values == [gr.skip()]


def test_who_has_something_to_say_says_that_alone():
    assert values_of(Turns(Lane()), lambda: "done") == ["done"]
