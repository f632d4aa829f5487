"""A store of small groups of files by key: in memory, and on disk where a folder is given.

An entry is one file, `<key>.entry`: the SHA-256 of what follows, then a zip that only stores. It is
written beside its place and moved there, so that a reader sees a whole entry or none; what does
not have its checksum is dropped. Nothing is ever unpickled.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import re
import tempfile
import threading
import time
import zipfile
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path

MEMORY_BYTES = 64 * 2**20
DISK_BYTES = 2 * 2**30
MAX_AGE_SECONDS = 7 * 24 * 3600.0
UNFINISHED_SECONDS = 3600.0
"""A file that is being written is older than this only if its process died."""
ENDING, UNFINISHED = ".entry", ".unfinished"
_KEY = re.compile(r"[0-9a-f]{64}")

Files = Mapping[str, bytes]


def default_folder() -> Path:
    """Return where finished work is kept between two starts of the app."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "harmonyview" / "samples"


def pack(files: Files) -> bytes:
    """Return files as one entry."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name), content)
    content = buffer.getvalue()
    return hashlib.sha256(content).digest() + content


def unpack(entry: bytes) -> dict[str, bytes] | None:
    """Return what `pack` packed, or None where the checksum does not hold."""
    size = hashlib.sha256().digest_size
    if hashlib.sha256(entry[size:]).digest() != entry[:size]:
        return None
    with zipfile.ZipFile(io.BytesIO(entry[size:])) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


class FileCache:
    """The store; safe for several threads, and on disk for several processes.

    Attributes:
        folder: Where entries outlive the process, or None for memory alone.
    """

    def __init__(
        self,
        folder: Path | None = None,
        *,
        memory_bytes: int = MEMORY_BYTES,
        disk_bytes: int = DISK_BYTES,
        max_age_seconds: float = MAX_AGE_SECONDS,
    ) -> None:
        """Remember the bounds; the folder is made with the first entry.

        Args:
            folder: Its own folder; only files that end as entries do are ever removed from it.
            memory_bytes: Contents kept in memory, at most; the longest unused goes first.
            disk_bytes: The same for the folder.
            max_age_seconds: Entries on disk that nobody used for longer go.
        """
        self.folder = folder
        self._memory_bytes, self._disk_bytes = memory_bytes, disk_bytes
        self._max_age = max_age_seconds
        self._memory: OrderedDict[str, Files] = OrderedDict()
        self._used = 0
        self._lock = threading.Lock()

    def get(self, key: str) -> Files | None:
        """Return an entry's files by name, or None where there is no sound entry."""
        path = self._path(key)
        with self._lock:
            if key in self._memory:
                self._memory.move_to_end(key)
                return self._memory[key]
        files = None if path is None else self._read(path)
        if files is not None:
            self._remember(key, files)
        return files

    def put(self, key: str, files: Files) -> None:
        """Keep files under a key; a folder that cannot be written leaves them in memory."""
        path = self._path(key)
        self._remember(key, dict(files))
        if path is None:
            return
        # A full or read-only disk must not cost the visitor the result that was just made.
        with contextlib.suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._write(path, pack(files))
            self._tidy(path.parent, keep=path)

    def _path(self, key: str) -> Path | None:
        if not _KEY.fullmatch(key):
            raise ValueError(f"A cache key is a SHA-256 in hexadecimal, not {key!r}.")
        return None if self.folder is None else self.folder / f"{key}{ENDING}"

    def _read(self, path: Path) -> dict[str, bytes] | None:
        try:
            content = path.read_bytes()
            os.utime(path)
        except OSError:
            # Not there, or tidied away by another process in this very moment.
            return None
        files = unpack(content)
        if files is None:
            path.unlink(missing_ok=True)
        return files

    @staticmethod
    def _write(path: Path, content: bytes) -> None:
        handle, name = tempfile.mkstemp(dir=path.parent, suffix=UNFINISHED)
        unfinished = Path(name)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
            unfinished.replace(path)
        except OSError:
            unfinished.unlink(missing_ok=True)
            raise

    def _remember(self, key: str, files: Files) -> None:
        with self._lock:
            self._forget(key)
            self._memory[key] = files
            self._used += _size(files)
            while self._used > self._memory_bytes:
                self._forget(next(iter(self._memory)))

    def _forget(self, key: str) -> None:
        files = self._memory.pop(key, None)
        self._used -= 0 if files is None else _size(files)

    def _tidy(self, folder: Path, *, keep: Path) -> None:
        """Remove what is too old, then the longest unused until the rest fits.

        A clock that was set back leaves files from the future; they are as untrue as very old ones.
        """
        now, found = time.time(), []
        for file in folder.iterdir():
            if file.suffix not in {ENDING, UNFINISHED}:
                continue
            # Another process may tidy at the same time.
            with contextlib.suppress(FileNotFoundError):
                state = file.stat()
                found.append((state.st_mtime, state.st_size, file))
        entries = sorted(item for item in found if item[2].suffix == ENDING)
        total = sum(size for _, size, _ in entries)
        for used_at, size, file in entries:
            if file != keep and (abs(now - used_at) > self._max_age or total > self._disk_bytes):
                file.unlink(missing_ok=True)
                total -= size
        for used_at, _, file in found:
            if file.suffix == UNFINISHED and abs(now - used_at) > UNFINISHED_SECONDS:
                file.unlink(missing_ok=True)


def _size(files: Files) -> int:
    return sum(map(len, files.values()))
