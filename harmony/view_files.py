"""Reading the sixteen views of one sample from a folder."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image, UnidentifiedImageError

from harmony.cameras import VIEW_COUNT
from harmony.masks import foreground_mask
from harmony.records import Views

_PICTURE_ENDINGS = (".png", ".jpg", ".jpeg", ".webp")


def read_views(folder: str | Path) -> Views:
    """Read one sample's 16 views from a folder.

    Pictures are taken in order of their names (view-00.png ..., 000.png ...). The mask of
    view-XX.png is view-XX.alpha.png where that file is there, else the picture's own alpha, else
    `foreground_mask`. Pictures with alpha are composited on white.

    Args:
        folder: Where the pictures are.

    Returns:
        Views of one sample, (1, 16, 3, H, H).

    Raises:
        ValueError: The folder does not exist, holds other than 16 pictures, a file is no
            picture, or sizes differ or are not square.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise ValueError(f"{folder} is no folder; name the folder that holds the 16 views.")
    files = sorted(
        file
        for file in folder.iterdir()
        if file.suffix.lower() in _PICTURE_ENDINGS and not file.stem.endswith(".alpha")
    )
    numbered = [file for file in files if file.stem.removeprefix("view-").isdecimal()]
    files = numbered or files
    if len(files) != VIEW_COUNT:
        raise ValueError(
            f"{folder} holds {len(files)} pictures; a mesh needs exactly {VIEW_COUNT}, "
            "in order of their names."
        )
    pictures = [_read_picture(file) for file in files]
    sizes = {pixels.shape[-2:] for pixels, _ in pictures}
    if len(sizes) > 1:
        raise ValueError(f"The pictures in {folder} differ in size; all must be equally large.")
    pixels = torch.stack([pixels for pixels, _ in pictures])
    alpha = torch.stack([alpha for _, alpha in pictures])
    return Views(pixels[None], alpha[None])


def _read_picture(
    path: Path,
) -> tuple[Float[torch.Tensor, "3 H W"], Float[torch.Tensor, "1 H W"]]:
    """Return pixels on white and alpha of one picture."""
    picture = _open(path)
    mask_file = path.with_name(path.stem + ".alpha.png")
    if mask_file.is_file():
        alpha = _planes(_open(mask_file).convert("L"))
        pixels = _planes(picture.convert("RGB"))
        if alpha.shape[-2:] != pixels.shape[-2:]:
            raise ValueError(f"{mask_file.name} and {path.name} differ in size; they must agree.")
        return pixels, alpha
    if picture.has_transparency_data:
        planes = _planes(picture.convert("RGBA"))
        alpha = planes[3:]
        return planes[:3] * alpha + 1.0 - alpha, alpha
    pixels = _planes(picture.convert("RGB"))
    return pixels, foreground_mask(pixels)


def _open(path: Path) -> Image.Image:
    try:
        with Image.open(path) as picture:
            picture.load()
            return picture
    except (UnidentifiedImageError, OSError) as error:
        raise ValueError(f"{path.name} cannot be read as a picture; replace it.") from error


def _planes(picture: Image.Image) -> Float[torch.Tensor, "C H W"]:
    """Return (C, H, W) float32 in [0, 1]."""
    values = np.atleast_3d(np.asarray(picture, dtype=np.float32) / 255.0)
    return torch.from_numpy(np.ascontiguousarray(values.transpose(2, 0, 1)))
