"""HarmonyView: one picture of an object to sixteen consistent views around it.

The package is one road; every module is one stage with one public verb:
`background`, `framing`, `models`, `sampling`, `scoring`, `reconstruction`, `export`.
`harmony.generate` walks it for any number of pictures and prompts.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from harmony.batch.records import Result
    from harmony.batch.settings import Settings

__all__ = ["Result", "Settings", "generate"]
__version__ = "0.1.0"


def generate(
    pictures: str | Path | Sequence[str | Path] = (),
    *,
    output: str | Path,
    prompts: str | Sequence[str] = (),
    settings: Settings | None = None,
    progress: bool = True,
) -> tuple[Result, ...]:
    """Make sixteen views around the object of every picture and prompt.

    Every item gets a folder `output/<name>` as `python -m harmony.generate` writes it. What an
    earlier call finished with the same recipe is kept, and an item that fails does not cost the
    others: its result says why. Nothing heavy is imported before the first call.

    Args:
        pictures: A picture file, a folder of pictures, a pattern such as "toys/*.png", or
            several of these.
        output: The folder to write below.
        prompts: One description or several; each is painted first.
        settings: Wishes for every item; None takes the defaults of `harmony.Settings`.
        progress: Whether to draw a progress bar on stderr.

    Returns:
        One frozen result for each item, in the order given. Under `accelerate launch` the
        processes share the work, and each returns all results.

    Raises:
        ValueError: Nothing of it can be done; the sentence says why.
        KeyboardInterrupt: It was interrupted; what was finished is kept.
    """
    from harmony.batch.api import generate_batch

    return generate_batch(pictures, output, prompts, settings, progress=progress)


def __getattr__(name: str) -> Any:
    """Import `Settings` and `Result` when they are first asked for."""
    if name == "Settings":
        from harmony.batch.settings import Settings

        return Settings
    if name == "Result":
        from harmony.batch.records import Result

        return Result
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
