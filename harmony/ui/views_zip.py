"""Unpacking a zip of views that may come from a stranger."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path

from harmony.ui import texts

MEMBER = re.compile(r"(?:(seed-\d{1,19})/)?(view-\d{2}(?:\.alpha)?\.png)")
"""What is taken out; everything else in the archive stays where it is."""
MAX_MEMBERS = 4096
MAX_BYTES = 4_000_000
"""Of one picture, unpacked; 512 x 512 pixels need less than 1 MB."""


def unpack_views(archive: Path, folder: Path) -> tuple[Path, ...]:
    """Unpack the sixteen views (and masks) of the archive's first sample.

    Args:
        archive: As `harmony.export.write_zip` writes it.
        folder: Where the files go; it is made.

    Returns:
        The views by azimuth.

    Raises:
        ValueError: It is no such archive.
    """
    try:
        with zipfile.ZipFile(archive) as opened:
            members = _members(opened)
            folder.mkdir()
            for name, member in members.items():
                with opened.open(member) as packed:
                    content = packed.read(MAX_BYTES + 1)
                if len(content) > MAX_BYTES:
                    raise ValueError(texts.BAD_ZIP)
                (folder / name).write_bytes(content)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError) as error:
        raise ValueError(texts.BAD_ZIP) from error
    return tuple(folder / name for name in sorted(members) if not name.endswith(".alpha.png"))


def _members(opened: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    """Return the first sample's files by name."""
    entries = opened.infolist()
    if len(entries) > MAX_MEMBERS:
        raise ValueError(texts.BAD_ZIP)
    found: dict[str | None, dict[str, zipfile.ZipInfo]] = {}
    for entry in entries:
        if match := MEMBER.fullmatch(entry.filename):
            found.setdefault(match[1], {})[match[2]] = entry
    if not found:
        raise ValueError(texts.BAD_ZIP)
    return next(iter(found.values()))
