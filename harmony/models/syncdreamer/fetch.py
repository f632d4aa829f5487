"""Find SyncDreamer's weights: named by the user, already converted, or from the hub."""

from __future__ import annotations

import hashlib
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from huggingface_hub import cached_assets_path, hf_hub_download, try_to_load_from_cache
from huggingface_hub.constants import HF_HUB_CACHE
from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError
from huggingface_hub.utils import httpx, tqdm

from harmony.downloads import reporting_bar
from harmony.models.syncdreamer.checkpoint import CARD_NAME, OnProgress, file_sha256
from harmony.models.syncdreamer.convert import convert_checkpoint

VARIABLE = "HARMONY_SYNCDREAMER_WEIGHTS"


@dataclass(frozen=True)
class WeightsSource:
    """A checkpoint on the hub.

    Attributes:
        repo_id: The model repository.
        filename: The file in it.
        sha256: What the file must hash to.
        size: Bytes.
    """

    repo_id: str = "camenduru/SyncDreamer"
    filename: str = "syncdreamer-pretrain.ckpt"
    sha256: str = "5ebb31334d9e4002b2590dd805e25238beaf95fa082f6e39a132344624448dcb"
    size: int = 5_570_034_171


class WeightsUnavailableError(ValueError):
    """The weights are not here and cannot be fetched; the message says what to do."""


def find_weights(
    path: str | Path | None = None,
    *,
    source: WeightsSource | None = None,
    dtype: str = "float16",
    cache: Path | None = None,
    local_only: bool = False,
    on_progress: OnProgress | None = None,
) -> Path:
    """Return a folder of converted weights, converting or downloading as needed.

    The order: `path`, the variable HARMONY_SYNCDREAMER_WEIGHTS, an earlier conversion, the hub.
    A path is a converted folder or an official checkpoint; a checkpoint is converted once into
    the hub's cache and found there on later starts.

    Args:
        path: Converted folder or official checkpoint.
        source: Where the hub has it; None takes the public mirror.
        dtype: Number type for a conversion.
        cache: Folder of the conversions; None takes the hub cache's place for libraries.
        local_only: Never touch the network.
        on_progress: Called with what is being done, the bytes done and the bytes in all.

    Raises:
        WeightsUnavailableError: Nothing is here and the hub cannot be reached or has it not.
        ValueError: The path holds no weights, the disk is too full, or a file is damaged.
    """
    given = path or os.environ.get(VARIABLE)
    if given:
        return _from_path(Path(given).expanduser(), dtype, cache, on_progress)
    source = source or WeightsSource()
    folder = _conversion_folder(source.sha256, dtype, cache)
    if (folder / CARD_NAME).is_file():
        return folder
    checkpoint = download(source, local_only=local_only, on_progress=on_progress)
    return convert_checkpoint(
        checkpoint, folder, dtype=dtype, source_sha256=source.sha256, on_progress=on_progress
    )


def download(
    source: WeightsSource, *, local_only: bool = False, on_progress: OnProgress | None = None
) -> Path:
    """Return the checkpoint from the hub's cache or the hub; a broken download is resumed.

    Raises:
        WeightsUnavailableError: It is not cached and the hub cannot be reached.
        ValueError: The disk is too full, or the file's hash is wrong.
    """
    if not isinstance(try_to_load_from_cache(source.repo_id, source.filename), str):
        _check_disk(source.size)
    try:
        found = hf_hub_download(
            source.repo_id,
            source.filename,
            local_files_only=local_only,
            tqdm_class=_progress_bar(source, on_progress),
        )
    except (LocalEntryNotFoundError, HfHubHTTPError, httpx.HTTPError) as error:
        raise WeightsUnavailableError(
            f"SyncDreamer's weights are not on this machine and {source.repo_id} cannot be "
            f"reached ({type(error).__name__}). Go online once ({source.size / 1e9:.2f} GB), or "
            f"set {VARIABLE} to a local {source.filename} or its converted folder."
        ) from error
    checkpoint = Path(found)
    if file_sha256(checkpoint, on_progress) != source.sha256:
        raise ValueError(
            f"{checkpoint} is not the expected file (its sha256 differs); delete it and start "
            "again to download it anew."
        )
    return checkpoint


def _from_path(path: Path, dtype: str, cache: Path | None, on_progress: OnProgress | None) -> Path:
    if path.is_dir():
        return path
    if not path.is_file():
        raise ValueError(f"There are no SyncDreamer weights at {path}.")
    stat = path.stat()
    # Hashing 5.6 GB at every start would take longer than loading; a changed file is noticed.
    identity = f"{path.resolve()}:{stat.st_size}:{stat.st_mtime_ns}"
    folder = _conversion_folder(hashlib.sha256(identity.encode()).hexdigest(), dtype, cache)
    if (folder / CARD_NAME).is_file():
        return folder
    return convert_checkpoint(path, folder, dtype=dtype, on_progress=on_progress)


def _conversion_folder(key: str, dtype: str, cache: Path | None) -> Path:
    root = cache or cached_assets_path("harmony", "syncdreamer", "weights")
    return root / f"{key[:16]}-{dtype}"


def _check_disk(needed: int) -> None:
    folder = Path(HF_HUB_CACHE)
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    # The checkpoint and, beside it, the conversion of half its size.
    needed += needed // 2
    if free < needed:
        raise ValueError(
            f"SyncDreamer's weights need {needed / 1e9:.1f} GB at {folder}, but only "
            f"{free / 1e9:.1f} GB are free; free some space or point HF_HOME to another disk."
        )


def _progress_bar(source: WeightsSource, on_progress: OnProgress | None) -> type[tqdm]:
    """Return a progress bar class that also reports to `on_progress`."""

    def tell(done: int) -> None:
        if on_progress is not None:
            on_progress(f"downloading {source.filename}", done, source.size)

    return reporting_bar(tell)
