"""The line above the turntables: which model's result is on show."""

from __future__ import annotations

from html import escape

from harmony.ui.live import LiveAnswer
from harmony.ui.settings import Settings
from harmony.ui.strips import jpeg_url
from harmony.ui.texts import guidance
from harmony.ui.texts import live as texts
from harmony.ui.turntable import Card, turntable_value


def banner_html(model: str, said: str, note: str = "", *, live: bool = False) -> str:
    """Return the line.

    Args:
        model: Whose result it is.
        said: Settings and figures.
        note: A sentence more.
        live: Whether the student painted it.
    """
    kind = "banner banner-live" if live else "banner"
    more = f"<small>{escape(note)}</small>" if note else ""
    return f'<p class="{kind}"><b>{escape(model)}</b><span>{escape(said)}</span>{more}</p>'


def full_banner(settings: Settings, state: str = "") -> str:
    """Return the line for a run of the page's own model: finished, or as `state` says."""
    said = texts.full(
        settings.rule,
        settings.s1,
        settings.s2,
        settings.cfg_scale,
        int(settings.instances),
        int(settings.num_steps),
    )
    return banner_html(texts.FULL, f"{said} · {state}" if state else said)


def live_banner(answer: LiveAnswer, num_steps: int) -> str:
    """Return the line for a live answer."""
    line = answer_line(answer, num_steps)
    return banner_html(texts.STUDENT, line, texts.limits(answer.limits), live=True)


def answer_line(answer: LiveAnswer, num_steps: int) -> str:
    """Return what the line says of a live answer's dials."""
    settings = answer.settings
    said = guidance(settings.rule, settings.s1, settings.s2, settings.cfg_scale)
    return texts.student(said, int(settings.first_seed), num_steps, answer.seconds)


def answer_value(answer: LiveAnswer, card: str) -> dict[str, object]:
    """Return what the turntables show of a live answer; see `answer_card`."""
    return turntable_value([answer_card(answer, card)])


def answer_card(answer: LiveAnswer, card: str) -> Card:
    """Return a live answer's card.

    Args:
        answer: It.
        card: Its name there; a seed keeps its card from answer to answer.
    """
    return Card(
        id=card,
        title=texts.CARD.format(seed=int(answer.settings.first_seed)),
        strip=jpeg_url(answer.strip),
        note=texts.NOTE,
        live=True,
    )
