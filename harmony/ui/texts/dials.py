"""What the page says when a dial is let go."""

from __future__ import annotations

from harmony.ui.texts import duration

RUN_ON_RELEASE = "Generate whenever s1 or s2 is let go"
RUN_ON_RELEASE_INFO = "With the same seed; a run on its way is replaced."


def to_make(seconds: float | None) -> str:
    """Return what it takes to make what the dials say now."""
    if seconds is None:
        return "These settings were not made yet: press Generate."
    return f"These settings were not made yet: press Generate, about {duration(seconds)}."
