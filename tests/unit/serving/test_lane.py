"""The lane: order, fairness, places and limits, on a clock that the tests turn."""

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harmony.serving.lane import Lane, LeftError, Place, ReplacedError, TurnError, Work

RUN = Work("generate", "step", units=10)
CALL = Work("generate", "step", units=10, program=True)
MESH = Work("mesh", "mesh draft")


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def has_turn(ticket) -> bool:
    return ticket.granted.done() and ticket.granted.exception() is None


def served(lane, tickets, first):
    """End one turn after the other; return the visitors in the order of their turns."""
    order, current = [], first
    while current is not None:
        order.append(current.visitor)
        before = {t for t in tickets if has_turn(t)}
        lane.end(current)
        current = next((t for t in tickets if has_turn(t) and t not in before), None)
    return order


def test_the_first_starts_at_once_and_the_second_waits():
    lane = Lane()
    first, second = lane.join("a", RUN), lane.join("b", RUN)
    assert has_turn(first)
    assert not second.granted.done()
    assert (lane.running, lane.waiting) == (1, 1)
    lane.end(first, done=True)
    assert has_turn(second)


def test_visitors_take_turns_and_each_ones_work_keeps_its_order():
    lane = Lane()
    tickets = [lane.join(visitor, CALL) for visitor in "aaaabcb"]
    assert served(lane, tickets, tickets[0]) == list("aabcaba")
    assert lane.running == 0


def test_a_newcomer_is_not_behind_everything_that_a_busy_visitor_asked_for():
    lane = Lane()
    busy = [lane.join("busy", CALL) for _ in range(5)]
    new = lane.join("new", CALL)
    assert lane.place(new) == Place(2, None)
    order = served(lane, [*busy, new], busy[0])
    assert order == ["busy", "busy", "new", "busy", "busy", "busy"]


def test_several_slots_work_at_once():
    lane = Lane(slots=3)
    tickets = [lane.join(visitor, RUN) for visitor in "abcd"]
    assert [has_turn(t) for t in tickets] == [True, True, True, False]
    assert sorted(str(t.slot) for t in tickets[:3]) == ["0", "1", "2"]
    lane.end(tickets[1])
    assert tickets[3].slot == tickets[1].slot


def test_a_new_run_takes_the_place_of_ones_own_waiting_one():
    lane = Lane()
    lane.join("a", RUN)
    old, other = lane.join("b", RUN), lane.join("c", RUN)
    new = lane.join("b", RUN)
    assert isinstance(old.granted.exception(), ReplacedError)
    place = lane.place(new)
    assert place is not None
    assert place.position == 1
    assert not other.granted.done()
    assert lane.waiting == 2


def test_a_running_run_and_other_work_are_not_replaced():
    lane = Lane()
    running = lane.join("a", RUN)
    mesh, run = lane.join("a", MESH), lane.join("a", RUN)
    assert not running.stopped.done()
    assert not mesh.granted.done()
    assert not run.granted.done()


def test_calls_of_a_program_queue_up_to_its_limit():
    lane = Lane(max_waiting=20, max_waiting_each=3)
    for _ in range(4):
        lane.join("program", CALL)
    with pytest.raises(TurnError, match="3 runs waiting"):
        lane.join("program", CALL)
    assert not lane.join("somebody else", CALL).granted.done()


def test_a_full_queue_says_so_and_has_room_again_later():
    lane = Lane(max_waiting=2)
    first = lane.join("a", RUN)
    for visitor in "bc":
        lane.join(visitor, RUN)
    with pytest.raises(TurnError, match="queue is full"):
        lane.join("d", RUN)
    lane.end(first)
    assert not lane.join("d", RUN).granted.done()


def test_the_wait_is_estimated_from_what_was_measured():
    clock = Clock()
    lane = Lane(clock=clock)
    first = lane.join("a", RUN)
    second = lane.join("b", RUN)
    assert lane.place(second) == Place(1, None)
    clock.now = 20.0
    lane.end(first, done=True)  # 2 s for each of 10 units; the second begins
    third, fourth = lane.join("c", Work("map", "step", units=5)), lane.join("d", RUN)
    clock.now = 25.0
    assert lane.place(third) == Place(1, 15.0)
    assert lane.place(fourth) == Place(2, 25.0)
    clock.now = 100.0  # longer than usual: nobody is promised the past
    assert lane.place(third) == Place(1, 0.0)


