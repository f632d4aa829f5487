from __future__ import annotations

import contextlib
import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageCms, features

from harmony.images import WORKING_SIDE, read_image

RED, GREEN, BLUE = (220, 30, 40), (20, 200, 60), (30, 60, 210)


def picture(size: tuple[int, int] = (96, 64)) -> Image.Image:
    """Red with a green upper left and a blue lower right corner."""
    image = Image.new("RGB", size, RED)
    image.paste(GREEN, (0, 0, size[0] // 4, size[1] // 4))
    image.paste(BLUE, (size[0] * 3 // 4, size[1] * 3 // 4, *size))
    return image


def encoded(image: Image.Image, kind: str, **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def assert_near(image: Image.Image, xy: tuple[int, int], colour, tolerance: int = 12) -> None:
    found = image.getpixel(xy)
    assert isinstance(found, tuple)
    assert np.abs(np.subtract(found, colour)).max() <= tolerance, (found, colour)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "BMP", "TIFF", "GIF", "WEBP", "AVIF", "JPEG2000"])
def test_every_usual_format_is_read(kind):
    if kind in ("WEBP", "AVIF"):
        assert features.check(kind.lower()), f"this Pillow has no {kind}"
    loaded = read_image(encoded(picture(), kind))
    assert loaded.image.mode == "RGB"
    assert loaded.image.size == (96, 64)
    assert loaded.notes == ()
    assert_near(loaded.image, (8, 6), GREEN, 40)
    assert_near(loaded.image, (48, 32), RED, 40)


def test_the_content_counts_and_not_the_extension(tmp_path):
    path = tmp_path / "picture.jpg"
    path.write_bytes(encoded(picture(), "PNG"))
    assert_near(read_image(path).image, (8, 6), GREEN, 0)
    assert read_image(str(path)).sha256 == read_image(path.read_bytes()).sha256


def test_the_hash_is_that_of_the_file():
    data = encoded(picture(), "PNG")
    assert read_image(b"" + data).sha256 == read_image(data).sha256
    assert read_image(data).sha256 != read_image(encoded(picture(), "PNG", compress_level=0)).sha256


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_rotation_is_applied(orientation):
    undo = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    upright = picture()
    stored = upright.transpose(undo[orientation]) if orientation in undo else upright
    exif = Image.Exif()
    exif[0x0112] = orientation
    loaded = read_image(encoded(stored, "PNG", exif=exif)).image
    assert np.array_equal(np.asarray(loaded), np.asarray(upright))
    assert np.array_equal(np.asarray(read_image(loaded).image), np.asarray(upright))


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::PIL.Image.DecompressionBombWarning")
def test_unreadable_exif_is_left_aside():
    data = encoded(picture(), "PNG", exif=b"Exif\x00\x00II*\x00\xff\xff\xff\x7fgarbage")
    assert_near(read_image(data).image, (8, 6), GREEN, 0)


def test_cmyk_keeps_its_colours():
    loaded = read_image(encoded(picture().convert("CMYK"), "JPEG", quality=95))
    assert loaded.image.mode == "RGB"
    assert_near(loaded.image, (8, 6), GREEN, 40)
    assert_near(loaded.image, (90, 60), BLUE, 40)


def test_a_colour_profile_is_applied_and_a_broken_one_is_noted():
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    fine = read_image(encoded(picture(), "PNG", icc_profile=profile))
    assert fine.notes == ()
    assert_near(fine.image, (8, 6), GREEN, 2)
    broken = read_image(encoded(picture(), "PNG", icc_profile=b"no profile at all"))
    assert "colour profile" in broken.notes[0]
    assert_near(broken.image, (8, 6), GREEN, 0)


def test_sixteen_bit_greyscale_is_scaled():
    ramp = np.linspace(0, 65535, 256).astype(np.uint16)[None].repeat(8, 0)
    loaded = read_image(encoded(Image.fromarray(ramp), "PNG")).image
    assert np.abs(np.asarray(loaded)[0, :, 0].astype(int) - np.arange(256)).max() <= 1


def test_sixteen_bit_colour_is_scaled():
    def chunk(kind: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    row = b"\0" + struct.pack(">3H", *(value * 257 for value in RED)) * 4
    data = (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", 4, 4, 16, 2, 0, 0, 0))
        + chunk(b"IDAT", zlib.compress(row * 4))
        + chunk(b"IEND", b"")
    )
    assert_near(read_image(data).image, (1, 1), RED, 1)


def test_floating_point_greyscale_is_scaled():
    values = np.full((8, 8), 0.5, dtype=np.float32)
    values[0, 0] = np.nan
    image = read_image(encoded(Image.fromarray(values), "TIFF")).image
    assert_near(image, (4, 4), (128, 128, 128), 1)


@pytest.mark.parametrize("mode", ["1", "L", "P", "LAB", "YCbCr", "HSV"])
def test_other_modes_become_rgb(mode):
    loaded = read_image(picture().convert("RGB" if mode == "LAB" else mode)).image
    assert loaded.mode == "RGB"


def test_transparency_is_kept_in_every_form():
    rgba = picture().convert("RGBA")
    rgba.paste((0, 0, 0, 0), (0, 0, 24, 64))
    for data in (
        encoded(rgba, "PNG"),
        encoded(rgba, "WEBP", lossless=True),
        encoded(rgba.convert("LA"), "PNG"),
        encoded(rgba.quantize(8), "PNG"),
    ):
        alpha = np.asarray(read_image(data).image)[..., 3]
        assert alpha[:, :20].max() == 0
        assert alpha[:, 28:].min() == 255
    keyed = picture()
    keyed.paste((1, 2, 3), (0, 0, 24, 64))
    image = read_image(encoded(keyed, "PNG", transparency=(1, 2, 3))).image
    assert image.getpixel((4, 4)) == (1, 2, 3, 0)


def test_opaque_alpha_is_dropped():
    assert read_image(encoded(picture().convert("RGBA"), "PNG")).image.mode == "RGB"


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG"])
def test_the_first_frame_of_an_animation_is_used(kind):
    others = [Image.new("RGB", (96, 64), BLUE)] * 2
    data = encoded(picture(), kind, save_all=True, append_images=others, duration=50)
    loaded = read_image(data)
    assert "first frame" in loaded.notes[0]
    assert_near(loaded.image, (8, 6), GREEN, 40)


def test_large_pictures_are_scaled_down_and_noted():
    loaded = read_image(encoded(picture((3000, 1500)), "JPEG"))
    assert loaded.image.size == (WORKING_SIDE, WORKING_SIDE // 2)
    assert "from 3000 x 1500 to 2048 x 1024" in loaded.notes[0]
    assert_near(loaded.image, (100, 100), GREEN, 12)


def test_large_palette_pictures_keep_their_transparency():
    image = Image.new("P", (2500, 100), 0)
    image.putpalette([0, 0, 0, *RED])
    image.paste(1, (1250, 0, 2500, 100))
    loaded = read_image(encoded(image, "PNG", transparency=0)).image
    assert loaded.mode == "RGBA"
    assert loaded.getpixel((10, 10)) == (0, 0, 0, 0)
    assert loaded.getpixel((2000, 10)) == (*RED, 255)


def test_one_pixel_is_a_picture():
    loaded = read_image(encoded(Image.new("RGB", (1, 1), RED), "PNG"))
    assert loaded.image.getpixel((0, 0)) == RED
    assert "1 x 1" in loaded.notes[0]


def _bomb(width: int, height: int) -> bytes:
    """A PNG whose header promises far more pixels than the file holds."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 99))


REFUSED = {
    "empty": (b"", "empty"),
    "random": (np.random.default_rng(0).bytes(4096), "not a picture"),
    "text": (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "not a picture"),
    "eps": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n", "not a picture"),
    "heic": (b"\0\0\0\x18ftypheic" + bytes(64), "HEIC"),
    "truncated png": (encoded(picture(), "PNG")[:120], "damaged"),
    "truncated jpeg": (encoded(picture((400, 400)), "JPEG")[:-900], "damaged"),
    "truncated webp": (encoded(picture(), "WEBP")[:60], "damaged|not a picture"),
    "header only": (encoded(picture(), "PNG")[:33], "damaged"),
    "bomb": (_bomb(60_000, 60_000), "too many pixels"),
    "large": (_bomb(11_000, 11_000), "110 million"),
}


@pytest.mark.parametrize("kind", list(REFUSED))
def test_what_is_no_picture_is_refused_in_a_sentence(kind):
    data, words = REFUSED[kind]
    with pytest.raises(ValueError, match=words) as refused:
        read_image(data)
    assert str(refused.value).endswith(".")
    assert "\n" not in str(refused.value)


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::PIL.Image.DecompressionBombWarning")
def test_corrupt_bytes_never_raise_anything_else():
    draw = np.random.default_rng(1)
    for kind in ("PNG", "JPEG", "GIF", "WEBP", "TIFF", "BMP"):
        whole = np.frombuffer(encoded(picture(), kind), dtype=np.uint8)
        for _ in range(25):
            damaged = whole.copy()
            damaged[draw.integers(0, len(whole), 12)] = draw.integers(0, 256, 12)
            # Anything but a ValueError ends the test with its traceback.
            with contextlib.suppress(ValueError):
                assert read_image(damaged.tobytes()).image.mode in ("RGB", "RGBA")


def test_missing_files_and_folders_are_refused(tmp_path):
    for path in (tmp_path / "absent.png", tmp_path):
        with pytest.raises(ValueError, match="no picture file"):
            read_image(path)


def test_reading_twice_changes_nothing():
    once = read_image(encoded(picture(), "JPEG")).image
    again = read_image(once)
    assert np.array_equal(np.asarray(once), np.asarray(again.image))
    assert again.sha256 == read_image(once.copy()).sha256
