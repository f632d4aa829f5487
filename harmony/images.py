"""Reading: any picture that a person may drop -> a plain RGB or RGBA picture.

Memory stays bounded: dimensions are checked before a pixel is decoded (`image_limits`), large
JPEGs are decoded at a fraction of their size, and everything larger than `WORKING_SIDE` is made
smaller.
"""

from __future__ import annotations

import hashlib
import io
import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

from harmony.image_limits import max_pixels

MAX_FILE_BYTES = 200_000_000
WORKING_SIDE = 2048
"""Many times what the models read; larger pictures only cost memory."""
SMALL_SIDE = 64

BAND_PIXELS = 4_000_000
"""A large picture with transparency is made smaller in bands of about so many pixels."""

FORMATS = ("PNG", "JPEG", "MPO", "WEBP", "AVIF", "HEIF", "GIF", "BMP", "TIFF", "JPEG2000")
"""What is tried, by content. EPS is left out: Pillow would start another program for it. So are
ICO, whose header hides the true size, and PPM, whose plain form takes minutes to read."""
UNREADABLE = (
    "The file is damaged or is not a picture that can be read; "
    "use PNG, JPEG, WebP, AVIF, GIF, BMP or TIFF."
)
ANIMATED = ("GIF", "WEBP", "PNG", "AVIF")
BRANDS = {
    "HEIF": (b"heic", b"heix", b"hevc", b"mif1", b"msf1", b"heim", b"heis"),
    "AVIF": (b"avif", b"avis"),
}
"""How files begin whose format not every Pillow reads."""


@dataclass(frozen=True)
class LoadedImage:
    """A picture as the next stage wants it.

    Attributes:
        image: RGB or RGBA, upright, at most `WORKING_SIDE` on its longer side.
        sha256: Of the file's bytes; of mode, size and pixels where a PIL picture was given.
        notes: Plain sentences on what was done to it.
    """

    image: Image.Image
    sha256: str
    notes: tuple[str, ...]


def read_image(source: str | Path | bytes | Image.Image) -> LoadedImage:
    """Read a picture from a file, from a file's bytes or from an open PIL picture.

    Raises:
        ValueError: It is missing, empty, damaged, too large or no picture that can be read.
    """
    if isinstance(source, Image.Image):
        image, notes = _decode(source)
        content = repr((image.mode, image.size)).encode() + image.tobytes()
        return LoadedImage(image, hashlib.sha256(content).hexdigest(), notes)
    data = source if isinstance(source, bytes) else _read_bytes(Path(source))
    if not data:
        raise ValueError("The picture file is empty.")
    if len(data) > MAX_FILE_BYTES:
        raise ValueError(
            f"The picture file has {len(data) // 1_000_000} MB; "
            f"the limit is {MAX_FILE_BYTES // 1_000_000} MB."
        )
    with _open(data) as opened:
        image, notes = _decode(opened, data)
    return LoadedImage(image, hashlib.sha256(data).hexdigest(), notes)


def _read_bytes(path: Path) -> bytes:
    if not path.is_file():
        raise ValueError(f"There is no picture file {path}.")
    try:
        with path.open("rb") as file:
            return file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise ValueError(f"The picture file {path} cannot be read: {error.strerror}.") from error


def _open(data: bytes) -> Image.Image:
    Image.init()
    try:
        return Image.open(
            io.BytesIO(data), formats=[name for name in FORMATS if name in Image.OPEN]
        )
    except Image.DecompressionBombError as error:
        raise ValueError("The picture has far too many pixels; make it smaller first.") from error
    except UnidentifiedImageError as error:
        for name, brands in BRANDS.items():
            if data[4:8] == b"ftyp" and data[8:12] in brands and name not in Image.OPEN:
                called = "HEIC" if name == "HEIF" else name
                raise ValueError(
                    f"{called} pictures cannot be read here; save the picture as JPEG or PNG."
                ) from error
        raise ValueError(UNREADABLE) from error
    except Exception as error:  # a decoder may raise anything on a damaged header
        raise ValueError(UNREADABLE) from error


def _decode(opened: Image.Image, data: bytes = b"") -> tuple[Image.Image, tuple[str, ...]]:
    """Return the upright RGB or RGBA picture and the notes on it."""
    _check_size(opened, data)
    notes = []
    width, height = opened.size
    try:
        notes.extend(_first_of_several(opened))
        # Asked for with the picture's own proportions: a panorama is not left as wide as it is.
        opened.draft(None, _fitting(opened.size))
        opened.load()
        image = _eight_bit(_fitted(opened))
        image, rotation_note = _upright(image)
        image, profile_note = _to_rgb(image)
    except Exception as error:  # a decoder may raise anything on damaged data
        raise ValueError("The picture file is damaged or cut off; save it again.") from error
    notes.extend((*rotation_note, *profile_note))
    if max(width, height) > WORKING_SIDE:
        notes.append(
            f"The picture was scaled down from {width} x {height} to "
            f"{image.width} x {image.height} pixels."
        )
    if max(width, height) < SMALL_SIDE:
        notes.append(f"The picture has only {width} x {height} pixels; the views will be blurred.")
    return image, tuple(notes)


