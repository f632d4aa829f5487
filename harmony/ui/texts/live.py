"""Texts of the live dials."""

from __future__ import annotations

from harmony.ui.texts import duration, guidance, samples

LIVE = "Live dials"
LIVE_INFO = "While a dial moves, a quick model answers with 16 views of the first seed."
STEPS = "Live steps"
CHOICES = (("Off", 0), ("2 steps, fastest", 2), ("4 steps", 4))
REFINE = "Refine with the full model when a dial is let go"
REFINE_INFO = "It paints all samples with the same seeds; a new movement of a dial stops it."
NO_STUDENT = "Live dials are off: there is no quick model for the {model} model."
NOT_HERE = "Live dials are off: the quick model's files are not here."
TURNED_OFF = "Live dials are turned off on this page."

STUDENT = "Live model"
FULL = "Full model"
WORKING = "Answering the dials …"
LOADING = "Loading the live model (first time only) …"
NOT_SERVED = "The live dials do not know this guidance rule; only the full model does."
NEXT = "Press Generate for the full model."
NEXT_TIME = "Press Generate for the full model, about {time}."
FOLLOWS = "The full model follows."
RESTING = "The live dials rest while your run goes on; Stop ends it."
LIMIT = "Live stops at {scales}; beyond it, only the full model goes on."
BACK = "Back to the full model's result"
CARD = "Live · seed {seed}"
NOTE = "One sample by the quick model; not scored."
SHEET = "Strip of 16 views (.png)"
UNDER_WAY = "on its way"
STOPPED = "stopped early, last preview"


def student(said: str, seed: int, steps: int, seconds: float) -> str:
    """Return "s1 2, s2 1 · seed 0 · 4 steps · 1.6 s"."""
    return f"{said} · seed {seed} · {steps} steps · {seconds:.1f} s"


def full(rule: str, s1: float, s2: float, cfg_scale: float, count: int, steps: int) -> str:
    """Return "s1 2, s2 1 · 2 samples · 25 steps"."""
    return f"{guidance(rule, s1, s2, cfg_scale)} · {samples(count)} · {steps} steps"


def limits(beyond: tuple[tuple[str, float], ...]) -> str:
    """Return a sentence on scales beyond the student's reach, or nothing."""
    if not beyond:
        return ""
    return LIMIT.format(scales=" and ".join(f"{name} {largest:g}" for name, largest in beyond))


def answered(seconds: float | None, *, follows: bool) -> str:
    """Return what comes after a live answer."""
    if follows:
        return FOLLOWS
    return NEXT if seconds is None else NEXT_TIME.format(time=duration(max(1.0, seconds)))
