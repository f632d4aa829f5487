"""The lane: who works next, fair between visitors.

One slot for each device. Visitors take turns (round robin), and each visitor's own work is done
in the order in which it was asked for. The lane only hands out turns; it runs nothing itself,
and every method may be called from any thread.
"""

from __future__ import annotations

import heapq
import secrets
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field

from harmony.serving.pace import Pace
from harmony.ui.texts import lane as texts

MAX_WAITING = 64
MAX_WAITING_EACH = 8
"""A program may not fill the whole queue alone."""


class TurnError(ValueError):
    """A turn was refused or taken back; the sentence says why."""


class ReplacedError(TurnError):
    """The visitor asked for something newer of the same kind."""


class LeftError(TurnError):
    """The visitor has gone."""


@dataclass(frozen=True)
class Work:
    """What a turn is wanted for.

    Attributes:
        name: What is done; newer work of a visitor replaces waiting work of the same name.
        unit: What its length is measured in, for example sampling steps.
        units: How many of them.
        steps: Sampling steps of one sample, for the log.
        seeds: Samples, for the log.
        program: Whether a program asked: its calls queue up and do not replace each other.
        fleeting: Whether it is short and comes often: nothing is said when newer work takes its
            place, and of a short wait.
    """

    name: str
    unit: str
    units: float = 1.0
    steps: int = 0
    seeds: int = 0
    program: bool = False
    fleeting: bool = False


@dataclass(frozen=True)
class Place:
    """Where one waits: position 1 is next; the seconds are None while nothing was measured."""

    position: int
    seconds: float | None


@dataclass(eq=False)
class Ticket:
    """One piece of work that waits or runs.

    Attributes:
        visitor: Whose it is.
        work: What it is.
        granted: Done when the turn has come; fails with a `TurnError` if it never will.
        stopped: Fails with a `TurnError` when running work must end.
        ended: Done when it has left the lane.
        id: Names the turn in the log.
        joined: When it was asked for, on the lane's clock.
        started: When its turn came, or None.
        slot: The slot that it holds, or None.
    """

    visitor: str
    work: Work
    joined: float
    granted: Future[None] = field(default_factory=Future)
    stopped: Future[None] = field(default_factory=Future)
    ended: Future[None] = field(default_factory=Future)
    id: str = field(default_factory=lambda: secrets.token_hex(4))
    started: float | None = None
    slot: int | None = None


def _fail(future: Future[None], error: TurnError) -> None:
    if not future.done():
        future.set_exception(error)


