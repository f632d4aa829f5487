"""Turns for handlers: a handler of the page becomes one that waits for its turn at the model.

Waiting costs no thread, so that however many wait, cut-outs and page loads go on. When the turn
has come, the handler runs step by step in its slot's own thread: a stop, a closed tab or a
shutdown ends it after the step that is being computed.
"""

from __future__ import annotations

import asyncio
import contextvars
import functools
import inspect
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import aclosing
from typing import Any

import gradio as gr

from harmony.serving.lane import Lane, LeftError, Place, ReplacedError, Ticket, TurnError, Work
from harmony.serving.run_log import RunLog
from harmony.ui.errors import as_error

TOLD_EVERY_SECONDS = 2.0
"""Who waits is told where; Gradio notices a lost connection at the same moments."""
_END = object()

SHORT_WAIT_SECONDS = 1.0
"""Fleeting work that waits no longer says nothing about it."""

Plan = Callable[..., Work]
Waiting = Callable[[Place], Any]


def visitor_of(request: gr.Request, *, program: bool) -> str:
    """Return who asks: the session, or the address for a plain call without one.

    A plain call gets a made-up session for itself alone; by address, a program that sends many
    of them is still one visitor. A program's work is not that of a page's visit: the session
    that watches over it may end while a long call computes.
    """
    if not program:
        return request.session_hash or "nobody"
    if "/call/" in request.url.path and request.client:
        return f"program at {request.client.host}"
    return f"program {request.session_hash}"


