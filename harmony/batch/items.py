"""The items of a batch: pictures, the pictures of folders and patterns, and prompts.

Names: an item's folder has the name of its picture file without the ending, or of its prompt's
words with hyphens between. Where names are equal (capitals make no difference), the first one in
the order of the command line keeps it and the others get -2, -3 and so on.
"""

from __future__ import annotations

import glob
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from harmony.painting.prompts import validate_prompt

PICTURE_ENDINGS = frozenset(
    [
        ".png",
        ".jpg",
        ".jpeg",
        ".jpe",
        ".jfif",
        ".webp",
        ".avif",
        ".gif",
        ".bmp",
        ".tif",
        ".tiff",
        ".ico",
        ".ppm",
        ".jp2",
        ".heic",
        ".heif",
    ]
)
"""What counts as a picture in a folder; what a file holds is found out by reading it."""
MAX_NAME = 80


@dataclass(frozen=True)
class Item:
    """One piece of work: a picture or a prompt, exactly one of them.

    Attributes:
        name: Of its folder; unique in the batch.
        picture: The picture file.
        prompt: What is to be painted first.
    """

    name: str
    picture: Path | None = None
    prompt: str | None = None

    @property
    def source(self) -> str:
        """What the user gave."""
        return str(self.picture) if self.prompt is None else f"“{self.prompt}”"


@dataclass(frozen=True)
class Items:
    """What a batch works on.

    Attributes:
        items: In the order of the command line.
        several: Whether each has a folder of its own below the output folder: false only for
            one picture file or one prompt.
        left_out: Files of the folders that are no pictures by their ending.
    """

    items: tuple[Item, ...]
    several: bool
    left_out: tuple[Path, ...]


def find_items(pictures: Sequence[str | Path], prompts: Sequence[str]) -> Items:
    """Return the items of a batch.

    A folder stands for the pictures directly in it, by name; a pattern (`*`, `?`, `[`, `**`) for
    the files that match, by name. A file that is named twice is one item.

    Args:
        pictures: Files, folders and patterns.
        prompts: Descriptions.

    Raises:
        ValueError: There is nothing to do, a folder or pattern has no picture, or a prompt will
            not do. A single file that is missing is an item like any other and fails on its own.
    """
    files: list[Path] = []
    left_out: list[Path] = []
    gathered = False
    for given in pictures:
        found, others = _expand(str(given))
        gathered = gathered or found != [Path(given)]
        files += found
        left_out += others
    words = [validate_prompt(prompt) for prompt in prompts]
    if not files and not words:
        raise ValueError("Give one or more pictures, a folder of pictures, or a --prompt.")
    chosen = {file.resolve(): file for file in reversed(files)}
    kept = [file for file in dict.fromkeys(files) if chosen[file.resolve()] is file]
    kept_words = list(dict.fromkeys(words))
    names = unique_names([*(_stem(file) for file in kept), *(_slug(text) for text in kept_words)])
    items = [
        *(Item(name, picture=file) for name, file in zip(names, kept, strict=False)),
        *(
            Item(name, prompt=text)
            for name, text in zip(names[len(kept) :], kept_words, strict=True)
        ),
    ]
    return Items(tuple(items), gathered or len(items) > 1, tuple(left_out))


def _expand(given: str) -> tuple[list[Path], list[Path]]:
    """Return the pictures that one word of the command line means, and what is left out."""
    path = Path(given)
    if path.is_dir():
        seen = sorted(file for file in path.iterdir() if file.is_file())
        visible = [file for file in seen if not file.name.startswith(".")]
        found = [file for file in visible if file.suffix.lower() in PICTURE_ENDINGS]
        if not found:
            raise ValueError(f"The folder {path} holds no picture.")
        return found, [file for file in visible if file not in found]
    if path.exists() or not glob.has_magic(given):
        return [path], []
    matches = glob.glob(given, recursive=True)  # noqa: PTH207, the pattern may be absolute
    found = sorted(file for file in map(Path, matches) if file.is_file())
    if not found:
        raise ValueError(f"No file matches {given}.")
    return found, []


def unique_names(wished: Iterable[str]) -> list[str]:
    """Return the names, each made unique as the module says; capitals make no difference."""
    taken: set[str] = set()
    names = []
    for wish in wished:
        name, number = wish, 1
        while name.casefold() in taken:
            number += 1
            name = f"{wish}-{number}"
        taken.add(name.casefold())
        names.append(name)
    return names


def _stem(file: Path) -> str:
    """Return a file's name without its ending, in one spelling on every system."""
    return unicodedata.normalize("NFC", file.stem)


def _slug(prompt: str) -> str:
    """Return the words of a prompt with hyphens between, as a folder's name."""
    words = re.findall(r"\w+", unicodedata.normalize("NFC", prompt).lower())
    return "-".join(words)[:MAX_NAME].strip("-") or "prompt"
