"""How runs and samples look: values for the turntables, the gallery and the captions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from PIL import Image

from harmony.ui import texts
from harmony.ui.strips import data_url, file_url
from harmony.ui.turntable import Card, turntable_value
from harmony.ui.visits import Run, SampleFiles

VIEW_COUNT = 16


def card_id(seed: int) -> str:
    """Return the turntable's name for a sample."""
    return f"seed-{seed}"


def seed_of(card: object) -> int:
    """Return the seed that `card_id` named.

    Raises:
        ValueError: It is no such name; what a browser sends is not trusted.
    """
    if not isinstance(card, str) or not card.removeprefix("seed-").isdigit():
        raise ValueError(texts.GONE)
    return int(card.removeprefix("seed-"))


def badge(score: Mapping[str, Any] | None) -> str:
    """Return the CD score as the card's badge shows it."""
    if score is None:
        return ""
    ratio = score["ratio"]
    return texts.CD_NONE if ratio is None else texts.CD_BADGE.format(ratio=f"{ratio:.3g}")


def note(score: Mapping[str, Any] | None) -> str:
    """Return the score's terms and the encoder that measured."""
    if score is None:
        return texts.NOT_SCORED
    return texts.CD_NOTE.format(
        diversity=score["diversity"],
        variance=score["semantic_variance"],
        encoder=score["encoder"],
    )


def marks(samples: Sequence[SampleFiles]) -> dict[int, str]:
    """Return what sets samples apart, by seed: the best and the worst CD score of several."""
    ratios = {s.seed: s.score["ratio"] for s in samples if s.score and s.score["ratio"] is not None}
    if len(set(ratios.values())) < 2:  # noqa: PLR2004
        return {}
    best, worst = (choose(ratios, key=lambda seed: ratios[seed]) for choose in (max, min))
    return {best: texts.BEST_CD, worst: texts.WORST_CD}


def sample_card(sample: SampleFiles, mark: str = "") -> Card:
    """Return the card of a finished sample."""
    return Card(
        id=card_id(sample.seed),
        title=texts.SAMPLE.format(seed=sample.seed),
        strip=file_url(sample.strip),
        badge=badge(sample.score),
        note=note(sample.score),
        mark=mark,
    )


def live_card(seed: int, strip: Image.Image) -> Card:
    """Return the card of a sample that is being painted."""
    return Card(
        id=card_id(seed),
        title=texts.SAMPLE.format(seed=seed),
        strip=data_url(strip, quality=80),
        live=True,
    )


def run_value(run: Run, chosen: int) -> dict[str, Any]:
    """Return what the turntables show for a finished run."""
    marked = marks(run.samples)
    several = len(run.samples) > 1
    return turntable_value(
        [sample_card(sample, marked.get(sample.seed, "")) for sample in run.samples],
        frames=VIEW_COUNT,
        selected=card_id(run.samples[chosen].seed),
        autoplay=True,
        spread=texts.spread(run.spread) if several else "",
    )


def live_value(
    seeds: Sequence[int], strips: Mapping[int, Image.Image], done: Mapping[int, SampleFiles]
) -> dict[str, Any]:
    """Return what the turntables show during a run: finished samples and previews."""
    cards = [
        sample_card(done[seed]) if seed in done else live_card(seed, strips[seed])
        for seed in seeds
        if seed in done or seed in strips
    ]
    return turntable_value(cards, frames=VIEW_COUNT)
