"""Texts that say what this machine does and how long it takes."""

from __future__ import annotations

from harmony.ui.texts import duration, samples

STATES = {
    "asleep": "{model} · loads on the first run",
    "loading": "{model} · loading",
    "failed": "{model} · did not load; a run tries again and says why",
}
READY = "{model} · {hardware}"
STEP_SECONDS = "{seconds:.2g} s per step"

WORK = "{steps}, {passes} × {samples}"
MEASURED = "About {time}, as measured here: {work}."
GUESSED = "Roughly {time}, guessed from this processor's speed: {work}."
UNKNOWN = "{work}. The first run measures how long that takes here."
LONG = " Fewer steps, or a scale at 0, make it shorter."
FETCHED = "{name} · {megabytes} MB, fetched on first use"
SHIPPED = "{name} · ships with the app"
NO_CUTOUT = "none · the whole picture is the object"


def work(steps: int, passes: int, count: int) -> str:
    """Return "25 steps, 75 network passes × 1 sample"."""
    walked = "1 step" if steps == 1 else f"{steps} steps"
    computed = "1 network pass" if passes == 1 else f"{passes} network passes"
    return WORK.format(steps=walked, passes=computed, samples=samples(count))


def estimate(seconds: float | None, said: str, *, measured: bool, long: bool) -> str:
    """Return how long a run takes and how that is known."""
    if seconds is None:
        return UNKNOWN.format(work=said)
    text = (MEASURED if measured else GUESSED).format(time=duration(max(1.0, seconds)), work=said)
    return text + LONG if long else text


def ready(model: str, hardware: str, seconds: float | None) -> str:
    """Return "small · CPU, 2 threads · bfloat16 · 1.5 s per step"; without what is not measured."""
    text = READY.format(model=model, hardware=hardware)
    return text if seconds is None else f"{text} · {STEP_SECONDS.format(seconds=seconds)}"
