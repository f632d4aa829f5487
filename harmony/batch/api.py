"""The batch as a function of Python; `harmony.generate` documents it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from harmony.batch.command import load_cd_scorer
from harmony.batch.items import find_items
from harmony.batch.records import Result
from harmony.batch.run import Batch, run_batch
from harmony.batch.settings import Settings
from harmony.batch.workshop import ModelLoader, ScorerLoader
from harmony.models.registry import load_model


def generate_batch(
    pictures: str | Path | Sequence[str | Path],
    output: str | Path,
    prompts: str | Sequence[str],
    settings: Settings | None = None,
    *,
    progress: bool = True,
    load: ModelLoader = load_model,
    load_scorer: ScorerLoader = load_cd_scorer,
) -> tuple[Result, ...]:
    """Do what `harmony.generate` documents, with models and scorers from `load`, `load_scorer`."""
    given = [pictures] if isinstance(pictures, str | Path) else list(pictures)
    words = [prompts] if isinstance(prompts, str) else list(prompts)
    items = find_items(given, words)
    # In Python there is always a folder for each item, so that one and many are called alike.
    batch = Batch(
        replace(items, several=True), Path(output).expanduser().resolve(), settings or Settings()
    )
    return run_batch(batch, load=load, load_scorer=load_scorer, shown=progress)
