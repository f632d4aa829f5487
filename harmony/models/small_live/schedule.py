"""The forward process that the distilled network walks back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from harmony.models.base import NoiseSchedule
from harmony.models.small import schedule


def distilled(teacher: NoiseSchedule) -> NoiseSchedule:
    """Return the teacher's schedule for a student whose one pass is guided inside.

    No step is guided from outside, and an estimate may leave [-1, 1] on its way: it stands for
    several of the teacher's, and makes up for what earlier steps missed.
    """
    return replace(teacher, guidance_interval=(0, 0), clip_sample_range=None)


def schedule_of(card: Mapping[str, Any]) -> NoiseSchedule:
    """Return the schedule that a live model's card describes."""
    return distilled(schedule.schedule_of(card))
