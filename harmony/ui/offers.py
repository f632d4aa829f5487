"""What the page offers, each with what it needs."""

from __future__ import annotations

from collections.abc import Sequence

from harmony.background import FETCHED_MEGABYTES, SHIPPED
from harmony.ui.texts import modes as texts


def cutout_choices(names: Sequence[str]) -> list[tuple[str, str]]:
    """Return the cut-out models, each with what it needs."""
    said = {SHIPPED: texts.SHIPPED.format(name=SHIPPED)}
    for name, megabytes in FETCHED_MEGABYTES.items():
        said[name] = texts.FETCHED.format(name=name, megabytes=megabytes)
    return [(said.get(name, texts.NO_CUTOUT), name) for name in names]
