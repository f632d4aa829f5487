"""Texts of the pinned runs."""

from __future__ import annotations

TITLE = "Pinned runs"
INFO = (
    "Up to {limit} runs, kept as recipes in this browser. Their pictures belong to the visit; after "
    "that a run can be made again from its recipe."
)
PIN = "Pin this run"
PINNED = "Pinned: {name}."
ALREADY = "This run is pinned already."
FULL = "{limit} runs are pinned, which is the limit; remove one first."
NOTHING = "Generate views first, then pin the run."
UNKNOWN = "There is no such pinned run any more."
BAD_NAME = "A name needs 1 to {limit} characters."
UNREADABLE = "{count} of the pinned runs in this browser could not be read and were left out."
OTHER_PICTURE = "This recipe belongs to another picture; choose that picture first."
NOT_HERE = "Make both runs again first; their pictures are no longer here."
DETAIL = "{guidance} · {steps} steps · {seeds}"
WORDS = {
    "board": "Pinned runs",
    "empty": "Nothing is pinned yet. “Pin this run” is next to the downloads of a result.",
    "name": "Name of the pinned run",
    "show": "Show",
    "again": "Make again",
    "remove": "Remove",
    "choose": "Compare",
    "versus": "Compare the two",
    "hint": "Mark two runs to compare them.",
    "sort": "Order",
    "by_age": "newest first",
    "by_score": "highest CD first",
    "gone": "not in this visit",
}
