"""The folders of finished runs: what is in them, and writing them as a whole or not at all."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from harmony.cameras import VIEW_COUNT
from harmony.export import seed_folder
from harmony.records import Recipe

RECIPE, SCORES, CAMERAS, PICTURE = "recipe.json", "scores.json", "cameras.json", "picture.png"
OUR_FILES = re.compile(
    r"(recipe|scores|cameras)\.json|picture\.png"
    r"|seed-\d{4,}(/(view-\d\d(\.alpha)?\.png|strip\.png|mesh-\w+\.(glb|obj|mtl|png|ply|stl)))?"
)


def validate_output(output: Path) -> None:
    """Refuse an output that would cost the user anything but an earlier run.

    Raises:
        ValueError: It is a file, the current folder, or holds other things than a run.
    """
    if output.exists() and not output.is_dir():
        raise ValueError(f"The output {output} is a file; name a folder.")
    if output == Path.cwd():
        raise ValueError("The output is the current folder; name another one.")
    for path in output.rglob("*"):
        if not OUR_FILES.fullmatch(path.relative_to(output).as_posix()):
            raise ValueError(
                f"The output folder {output} holds other things ({path.name}); name a new folder."
            )


def expected_files(recipe: Recipe, *, painted: bool) -> set[str]:
    """Return the files of a finished run, without its meshes."""
    names = {RECIPE, SCORES, CAMERAS, *([PICTURE] if painted else [])}
    for folder in map(seed_folder, recipe.seeds):
        names.add(f"{folder}/strip.png")
        for index in range(VIEW_COUNT):
            names |= {f"{folder}/view-{index:02d}.png", f"{folder}/view-{index:02d}.alpha.png"}
    return names


@contextmanager
def staging(output: Path) -> Iterator[Path]:
    """Yield a temporary folder on the file system of `output`; it is gone afterwards.

    Raises:
        ValueError: Nothing can be written there.
    """
    nearest = next(folder for folder in (output, *output.parents)[1:] if folder.exists())
    try:
        folder = Path(tempfile.mkdtemp(dir=nearest, prefix=".harmony-"))
    except OSError as error:
        raise unwritable(output, error) from error
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def unwritable(output: Path, error: OSError) -> ValueError:
    """Return the sentence for an output that cannot be written."""
    return ValueError(f"The output {output} cannot be written: {error.strerror}.")


def publish(files: Iterable[tuple[str, bytes]], temporary: Path, output: Path) -> None:
    """Write the files and move them to `output` as a whole, in place of an earlier run.

    Raises:
        ValueError: It cannot be written; what was there is kept.
    """
    try:
        for name, content in files:
            (temporary / "new" / name).parent.mkdir(parents=True, exist_ok=True)
            (temporary / "new" / name).write_bytes(content)
        output.parent.mkdir(parents=True, exist_ok=True)
        if output.exists():
            output.rename(temporary / "old")
        (temporary / "new").rename(output)
    except OSError as error:
        raise unwritable(output, error) from error


def add_files(sources: Iterable[Path], folder: Path) -> None:
    """Move finished files into a folder, each in place of an earlier one.

    Raises:
        ValueError: It cannot be written.
    """
    try:
        for source in sources:
            os.replace(source, folder / source.name)  # noqa: PTH105
    except OSError as error:
        raise unwritable(folder, error) from error