class Lane:
    """Turns at one or more equal devices."""

    def __init__(
        self,
        slots: int = 1,
        *,
        max_waiting: int = MAX_WAITING,
        max_waiting_each: int = MAX_WAITING_EACH,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Open the lane.

        Args:
            slots: Devices that work at once.
            max_waiting: Turns that may be waited for.
            max_waiting_each: The same for one visitor.
            clock: Seconds.

        Raises:
            ValueError: There is no slot, or nobody may wait.
        """
        if slots < 1 or max_waiting < 1:
            raise ValueError("A lane needs one slot and one place in its queue, or more.")
        self.slots, self.max_waiting = slots, max_waiting
        self.max_waiting_each = max_waiting_each
        self.clock = clock
        self._free = list(range(slots))
        self._waiting: OrderedDict[str, deque[Ticket]] = OrderedDict()
        self._running: list[Ticket] = []
        self._pace = Pace()
        self._closed = False
        self._lock = threading.RLock()
        self._idle = threading.Condition(self._lock)

    @property
    def waiting(self) -> int:
        """How many wait."""
        with self._lock:
            return sum(map(len, self._waiting.values()))

    @property
    def running(self) -> int:
        """How many hold a slot."""
        with self._lock:
            return len(self._running)

    @property
    def closed(self) -> bool:
        """Whether no more turns are given."""
        return self._closed

    def busy_since(self) -> float | None:
        """Return when the oldest running work began, on the lane's clock."""
        with self._lock:
            return min((t.started for t in self._running if t.started is not None), default=None)

    def join(self, visitor: str, work: Work) -> Ticket:
        """Ask for a turn.

        Raises:
            TurnError: The queue is full, this visitor waits often enough, or the lane is closed.
        """
        with self._lock:
            if self._closed:
                raise TurnError(texts.STOPPING)
            ticket = Ticket(visitor, work, self.clock())
            own = self._waiting.get(visitor, ())
            old = next((t for t in own if t.work.name == work.name and not work.program), None)
            if old is not None:
                self._waiting[visitor][self._waiting[visitor].index(old)] = ticket
                _fail(old.granted, ReplacedError(texts.REPLACED))
                return ticket
            if not self._free:
                self._check_room(own)
            self._waiting.setdefault(visitor, deque()).append(ticket)
            self._hand_out()
            return ticket

    def _check_room(self, own: deque[Ticket] | tuple[()]) -> None:
        if self.waiting >= self.max_waiting:
            raise TurnError(texts.FULL.format(count=self.waiting))
        if len(own) >= self.max_waiting_each:
            raise TurnError(texts.TOO_MANY.format(count=len(own)))

    def _hand_out(self) -> None:
        while self._free and self._waiting:
            visitor, own = self._waiting.popitem(last=False)
            ticket = own.popleft()
            if own:
                self._waiting[visitor] = own
            ticket.started, ticket.slot = self.clock(), heapq.heappop(self._free)
            self._running.append(ticket)
            ticket.granted.set_result(None)

    def end(self, ticket: Ticket, *, done: bool = False) -> None:
        """Give the turn back, or leave the queue; a second call does nothing.

        Args:
            ticket: What `join` returned.
            done: Whether the work was done to its end, so that its length counts as measured.
        """
        with self._lock:
            if ticket in self._running:
                self._running.remove(ticket)
                if done and ticket.started is not None:
                    work, seconds = ticket.work, self.clock() - ticket.started
                    self._pace.measure(work.unit, work.units, seconds)
                if ticket.slot is not None:
                    heapq.heappush(self._free, ticket.slot)
            elif ticket in self._waiting.get(ticket.visitor, ()):
                self._waiting[ticket.visitor].remove(ticket)
                if not self._waiting[ticket.visitor]:
                    del self._waiting[ticket.visitor]
            self._hand_out()
            self._idle.notify_all()
        if not ticket.ended.done():
            # Outside of the lock: whoever waits for this may take their time.
            ticket.ended.set_result(None)

    def leave(self, visitor: str) -> tuple[Future[None], ...]:
        """Take back everything that a visitor waits for, and stop what runs for them.

        Returns:
            Futures of what runs, each done when that has ended.
        """
        with self._lock:
            for ticket in self._waiting.pop(visitor, ()):
                _fail(ticket.granted, LeftError(texts.LEFT))
            running = [ticket for ticket in self._running if ticket.visitor == visitor]
            for ticket in running:
                _fail(ticket.stopped, LeftError(texts.LEFT))
            return tuple(ticket.ended for ticket in running)

    def close(self, *, grace_seconds: float = 0.0) -> None:
        """Give no more turns; who waits is told at once, and who runs after the time of grace."""
        with self._lock:
            self._closed = True
            for ticket in [t for own in self._waiting.values() for t in own]:
                _fail(ticket.granted, TurnError(texts.STOPPING))
            self._waiting.clear()
            self._idle.wait_for(lambda: not self._running, grace_seconds)
            for ticket in self._running:
                _fail(ticket.stopped, TurnError(texts.STOPPING))

    def _order(self) -> Iterator[Ticket]:
        """Yield who waits in the order in which they will be served, as things stand."""
        queues = [list(own) for own in self._waiting.values()]
        for turn in range(max(map(len, queues), default=0)):
            yield from (own[turn] for own in queues if turn < len(own))

    def place(self, ticket: Ticket) -> Place | None:
        """Return where a ticket waits, or None if it does not wait any more."""
        with self._lock:
            ahead: list[Ticket] = []
            for other in self._order():
                if other is ticket:
                    return Place(len(ahead) + 1, self._wait(ahead))
                ahead.append(other)
        return None

    def _wait(self, ahead: list[Ticket]) -> float | None:
        """Return the seconds until a slot is free for whoever comes after those ahead."""
        now = self.clock()
        free_at = [0.0] * len(self._free)
        for ticket in self._running:
            length = self._pace.seconds(ticket.work.unit, ticket.work.units)
            if length is None or ticket.started is None:
                return None
            free_at.append(max(0.0, length - (now - ticket.started)))
        heapq.heapify(free_at)
        for ticket in ahead:
            length = self._pace.seconds(ticket.work.unit, ticket.work.units)
            if length is None:
                return None
            heapq.heapreplace(free_at, free_at[0] + length)
        return free_at[0]
