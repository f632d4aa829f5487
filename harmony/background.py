"""Cut-out: picture -> RGBA, by rembg with a model that is always named.

`u2netp` ships with the project and works offline; the others are fetched by rembg on first use.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from harmony.serving.offline import is_offline

NO_CUTOUT = "none"
ALPHA = "alpha"
"""What a recipe names where the picture's own mask was kept."""
SHIPPED = "u2netp"
FETCHED_MEGABYTES = {"isnet-general-use": 179, "birefnet-general-lite": 224}
"""Models on demand and the size of their download."""
FETCHED_SHA256 = {
    "isnet-general-use": "60920e99c45464f2ba57bee2ad08c919a52bbf852739e96947fbb4358c0d964a",
    "birefnet-general-lite": "5600024376f572a557870a5eb0afb1e5961636bef4e1e22132025467d0f03333",
}
"""rembg checks a download by MD5, and not at all once the file is there."""
CUTOUTS = (SHIPPED, *FETCHED_MEGABYTES, NO_CUTOUT)

WEIGHTS = Path(__file__).resolve().parent.parent / "weights" / SHIPPED
HALF = 128
HALO = 8
"""Mask values below this are noise of the network, far away from the object."""

logger = logging.getLogger(__name__)


def validate_cutout(name: str) -> str:
    """Return the name.

    Raises:
        ValueError: There is no such cut-out model here.
    """
    if name not in CUTOUTS:
        raise ValueError(f"Cut-out model is {name!r}; it must be one of {', '.join(CUTOUTS)}.")
    return name


def has_mask(image: Image.Image) -> bool:
    """Whether the picture brings its own mask: some of it, but not all, is transparent.

    Raises:
        ValueError: The picture is transparent everywhere.
    """
    if image.mode != "RGBA":
        return False
    alpha = np.asarray(image.getchannel("A"))
    if alpha.max() == 0:
        raise ValueError("The picture is fully transparent; there is no object to see.")
    return bool(alpha.min() < HALF <= alpha.max())


class CutoutModels:
    """The cut-out networks of one process; each is loaded at most once, at its first use."""

    def __init__(
        self, *, shipped: Path = WEIGHTS, on_message: Callable[[str], None] = logger.info
    ) -> None:
        """Hold no network yet.

        Args:
            shipped: Folder with `u2netp.onnx` and its card.
            on_message: Told in a plain sentence before anything is downloaded.
        """
        self._shipped = shipped
        self._on_message = on_message
        self._sessions: dict[str, Any] = {}

    def mask(self, image: Image.Image, name: str) -> Image.Image:
        """Return the foreground mask ("L", the picture's size) that the network `name` sees.

        Raises:
            ValueError: The network is unknown, damaged, or cannot be fetched.
        """
        self.load(name)
        return self._sessions[name].predict(image.convert("RGB"))[0]

    def load(self, name: str) -> None:
        """Load a network unless it is loaded; see `mask`."""
        if name not in self._sessions:
            self._sessions[name] = self._open(name)

    def _open(self, name: str) -> Any:
        if importlib.util.find_spec("onnxruntime") is None:
            raise ValueError(
                'The cut-out needs onnxruntime; install it with: pip install "rembg[cpu]"'
            )
        # rembg imports pymatting, which compiles numba code for about a minute at its first
        # import. Only alpha matting would use it, and that is never asked for here.
        os.environ.setdefault("NUMBA_DISABLE_JIT", "1")
        from rembg import new_session

        if name == SHIPPED:
            return self._open_shipped()
        if name not in FETCHED_MEGABYTES:
            raise ValueError(
                f"There is no cut-out model {name!r}; use one of {', '.join(CUTOUTS)}."
            )
        path = _cached(name) or self._fetch(name)
        if _sha256(path) != FETCHED_SHA256[name]:
            raise ValueError(
                f"{path} is damaged or not the expected file; delete it to have it downloaded "
                f"anew, or use {SHIPPED}."
            )
        return new_session(name, sess_opts=_session_options(), providers=["CPUExecutionProvider"])

    def _fetch(self, name: str) -> Path:
        from rembg.sessions import sessions

        if is_offline():
            raise ValueError(
                f"The cut-out model {name} is not on this machine, and this server is to "
                f"stay offline; use {SHIPPED}, which is here."
            )
        self._on_message(
            f"Downloading the cut-out model {name} ({FETCHED_MEGABYTES[name]} MB), once."
        )
        try:
            return Path(sessions[name].download_models())
        except (OSError, ValueError) as error:
            raise ValueError(
                f"The cut-out model {name} could not be downloaded; go online once, or use "
                f"{SHIPPED}, which is already here."
            ) from error

    def _open_shipped(self) -> Any:
        from rembg.sessions.u2netp import U2netpSession

        path = str(verified_weights(self._shipped))

        class ShippedSession(U2netpSession):
            """The network of this project's folder; rembg's own cache stays untouched."""

            @classmethod
            def download_models(cls, *args: object, **kwargs: object) -> str:
                return path

        return ShippedSession(SHIPPED, _session_options(), providers=["CPUExecutionProvider"])


def _session_options() -> Any:
    """Return options under which a network's memory is freed after use: half a gigabyte."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.enable_cpu_mem_arena = False
    return options


def _cached(name: str) -> Path | None:
    """Return the model's file in rembg's own cache, if it is there."""
    from rembg.sessions import sessions

    found = sessions[name].resolve_existing(f"{name}.onnx")
    return None if found is None else Path(found)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def verified_weights(folder: Path) -> Path:
    """Return the path of the shipped network after comparing its SHA-256 with its card.

    Raises:
        ValueError: A file is missing or differs.
    """
    path, card = folder / f"{SHIPPED}.onnx", folder / "card.json"
    for file in (path, card):
        if not file.is_file():
            raise ValueError(
                f"{file.name} is missing in {folder}; fetch the repository's weights again."
            )
    try:
        expected = json.loads(card.read_text(encoding="utf-8"))["sha256"]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"{card.name} in {folder} is damaged; fetch the repository's weights again."
        ) from error
    if _sha256(path) != expected:
        raise ValueError(
            f"{path.name} in {folder} is damaged; fetch the repository's weights again."
        )
    return path


def remove_background(
    image: Image.Image, model: str = SHIPPED, *, models: CutoutModels | None = None
) -> Image.Image:
    """Return the picture as RGBA with the object opaque.

    A picture that brings its own mask keeps it, whatever `model` says.

    Args:
        image: RGB or RGBA, as `harmony.images.read_image` returns it.
        model: One of `CUTOUTS`; with "none" a picture without a mask is object all over.
        models: Loaded networks to use again; without it the network is loaded for this call.

    Raises:
        ValueError: Nothing is left of the picture, or the model is unknown or not to be had.
    """
    validate_cutout(model)
    if has_mask(image):
        return image
    if model == NO_CUTOUT:
        return image.convert("RGB").convert("RGBA")
    mask = (models or CutoutModels()).mask(image, model)
    values = np.asarray(mask).copy()
    if values.max() < HALF:
        raise ValueError(
            f"The cut-out model {model} found no object in this picture; choose another model or "
            "a picture with a clear object."
        )
    values[values < HALO] = 0
    cutout = image.convert("RGB")
    cutout.putalpha(Image.fromarray(values))
    return cutout
