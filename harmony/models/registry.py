"""The table of models: a name or a folder -> a loaded denoiser.

To add a model, write one folder with a `load` function, one line in `LOADERS` and one in
`SCHEDULES`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import torch

from harmony.devices import choose_dtype
from harmony.models.base import MultiviewDenoiser, NoiseSchedule

WEIGHTS = Path(__file__).resolve().parents[2] / "weights"
CONFIG = "card.json"


def _shipped(name: str, folder: Path | None) -> Path:
    folder = folder or WEIGHTS / name
    if not (folder / CONFIG).is_file():
        raise ValueError(
            f"The {name} model's {CONFIG} is missing in {folder}; fetch the repository's weights "
            "again, or name a folder that holds a model."
        )
    return folder


# These two fit everywhere as they are, so that there is no memory to save.
def _small(folder: Path | None, device: torch.device, *, low_memory: bool) -> MultiviewDenoiser:
    del low_memory
    from harmony.models import small

    return small.load(_shipped("small", folder), device, dtype=choose_dtype(device))


def _small_schedule(folder: Path | None) -> NoiseSchedule:
    from harmony.models.small.schedule import schedule_of
    from harmony.models.small.weights import read_card

    return schedule_of(read_card(_shipped("small", folder)))


def _small_live(
    folder: Path | None, device: torch.device, *, low_memory: bool
) -> MultiviewDenoiser:
    del low_memory
    from harmony.models import small_live

    return small_live.load(_shipped("small-live", folder), device, dtype=choose_dtype(device))


def _small_live_schedule(folder: Path | None) -> NoiseSchedule:
    from harmony.models.small.weights import read_card
    from harmony.models.small_live.schedule import schedule_of

    return schedule_of(read_card(_shipped("small-live", folder)))


def _syncdreamer(
    folder: Path | None, device: torch.device, *, low_memory: bool
) -> MultiviewDenoiser:
    from harmony.models import syncdreamer

    return syncdreamer.load(folder, device, low_memory=low_memory)


def _syncdreamer_schedule(folder: Path | None) -> NoiseSchedule:
    del folder  # the paper fixes it
    from harmony.models.syncdreamer.schedule import noise_schedule

    return noise_schedule()


LOADERS: Mapping[str, Callable[..., MultiviewDenoiser]] = {
    "small": _small,
    "small-live": _small_live,
    "syncdreamer": _syncdreamer,
}
SCHEDULES: Mapping[str, Callable[[Path | None], NoiseSchedule]] = {
    "small": _small_schedule,
    "small-live": _small_live_schedule,
    "syncdreamer": _syncdreamer_schedule,
}


def load_model(
    name_or_path: str | Path, device: torch.device, *, low_memory: bool = False
) -> MultiviewDenoiser:
    """Load a model.

    Args:
        name_or_path: A key of `LOADERS`, or a folder whose `card.json` names one as its "kind".
        device: Where the weights go.
        low_memory: Whether SyncDreamer takes less memory, and more time.

    Raises:
        ValueError: There is no such model, or its files are missing or damaged.
    """
    kind, folder = _find(name_or_path)
    return LOADERS[kind](folder, device, low_memory=low_memory)


def load_schedule(name_or_path: str | Path) -> NoiseSchedule:
    """Return a model's forward process without its weights.

    Args:
        name_or_path: As for `load_model`.

    Raises:
        ValueError: There is no such model, or its card is missing or damaged.
    """
    kind, folder = _find(name_or_path)
    return SCHEDULES[kind](folder)


def _find(name_or_path: str | Path) -> tuple[str, Path | None]:
    """Return the kind of a model, and its folder unless it is the usual one."""
    if str(name_or_path) in LOADERS:
        return str(name_or_path), None
    return _kind(Path(name_or_path)), Path(name_or_path)


def _kind(folder: Path) -> str:
    names = " or ".join(LOADERS)
    if not folder.is_dir():
        raise ValueError(f"There is no model {str(folder)!r}; use {names}, or a model's folder.")
    file = folder / CONFIG
    try:
        config = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ValueError(
            f"The folder {folder} is no model: its {CONFIG} is missing or is no JSON."
        ) from error
    kind = config.get("kind") if isinstance(config, dict) else None
    if not isinstance(kind, str) or kind not in LOADERS:
        raise ValueError(f"{file} must name its kind: {names}.")
    return kind
