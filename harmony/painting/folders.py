"""Pipeline folders in diffusers' layout: which files a pipeline needs, and which are missing."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

INDEX = "model_index.json"
HALF = "fp16"
WEIGHTS = re.compile(
    r"(?:model|diffusion_pytorch_model)(?:\.(?P<before>\w+))?(?:-\d{5}-of-\d{5})?"
    r"(?:\.(?P<after>\w+))?\.safetensors"
)
_CONFIGURATIONS = (".json", ".txt", ".model")


def read_index(path: Path) -> tuple[str, tuple[str, ...]]:
    """Return the pipeline's class name and its components' folders.

    Args:
        path: The `model_index.json`.

    Raises:
        ValueError: It is missing or no such index.
    """
    try:
        index: Any = json.loads(path.read_text(encoding="utf-8"))
        name = index["_class_name"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"The folder {path.parent} is no text-to-image pipeline: its {INDEX} is missing or "
            "cannot be read."
        ) from error
    parts = (
        part
        for part, kind in index.items()
        if not part.startswith("_") and isinstance(kind, list) and kind[0] is not None
    )
    return str(name), tuple(parts)


def _variant(name: str) -> str | None:
    """Return a weight file's variant ("" for none), or None where it is no weight file."""
    match = WEIGHTS.fullmatch(name)
    return None if match is None else match["before"] or match["after"] or ""


def choose_variant(names: Iterable[str], parts: Iterable[str]) -> str | None:
    """Return "fp16" where every component with weights has them in 16 bits, else None."""
    found: dict[str, set[str]] = {part: set() for part in parts}
    for name in names:
        path = PurePosixPath(name)
        variant = _variant(path.name)
        if variant is not None and str(path.parent) in found:
            found[str(path.parent)].add(variant)
    weighted = [variants for variants in found.values() if variants]
    return HALF if weighted and all(HALF in variants for variants in weighted) else None


def wanted_files(names: Iterable[str], parts: Iterable[str]) -> tuple[str, ...]:
    """Return the files of a repository that its pipeline needs; never a pickle, never code."""
    names, parts = tuple(names), tuple(parts)
    variant = choose_variant(names, parts) or ""
    return tuple(name for name in sorted(names) if _is_wanted(PurePosixPath(name), parts, variant))


def _is_wanted(path: PurePosixPath, parts: tuple[str, ...], variant: str) -> bool:
    if str(path) == INDEX:
        return True
    if str(path.parent) not in parts:
        return False
    return path.suffix in _CONFIGURATIONS or _variant(path.name) == variant


def files_below(folder: Path) -> tuple[str, ...]:
    """Return the files of a folder and of its folders, by their names relative to it."""
    return tuple(
        path.relative_to(folder).as_posix() for path in folder.glob("*/*") if path.is_file()
    )


def missing_part(folder: Path) -> str | None:
    """Return the first component of a pipeline folder that lacks files, or None.

    Raises:
        ValueError: The folder has no readable `model_index.json`.
    """
    parts = read_index(folder / INDEX)[1]
    names = files_below(folder)
    variant = choose_variant(names, parts) or ""
    return next((part for part in parts if _lacks_files(folder / part, variant)), None)


def _lacks_files(part: Path, variant: str) -> bool:
    if not part.is_dir() or not any(part.iterdir()):
        return True
    # Schedulers and tokenizers have configurations of other names, and no weights.
    if not (part / "config.json").is_file():
        return False
    files = [path.name for path in part.iterdir() if _variant(path.name) == variant]
    return not files or not _shards(part, variant) <= set(files)


def _shards(part: Path, variant: str) -> set[str]:
    """Return the files that the component's list of shards names, of this variant."""
    named: set[str] = set()
    for listing in part.glob("*.safetensors.index*.json"):
        table: Mapping[str, Any] = json.loads(listing.read_text(encoding="utf-8"))
        named |= {name for name in table["weight_map"].values() if _variant(name) == variant}
    return named