class Turns:
    """Gives handlers their turns at the model."""

    def __init__(self, lane: Lane, log: RunLog | None = None) -> None:
        """Use a lane; each of its slots gets a thread of its own when it is first used."""
        self.lane, self.log = lane, log or RunLog()
        self._threads = [
            ThreadPoolExecutor(1, thread_name_prefix=f"slot-{slot}") for slot in range(lane.slots)
        ]

    def of(
        self,
        handler: Callable[..., Any],
        plan: Plan,
        waiting: Waiting | None = None,
        at_once: Callable[..., Any] | None = None,
    ) -> dict[str, Any]:
        """Return the arguments with which an event calls a handler in its turn.

        Args:
            handler: A function or a generator function of the page.
            plan: Called with the inputs' values before anybody waits; returns the work, or
                raises a ValueError for inputs that will not do.
            waiting: Returns what the page shows at a place in the queue; None shows nothing.
            at_once: Called with the handler's arguments before the plan; what it returns is the
                answer, for which nobody waits, unless it is None.
        """
        # The lane alone limits; Gradio's own queue would hold back work in order of arrival.
        return {"fn": self._in_turn(handler, plan, waiting, at_once), "concurrency_limit": None}

    def leave(self, session: str, then: Callable[[], None]) -> None:
        """End all work of a session, waiting or running, and call `then` after it."""
        running = self.lane.leave(session)
        if not running:
            then()
        for ended in running:
            ended.add_done_callback(lambda _: then())

    def _in_turn(
        self,
        handler: Callable[..., Any],
        plan: Plan,
        waiting: Waiting | None,
        at_once: Callable[..., Any] | None,
    ) -> Callable[..., AsyncIterator[Any]]:
        signature = inspect.signature(handler)
        told = "request" in signature.parameters

        @functools.wraps(handler)
        async def in_turn(request: gr.Request, *values: Any) -> AsyncIterator[Any]:
            arguments = (request, *values) if told else values
            answer = None if at_once is None else await asyncio.to_thread(at_once, *arguments)
            if answer is not None:
                yield answer
                return
            try:
                work = plan(*values)
                visitor = visitor_of(request, program=work.program)
            except Exception as error:
                raise as_error(error) from None
            steps = functools.partial(_iterate, handler, arguments)
            silent = True
            async with aclosing(self.walk(visitor, work, steps, waiting)) as walked:
                async for value in walked:
                    silent = False
                    yield value
            if silent:
                # Its place was taken; Gradio would empty all outputs of an event without a value.
                yield gr.skip()

        if not told:
            first = inspect.Parameter(
                "request", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=gr.Request
            )
            signature = signature.replace(parameters=[first, *signature.parameters.values()])
        in_turn.__signature__ = signature  # pyright: ignore[reportAttributeAccessIssue]
        in_turn.__annotations__ = {**in_turn.__annotations__, "request": gr.Request}
        return in_turn

    async def walk(
        self,
        visitor: str,
        work: Work,
        steps: Callable[[], Iterator[Any]],
        waiting: Waiting | None = None,
    ) -> AsyncGenerator[Any]:
        """Wait for a turn, then yield what work yields; closing it ends the work after a step.

        Args:
            visitor: Who asks.
            work: What for.
            steps: Returns the iterator that does it, step by step in the slot's thread.
            waiting: As for `of`.

        Raises:
            gr.Error: The turn was refused or taken back, or the work failed; the sentence says why.
        """
        try:
            ticket = self.lane.join(visitor, work)
        except Exception as error:
            raise as_error(error) from None
        walked: _Steps | None = None
        outcome = "stopped"
        try:
            async for place in self._waits(ticket):
                yield gr.skip() if waiting is None else waiting(place)
            walked = _Steps(self._threads[ticket.slot or 0], steps())
            async for value in walked.until(ticket.stopped):
                yield value
            outcome = "done"
        except (ReplacedError, LeftError) as error:
            outcome = "replaced" if isinstance(error, ReplacedError) else "left"
            if not work.fleeting:
                gr.Info(str(error))
        except Exception as error:
            outcome = "ended" if isinstance(error, TurnError) else "failed"
            raise as_error(error) from None
        finally:
            self._end(ticket, walked, outcome)

    async def _waits(self, ticket: Ticket) -> AsyncIterator[Place]:
        granted = asyncio.wrap_future(ticket.granted)
        if ticket.work.fleeting:
            await asyncio.wait([granted], timeout=SHORT_WAIT_SECONDS)
        while not granted.done():
            place = self.lane.place(ticket)
            if place is not None:
                yield place
            await asyncio.wait([granted], timeout=TOLD_EVERY_SECONDS)
        granted.result()

    def _end(self, ticket: Ticket, work: _Steps | None, outcome: str) -> None:
        """Give the slot back as soon as the step that is being computed has ended."""
        self.log.ended(ticket, outcome, self.lane.clock())

        def end(_: Future[None] | None = None) -> None:
            self.lane.end(ticket, done=outcome == "done")

        if work is None:
            end()
        else:
            work.close().add_done_callback(end)


class _Steps:
    """A handler's work in one thread, a step at a time."""

    def __init__(self, thread: ThreadPoolExecutor, iterator: Iterator[Any]) -> None:
        self._thread = thread
        # Gradio keeps in the context whose page its toasts go to.
        self._context = contextvars.copy_context()
        self._iterator: Any = iterator

    async def until(self, stopped: Future[None]) -> AsyncIterator[Any]:
        """Yield what the handler yields; raise at once what `stopped` raises."""
        stop = asyncio.wrap_future(stopped)
        while True:
            step = self._thread.submit(self._context.run, next, self._iterator, _END)
            value = asyncio.wrap_future(step)
            try:
                await asyncio.wait([value, stop], return_when=asyncio.FIRST_COMPLETED)
                if stop.done():
                    stop.result()
                reached = value.result()
            finally:
                # Nobody reads the result of a step that is left behind.
                value.cancel()
            if reached is _END:
                return
            yield reached

    def close(self) -> Future[None]:
        """End the work after its current step; the future is done when it has ended."""
        return self._thread.submit(self._context.run, self._iterator.close)


def _iterate(handler: Callable[..., Any], values: tuple[Any, ...]) -> Any:
    if inspect.isgeneratorfunction(handler):
        return handler(*values)

    def once() -> Iterator[Any]:
        yield handler(*values)

    return once()