def test_two_slots_halve_the_wait():
    clock = Clock()
    lane = Lane(slots=2, clock=clock)
    warm = lane.join("a", RUN)
    clock.now = 10.0
    lane.end(warm, done=True)
    for visitor in "abcd":
        lane.join(visitor, RUN)
    last = lane.join("e", RUN)
    assert lane.place(last) == Place(3, 20.0)


def test_work_that_was_stopped_is_not_measured():
    clock = Clock()
    lane = Lane(clock=clock)
    first = lane.join("a", RUN)
    second = lane.join("b", RUN)
    clock.now = 1.0
    lane.end(first)
    assert lane.place(lane.join("c", RUN)) == Place(1, None)
    assert has_turn(second)


def test_leaving_takes_ones_waiting_work_along_and_stops_ones_running_work():
    lane = Lane()
    running = lane.join("a", RUN)
    waiting, other = lane.join("a", MESH), lane.join("b", RUN)
    (ended,) = lane.leave("a")
    assert isinstance(running.stopped.exception(), LeftError)
    assert isinstance(waiting.granted.exception(), LeftError)
    assert not ended.done()
    lane.end(running)
    assert ended.done()
    assert has_turn(other)
    assert lane.leave("nobody") == ()


def test_ending_twice_frees_one_slot_only():
    lane = Lane()
    first, second, third = (lane.join(visitor, RUN) for visitor in "abc")
    lane.end(first)
    lane.end(first)
    assert has_turn(second)
    assert not third.granted.done()


def test_who_gives_up_waiting_makes_room():
    lane = Lane()
    lane.join("a", RUN)
    second, third = lane.join("b", RUN), lane.join("c", RUN)
    lane.end(second)
    place = lane.place(third)
    assert place is not None
    assert place.position == 1
    assert lane.place(second) is None


def test_a_closed_lane_tells_everybody():
    lane = Lane()
    running, waiting = lane.join("a", RUN), lane.join("b", RUN)
    lane.close()
    assert isinstance(waiting.granted.exception(), TurnError)
    assert isinstance(running.stopped.exception(), TurnError)
    with pytest.raises(TurnError, match="restarted"):
        lane.join("c", RUN)


def test_closing_lets_running_work_finish():
    lane = Lane()
    running = lane.join("a", RUN)
    closing = threading.Thread(target=lane.close, kwargs={"grace_seconds": 60})
    closing.start()
    lane.end(running, done=True)
    closing.join(30)
    assert not closing.is_alive()
    assert lane.closed
    assert not running.stopped.done()


def test_since_when_work_goes_on():
    clock = Clock()
    lane = Lane(slots=2, clock=clock)
    assert lane.busy_since() is None
    first = lane.join("a", RUN)
    clock.now = 5.0
    lane.join("b", RUN)
    assert lane.busy_since() == 0.0
    lane.end(first)
    assert lane.busy_since() == 5.0


@pytest.mark.parametrize(("slots", "max_waiting"), [(0, 5), (1, 0)])
def test_a_lane_without_room_is_refused(slots, max_waiting):
    with pytest.raises(ValueError, match="one slot"):
        Lane(slots, max_waiting=max_waiting)


@given(
    st.integers(1, 3),
    st.lists(st.tuples(st.sampled_from("jel"), st.integers(0, 4), st.booleans()), max_size=60),
)
def test_slots_are_never_lost_or_given_twice(slots, actions):
    lane = Lane(slots, max_waiting=6, max_waiting_each=3)
    tickets = []
    for action, index, flag in actions:
        if action == "j":
            try:
                tickets.append(lane.join(f"v{index}", CALL if flag else RUN))
            except TurnError:
                assert lane.waiting > 0
        elif action == "l":
            lane.leave(f"v{index}")
        elif tickets:
            lane.end(tickets[index % len(tickets)], done=flag)
        held = [t.slot for t in tickets if has_turn(t) and not t.ended.done()]
        assert len(held) == len(set(held)) == lane.running <= slots
        assert lane.waiting == 0 or lane.running == slots
    for ticket in tickets:
        lane.end(ticket)
    for ticket in tickets:
        lane.end(ticket)
    assert (lane.running, lane.waiting) == (0, 0)
    assert all(has_turn(lane.join(f"w{k}", RUN)) for k in range(slots))
