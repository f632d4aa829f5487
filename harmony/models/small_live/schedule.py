"""The forward process that the distilled network walks back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from harmony.models.base import NoiseSchedule
from harmony.models.small import schedule

Walks = tuple[tuple[int, ...], ...]


def distilled(teacher: NoiseSchedule, walks: Walks) -> NoiseSchedule:
    """Return the teacher's schedule for a student whose one pass is guided inside.

    No step is guided from outside, and an estimate may leave [-1, 1] on its way: it stands for
    several of the teacher's, and makes up for what earlier steps missed.

    Args:
        teacher: The schedule.
        walks: Timesteps that the student visits; see `NoiseSchedule.walks`.

    Raises:
        ValueError: A walk does not fall within the schedule.
    """
    return replace(
        teacher,
        guidance_interval=(0, 0),
        guidance_bound=None,
        clip_sample_range=None,
        walks=walks,
    )


def walks_of(card: Mapping[str, Any]) -> Walks:
    """Return the walks that a live model's card names; without them they are evenly spaced."""
    return tuple(tuple(walk) for walk in card.get("walks", ()))


def schedule_of(card: Mapping[str, Any]) -> NoiseSchedule:
    """Return the schedule that a live model's card describes."""
    return distilled(schedule.schedule_of(card), walks_of(card))
