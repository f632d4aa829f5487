"""Twenty real picture files of every kind that people drop, made on the spot."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
from PIL import Image, ImageCms, ImageDraw, features

SIDE = (160, 120)


def originals() -> dict[str, bytes]:
    """Return file contents by name; every one of them is read without complaint."""
    photo, rgba = _photo(), _with_mask()
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x010E] = "a ball"
    frames = [photo.rotate(90 * k) for k in range(1, 4)]
    moving = {"save_all": True, "append_images": frames, "duration": 60}
    grey = np.linspace(0, 65535, SIDE[0]).astype(np.uint16)[None].repeat(SIDE[1], 0)
    files = {
        "plain.jpg": _saved(photo, "JPEG", quality=90),
        "rotated.jpg": _saved(photo, "JPEG", exif=exif, icc_profile=profile),
        "progressive.jpg": _saved(photo, "JPEG", progressive=True),
        "print.jpg": _saved(photo.convert("CMYK"), "JPEG"),
        "grey.jpg": _saved(photo.convert("L"), "JPEG"),
        "plain.png": _saved(photo, "PNG"),
        "mask.png": _saved(rgba, "PNG", exif=exif),
        "palette.png": _saved(rgba.quantize(32), "PNG"),
        "key.png": _saved(photo, "PNG", transparency=(225, 222, 215)),
        "sixteen.png": _saved(Image.fromarray(grey), "PNG"),
        "sixteen-colour.png": _png16(),
        "one-bit.png": _saved(photo.convert("1"), "PNG"),
        "moving.png": _saved(photo, "PNG", **moving),
        "moving.gif": _saved(photo, "GIF", **moving),
        "moving.webp": _saved(photo, "WEBP", **moving),
        "mask.webp": _saved(rgba, "WEBP", lossless=True, exif=exif),
        "pages.tif": _saved(photo, "TIFF", compression="tiff_lzw", save_all=True, append_images=frames),
        "float.tif": _saved(Image.fromarray(grey.astype(np.float32) / 65535), "TIFF"),
        "plain.bmp": _saved(photo, "BMP"),
        "wavelet.jp2": _saved(photo, "JPEG2000"),
    }  # fmt: skip
    if features.check("avif"):
        files["mask.avif"] = _saved(rgba, "AVIF", quality=60)
    return files


def _saved(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def _photo() -> Image.Image:
    """A ball with a highlight on a pale, slightly noisy ground."""
    image = Image.new("RGB", SIDE, (225, 222, 215))
    draw = ImageDraw.Draw(image)
    draw.ellipse((45, 25, 115, 95), fill=(150, 20, 25))
    draw.ellipse((60, 35, 80, 50), fill=(230, 120, 120))
    noise = np.random.default_rng(0).integers(-6, 7, (SIDE[1], SIDE[0], 3))
    noise[:8] = 0
    return Image.fromarray((np.asarray(image) + noise).clip(0, 255).astype(np.uint8))


def _with_mask() -> Image.Image:
    image = _photo().convert("RGBA")
    mask = Image.new("L", SIDE)
    ImageDraw.Draw(mask).ellipse((45, 25, 115, 95), fill=255)
    image.putalpha(mask)
    return image


def _png16() -> bytes:
    """Colour of 16 bits, which Pillow reads but does not write."""
    rows = (np.asarray(_photo()).astype(">u2") * 257).reshape(SIDE[1], -1)
    packed = zlib.compress(b"".join(b"\0" + row.tobytes() for row in rows))
    header = struct.pack(">IIBBBBB", *SIDE, 16, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", packed), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in chunks
    )
