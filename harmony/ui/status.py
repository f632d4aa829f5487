"""The line that says what the page is doing."""

from __future__ import annotations

from html import escape

from harmony.serving.lane import Place
from harmony.ui import texts
from harmony.ui.texts import lane


def status_html(text: str, *, fraction: float | None = None, busy: bool = False) -> str:
    """Return the status line.

    Args:
        text: What is going on.
        fraction: Progress in [0, 1]; None shows no bar.
        busy: Whether work goes on whose length is unknown.
    """
    bar = ""
    if fraction is not None:
        shown = f"{100 * min(1.0, max(0.0, fraction)):.1f}"
        bar = f'<progress max="100" value="{shown}" aria-label="{escape(text)}"></progress>'
    elif busy:
        bar = f'<progress aria-label="{escape(text)}"></progress>'
    return f'<div class="status" role="status"><span>{escape(text)}</span>{bar}</div>'


def step_text(step: int, num_steps: int, *, pass_index: int, num_passes: int, left: float) -> str:
    """Return "Step 3 of 50 · pass 1 of 2 · about 20 s left"."""
    parts = [texts.WORKING.format(step=step, num_steps=num_steps)]
    if num_passes > 1:
        parts.append(texts.PASS.format(index=pass_index + 1, count=num_passes))
    parts.append(texts.TIME_LEFT.format(time=texts.duration(left)))
    return " · ".join(parts)


def waiting_html(place: Place) -> str:
    """Return the status line of work that waits for its turn."""
    return status_html(lane.waiting(place.position, place.seconds), busy=True)
