"""Unpacking a zip of views that may come from a stranger."""

from __future__ import annotations

import io
import re
import zipfile
from pathlib import Path

from PIL import Image

from harmony.ui import texts

MEMBER = re.compile(r"(?:(seed-\d{1,19})/)?(view-\d{2}(?:\.alpha)?\.png)")
"""What is taken out; everything else in the archive stays where it is."""
MAX_MEMBERS = 4096
MAX_BYTES = 4_000_000
"""Of one picture, unpacked; 512 x 512 pixels need less than 1 MB."""
MAX_SIDE = 1024
"""Of one picture, in pixels."""


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
    contents = _contents(archive)
    folder.mkdir()
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    return tuple(folder / name for name in sorted(contents) if not name.endswith(".alpha.png"))


def _contents(archive: Path) -> dict[str, bytes]:
    """Return the first sample's pictures by file name, read and checked, nothing written yet."""
    try:
        with zipfile.ZipFile(archive) as opened:
            return {name: _picture(opened, member) for name, member in _members(opened).items()}
    except MemoryError:
        raise
    except Exception as error:  # a damaged archive makes zlib, lzma, struct and others raise
        raise ValueError(texts.BAD_ZIP) from error


def _picture(opened: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes:
    with opened.open(member) as packed:
        content = packed.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise ValueError(texts.BAD_ZIP)
    with Image.open(io.BytesIO(content), formats=["PNG"]) as picture:
        if max(picture.size) > MAX_SIDE:
            raise ValueError(texts.BAD_ZIP)
    return content


def _members(opened: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    """Return the first sample's files by name."""
    entries = opened.infolist()
    if len(entries) > MAX_MEMBERS:
        raise ValueError(texts.BAD_ZIP)
    found: dict[str | None, dict[str, zipfile.ZipInfo]] = {}
    for entry in entries:
        if match := MEMBER.fullmatch(entry.filename):
            sample = found.setdefault(match[1], {})
            if match[2] in sample:
                raise ValueError(texts.BAD_ZIP)
            sample[match[2]] = entry
    if not found:
        raise ValueError(texts.BAD_ZIP)
    return next(iter(found.values()))
