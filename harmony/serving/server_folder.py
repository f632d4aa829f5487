"""The folder of one server's files: gone when it ends, and swept by the next one if it was killed."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from filelock import FileLock, Timeout

PREFIX = "harmony-server-"
LOCK = ".lock"


class ServerFolder:
    """A fresh folder below `root`, held by a lock for as long as the process lives.

    Attributes:
        files: Where the server writes; Gradio serves what lies below it, and not the lock.
        swept: How many folders of killed servers were removed.
    """

    def __init__(self, root: Path) -> None:
        """Make the folder and remove those whose servers are no more.

        Raises:
            ValueError: Nothing can be written there.
        """
        try:
            root.mkdir(parents=True, exist_ok=True)
            self.path = Path(tempfile.mkdtemp(prefix=PREFIX, dir=root))
            self.files = self.path / "files"
            self.files.mkdir()
            self._lock = FileLock(self.path / LOCK)
            self._lock.acquire(blocking=False)
        except OSError as error:
            raise ValueError(
                f"Nothing can be written to {root} ({error.strerror}); free some space or name "
                "another folder with --cache-dir."
            ) from error
        self.swept = _sweep(root, self.path)

    def remove(self) -> None:
        """Remove the folder and all that is in it."""
        self._lock.release()
        shutil.rmtree(self.path, ignore_errors=True)


def _sweep(root: Path, own: Path) -> int:
    """Remove the folders that nobody holds any more; returns how many there were."""
    others = [folder for folder in root.glob(f"{PREFIX}*") if folder != own]
    left = [folder for folder in others if _is_left(folder)]
    for folder in left:
        shutil.rmtree(folder, ignore_errors=True)
    return len(left)


def _is_left(folder: Path) -> bool:
    """Whether the folder's server has ended without removing it."""
    try:
        # One without a lock's file may be another server's that has only just begun.
        if not (folder / LOCK).is_file():
            return False
        with FileLock(folder / LOCK).acquire(blocking=False):
            return True
    except (Timeout, OSError):
        # It is held, or it is another user's.
        return False