def _first_of_several(opened: Image.Image) -> list[str]:
    """Return a note where the file holds more than the picture that is used.

    Pillow's `n_frames` would walk through all of them, which may be millions.
    """
    if not getattr(opened, "is_animated", False):
        return []
    if opened.format == "TIFF":
        return ["The file has several pages; the first one is used."]
    if opened.format in ANIMATED:
        return ["The picture is animated; its first frame is used."]
    return []


def _check_size(opened: Image.Image, data: bytes) -> None:
    width, height = opened.size
    if width < 1 or height < 1:
        raise ValueError("The picture has no pixels.")
    limit = max_pixels(opened, data)
    if width * height > limit:
        raise ValueError(
            f"The picture has {width} x {height} pixels, which is more than "
            f"{limit // 1_000_000} million; make it smaller first."
        )


def _fitting(size: tuple[int, int]) -> tuple[int, int]:
    """Return the size with the same proportions and `WORKING_SIDE` as its longer side."""
    longer = max(size)
    return max(1, round(size[0] * WORKING_SIDE / longer)), max(
        1, round(size[1] * WORKING_SIDE / longer)
    )


def _fitted(image: Image.Image) -> Image.Image:
    """Return a copy whose longer side is at most `WORKING_SIDE`."""
    if max(image.size) <= WORKING_SIDE:
        return image.copy()
    size = _fitting(image.size)
    if image.mode in ("LA", "RGBA"):
        image = _reduced_in_bands(image)
    return image.resize(size, Image.Resampling.BICUBIC)


def _reduced_in_bands(image: Image.Image) -> Image.Image:
    """Shrink by the largest whole number that leaves twice `WORKING_SIDE`.

    Pillow premultiplies a copy of what it shrinks; of a band it is a small one.
    """
    factor = max(image.size) // (2 * WORKING_SIDE)
    if factor < 2:  # noqa: PLR2004, there is nothing to gain
        return image
    width, height = image.size
    result = Image.new(image.mode, (-(-width // factor), -(-height // factor)))
    rows = max(1, BAND_PIXELS // width // factor) * factor
    for top in range(0, height, rows):
        band = image.crop((0, top, width, min(height, top + rows)))
        result.paste(band.reduce(factor), (0, top // factor))
    result.info = dict(image.info)
    return result


def _eight_bit(image: Image.Image) -> Image.Image:
    """Return greyscale of 16 or 32 bits as 8 bits, scaled, and anything else as it is."""
    if not image.mode.startswith(("I", "F")):
        return image
    values = np.asarray(image)
    if image.mode == "F":
        values = np.nan_to_num(values)
        top = 1.0 if values.max() <= 1.0 else max(float(values.max()), 255.0)
    else:
        top = 255.0 if image.mode == "I" and values.max() <= 255 else 65535.0  # noqa: PLR2004
    scaled = np.clip(values, 0, top).astype(np.float32) * (255.0 / top) + 0.5
    result = Image.fromarray(scaled.astype(np.uint8))
    result.info["exif"] = image.info.get("exif", b"")
    return result


def _upright(image: Image.Image) -> tuple[Image.Image, list[str]]:
    """Return the picture turned as its EXIF orientation says."""
    try:
        return ImageOps.exif_transpose(image), []
    except (SyntaxError, ValueError, OSError, struct.error):
        return image, ["The picture's EXIF data cannot be read; it was not rotated."]


def _to_rgb(image: Image.Image) -> tuple[Image.Image, list[str]]:
    """Return the picture in sRGB, with alpha where it has any that is not opaque."""
    notes = []
    profile = image.info.get("icc_profile")
    if profile and image.mode in ("RGB", "CMYK"):
        try:
            srgb = ImageCms.createProfile("sRGB")
            converted = ImageCms.profileToProfile(
                image, io.BytesIO(profile), srgb, outputMode="RGB"
            )
            image = converted or image
        except (ImageCms.PyCMSError, OSError):
            notes.append("The picture's colour profile cannot be read; it was left aside.")
    rgba = image.convert("RGBA") if image.has_transparency_data else image.convert("RGB")
    if rgba.mode == "RGBA" and rgba.getchannel("A").getextrema()[0] == 255:  # noqa: PLR2004
        rgba = rgba.convert("RGB")
    # A fresh picture without the file's metadata, so that nothing of it is applied twice.
    plain = Image.new(rgba.mode, rgba.size)
    plain.paste(rgba)
    return plain, notes
