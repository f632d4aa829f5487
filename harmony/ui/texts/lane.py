"""What visitors read about waiting for their turn."""

from __future__ import annotations

from harmony.ui.texts import duration

NEXT = "next in line"
PLACE = "{ordinal} in line"
WAITING = "Waiting: {place}"
WAITING_TIME = "Waiting: {place}, about {time}"
FULL = "The queue is full ({count} are waiting); please try again in a few minutes."
TOO_MANY = "You have {count} runs waiting already; wait for one of them or stop it."
REPLACED = "Your waiting run was replaced by the new one."
STOPPING = "The server is being restarted, so this was not finished; please try again in a minute."
WORKER_LOST = (
    "The process that computed this was lost; a fresh one takes its place. Nothing you had is "
    "lost: press the button again."
)
LEFT = "The page was closed, so its work was stopped."


def ordinal(number: int) -> str:
    """Return "1st", "2nd", "3rd", "4th", "11th", "21st" and so on."""
    ending = {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{'th' if number % 100 in {11, 12, 13} else ending}"


def waiting(position: int, seconds: float | None) -> str:
    """Return "Waiting: 2nd in line, about 40 s"; without the time while none is known."""
    place = NEXT if position == 1 else PLACE.format(ordinal=ordinal(position))
    if seconds is None:
        return WAITING.format(place=place)
    return WAITING_TIME.format(place=place, time=duration(seconds))
