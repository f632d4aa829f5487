"""Files that are either whole or not there, whenever the process is killed."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Give a place to write to; what was written there takes the place of `path` at the end.

    The place has the same name, in a hidden folder beside it, which goes in any case.

    Raises:
        OSError: The disk is full, or the folder is not to be written.
    """
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".part-") as folder:
        unfinished = Path(folder) / path.name
        yield unfinished
        os.replace(unfinished, path)  # noqa: PTH105
