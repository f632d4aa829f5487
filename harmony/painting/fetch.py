"""Find a text-to-image pipeline: a folder, the hub's cache, or the hub."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from huggingface_hub import HfApi, hf_hub_download, try_to_load_from_cache
from huggingface_hub.constants import HF_HUB_CACHE
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.utils import httpx

from harmony.downloads import reporting_bar
from harmony.painting.folders import INDEX, missing_part, read_index, wanted_files
from harmony.painting.models import HUB, TextToImageModel

OnProgress = Callable[[str, float | None], None]
"""Told what is being done and the share of it that is done, or None where that is unknown."""


@dataclass(frozen=True)
class PipelineFolder:
    """A pipeline on this machine.

    Attributes:
        path: Its folder, complete.
        revision: The hub's commit, or None for a folder of the user's own.
    """

    path: Path
    revision: str | None


def find_pipeline(model: TextToImageModel, on_progress: OnProgress) -> PipelineFolder:
    """Return the pipeline's folder, downloading it where it is not here yet.

    A model that is in the hub's cache is used without asking the hub.

    Raises:
        ValueError: A folder is incomplete, or the model cannot be fetched; the sentence says why
            and what to do.
    """
    if model.folder is not None:
        lacking = missing_part(model.folder)
        if lacking is not None:
            raise ValueError(
                f"The text-to-image model in {model.folder} is incomplete: {lacking} lacks its "
                "files (weights must be .safetensors)."
            )
        return PipelineFolder(model.folder, None)
    cached = try_to_load_from_cache(model.id, INDEX, revision=model.revision)
    if isinstance(cached, str) and missing_part(Path(cached).parent) is None:
        return PipelineFolder(Path(cached).parent, Path(cached).parent.name)
    try:
        return _download(model, on_progress)
    except GatedRepoError as error:
        raise ValueError(
            f"{model.id} wants its licence accepted first: open {HUB}/{model.id}, accept it, and "
            "log in with: hf auth login"
        ) from error
    except (RepositoryNotFoundError, RevisionNotFoundError) as error:
        raise ValueError(
            f"The hub has no text-to-image model {model.id!r} (or no such revision); check its name."
        ) from error
    except (
        LocalEntryNotFoundError,
        OfflineModeIsEnabled,
        HfHubHTTPError,
        httpx.HTTPError,
    ) as error:
        raise ValueError(
            f"The text-to-image model {model.id} is not on this machine and the hub cannot be "
            f"reached ({type(error).__name__}). Go online once, or name a folder that holds a model."
        ) from error


def _download(model: TextToImageModel, on_progress: OnProgress) -> PipelineFolder:
    info = HfApi().model_info(model.id, revision=model.revision, files_metadata=True)
    sizes = {file.rfilename: file.size or 0 for file in info.siblings or ()}
    if INDEX not in sizes:
        raise ValueError(f"{model.id} is no text-to-image pipeline: it has no {INDEX}.")
    # By the name of the branch, so that the cache remembers which commit the name stands for.
    index = Path(hf_hub_download(model.id, INDEX, revision=model.revision))
    parts = read_index(index)[1]
    wanted = [name for name in wanted_files(sizes, parts) if name != INDEX]
    total = sum(sizes[name] for name in wanted)
    _check_disk(model.id, total)
    text = f"Downloading {model.id} ({total / 1e9:.1f} GB), once"
    done = 0
    on_progress(text, 0.0)
    for name in wanted:
        start = done

        def tell(received: int, start: int = start) -> None:
            on_progress(text, min(1.0, (start + received) / max(1, total)))

        hf_hub_download(model.id, name, revision=index.parent.name, tqdm_class=reporting_bar(tell))
        done += sizes[name]
    lacking = missing_part(index.parent)
    if lacking is not None:
        raise ValueError(
            f"{model.id} has no .safetensors weights for its {lacking}; choose another model."
        )
    return PipelineFolder(index.parent, index.parent.name)


def _check_disk(name: str, needed: int) -> None:
    folder = Path(HF_HUB_CACHE)
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise ValueError(
            f"{name} needs {needed / 1e9:.1f} GB at {folder}, but only {free / 1e9:.1f} GB are "
            "free; free some space or point HF_HOME to another disk."
        )
