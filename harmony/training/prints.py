"""Pictures printed on procedural objects: labels, faces, windows, dials, collages, patterns."""

from __future__ import annotations

import string
from collections.abc import Callable

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image, ImageDraw, ImageFont

from harmony.training.patterns import cloud, make_pattern, random_color

Picture = UInt8[np.ndarray, "h w 4"]
Ink = tuple[int, int, int]
DARK = 0.5


def ink(rng: np.random.Generator) -> Ink:
    """Return a random sRGB colour."""
    r, g, b = (int(v) for v in np.round(random_color(rng) * 255))
    return r, g, b


def contrast(rng: np.random.Generator, ground: Ink) -> Ink:
    """Return a colour that stands out on `ground`."""
    light = sum(ground) < 3 * 255 * DARK
    plain = 240 if light else 20
    other = ink(rng)
    if rng.random() < DARK:
        return plain, plain, plain
    r, g, b = ((v + 2 * plain) // 3 for v in other)
    return r, g, b


def _canvas(rng: np.random.Generator, size: int) -> tuple[Image.Image, ImageDraw.ImageDraw, Ink]:
    ground = ink(rng)
    image = Image.new("RGB", (size, size), ground)
    return image, ImageDraw.Draw(image), ground


def _word(rng: np.random.Generator, low: int = 2, high: int = 9) -> str:
    letters = list(string.ascii_letters + string.digits)
    return "".join(rng.choice(letters, rng.integers(low, high)))


def _text(draw: ImageDraw.ImageDraw, box: tuple[float, ...], text: str, color: Ink) -> None:
    """Write `text` as large as it fits into box (left, top, right, bottom)."""
    width, height = box[2] - box[0], box[3] - box[1]
    font = ImageFont.load_default(max(6, int(height)))
    natural = draw.textlength(text, font=font)
    font = ImageFont.load_default(max(6, int(height * min(1.0, width / natural))))
    middle = ((box[0] + box[2]) / 2, (box[1] + box[3]) / 2)
    draw.text(middle, text, fill=color, font=font, anchor="mm")


def _logo(
    rng: np.random.Generator, draw: ImageDraw.ImageDraw, x: float, y: float, r: float
) -> None:
    """Draw a disc, star or polygon with another one inside."""
    for scale in (1.0, rng.uniform(0.4, 0.8)):
        corners = int(rng.integers(3, 12))
        turn = rng.uniform(0, 2 * np.pi) + np.arange(2 * corners) * np.pi / corners
        reach = np.where(np.arange(2 * corners) % 2, rng.uniform(0.5, 1), 1) * r * scale
        outline = list(zip(x + reach * np.cos(turn), y + reach * np.sin(turn), strict=True))
        if rng.random() < DARK:
            draw.ellipse((x - r * scale, y - r * scale, x + r * scale, y + r * scale), ink(rng))
        else:
            draw.polygon(outline, ink(rng))


def label(rng: np.random.Generator, size: int) -> Image.Image:
    """Draw a package: bands, a logo, a name, small print and a bar code."""
    image, draw, ground = _canvas(rng, size)
    for _ in range(rng.integers(0, 4)):
        top = rng.uniform(0, size)
        draw.rectangle((0, top, size, top + rng.uniform(0.02, 0.4) * size), ink(rng))
    for _ in range(rng.integers(0, 3)):
        x, y = rng.uniform(0.2, 0.8, 2) * size
        _logo(rng, draw, x, y, rng.uniform(0.1, 0.3) * size)
    for _ in range(rng.integers(1, 4)):
        left, top = rng.uniform(0, 0.4) * size, rng.uniform(0, 0.8) * size
        box = (left, top, rng.uniform(0.6, 1) * size, top + rng.uniform(0.08, 0.3) * size)
        if rng.random() < DARK:
            ground = ink(rng)
            draw.rectangle(box, ground)
        _text(draw, box, _word(rng), contrast(rng, ground))
    if rng.random() < DARK:
        left, top = rng.uniform(0, 0.7, 2) * size
        for k in range(int(rng.integers(3, 7))):
            y = top + k * 0.04 * size
            draw.line((left, y, left + rng.uniform(0.1, 0.3) * size, y), contrast(rng, ground))
    return image


def face(rng: np.random.Generator, size: int) -> Image.Image:
    """Draw eyes, mouth and cheeks on a skin."""
    image, draw, ground = _canvas(rng, size)
    line = contrast(rng, ground)
    apart, level, r = rng.uniform(0.1, 0.22), rng.uniform(0.3, 0.5), rng.uniform(0.03, 0.12)
    for side in (-1, 1):
        x, y = (0.5 + side * apart) * size, level * size
        white, pupil = r * size, r * size * rng.uniform(0.4, 0.8)
        draw.ellipse((x - white, y - white, x + white, y + white), (245, 245, 245), outline=line)
        draw.ellipse((x - pupil, y - pupil, x + pupil, y + pupil), (20, 20, 30))
        brow = y - white - rng.uniform(0.01, 0.06) * size
        draw.line((x - white, brow, x + white, brow), line, width=max(1, size // 50))
    mouth = (rng.uniform(0.3, 0.42), rng.uniform(0.55, 0.65), rng.uniform(0.58, 0.7), 0.8)
    start, end = ((10, 170), (190, 350))[int(rng.random() < 0.2)]  # noqa: PLR2004
    draw.arc(tuple(m * size for m in mouth), start, end, line, width=max(2, size // 40))
    if rng.random() < DARK:
        x, y, nose = 0.5 * size, (level + 0.12) * size, rng.uniform(0.02, 0.07) * size
        draw.ellipse((x - nose, y - nose, x + nose, y + nose), ink(rng))
    return image


def windows(rng: np.random.Generator, size: int) -> Image.Image:
    """Draw rows of windows, some with a door below."""
    image, draw, _ = _canvas(rng, size)
    rows, columns = rng.integers(1, 6, 2)
    glass, frame = ink(rng), ink(rng)
    mx, my = rng.uniform(0.12, 0.35, 2)
    for row in range(rows):
        for column in range(columns):
            box = (column + mx, row + my, column + 1 - mx, row + 1 - my)
            scale = (size / columns, size / rows) * 2
            pane = tuple(b * s for b, s in zip(box, scale, strict=True))
            draw.rectangle(pane, glass, outline=frame, width=max(1, size // 64))
    if rng.random() < DARK:
        left = rng.uniform(0.1, 0.7) * size
        draw.rectangle((left, 0.65 * size, left + 0.2 * size, size), ink(rng), outline=frame)
    return image


def dial(rng: np.random.Generator, size: int) -> Image.Image:
    """Draw a clock or gauge face."""
    image, draw, _ = _canvas(rng, size)
    plate = ink(rng)
    line = contrast(rng, plate)
    draw.ellipse((0.03 * size, 0.03 * size, 0.97 * size, 0.97 * size), plate, outline=ink(rng))
    marks = int(rng.choice([4, 6, 8, 12]))
    for k in range(marks):
        a = 2 * np.pi * k / marks
        x, y = (0.5 + 0.38 * np.sin(a)) * size, (0.5 - 0.38 * np.cos(a)) * size
        half = 0.07 * size
        _text(draw, (x - half, y - half, x + half, y + half), str(k or marks), line)
    for reach in rng.uniform(0.15, 0.35, 2):
        a = rng.uniform(0, 2 * np.pi)
        tip = ((0.5 + reach * np.sin(a)) * size, (0.5 - reach * np.cos(a)) * size)
        draw.line((0.5 * size, 0.5 * size, *tip), line, width=max(2, size // 40))
    return image


def collage(rng: np.random.Generator, size: int) -> Image.Image:
    """Draw many random shapes, lines and letters over each other."""
    image, draw, _ = _canvas(rng, size)
    for _ in range(rng.integers(5, 30)):
        x, y = rng.uniform(-0.1, 1.0, 2) * size
        w, h = rng.uniform(0.03, 0.45, 2) * size
        kind = rng.integers(5)
        if kind == 0:
            draw.ellipse((x, y, x + w, y + h), ink(rng))
        elif kind == 1:
            draw.rectangle((x, y, x + w, y + h), ink(rng))
        elif kind == 2:  # noqa: PLR2004
            draw.line((x, y, *rng.uniform(0, size, 2)), ink(rng), width=int(rng.integers(1, 9)))
        elif kind == 3:  # noqa: PLR2004
            _logo(rng, draw, x, y, w / 2)
        else:
            _text(draw, (x, y, x + w, y + h), _word(rng, 1, 4), ink(rng))
    return image


def photo(rng: np.random.Generator, size: int) -> Image.Image:
    """Draw soft coloured noise, as worn cloth, stone or a photograph from afar."""
    base, slope = random_color(rng), rng.uniform(0.8, 1.8)
    color: Float[np.ndarray, "s s 3"] = np.broadcast_to(base, (size, size, 3)).copy()
    for _ in range(rng.integers(1, 4)):
        mask = cloud(rng, size, slope)[..., None] ** rng.uniform(0.7, 3.0)
        color = color + mask * (random_color(rng) - color) * rng.uniform(0.2, 1.0)
    return Image.fromarray(np.round(color * 255).astype(np.uint8))


def gradient(rng: np.random.Generator, size: int) -> Image.Image:
    """Draw a vertical run of two to five colours, soft or in steps."""
    colors = np.stack([random_color(rng) for _ in range(rng.integers(2, 6))])
    place = np.linspace(0, len(colors) - 1, size)
    if rng.random() < DARK:
        place = np.round(place)
    rows = np.stack([np.interp(place, np.arange(len(colors)), colors[:, c]) for c in range(3)], -1)
    picture = np.broadcast_to(rows[:, None], (size, size, 3))
    return Image.fromarray(np.round(picture * 255).astype(np.uint8))


def pattern(rng: np.random.Generator, size: int) -> Image.Image:
    """Draw a tiling pattern."""
    return Image.fromarray(make_pattern(rng, size)[..., :3])


PRINTS: dict[str, Callable[[np.random.Generator, int], Image.Image]] = {
    "label": label,
    "collage": collage,
    "pattern": pattern,
    "photo": photo,
    "gradient": gradient,
    "face": face,
    "windows": windows,
    "dial": dial,
}
WEIGHTS = (0.3, 0.15, 0.2, 0.15, 0.08, 0.04, 0.04, 0.04)


def draw_print(rng: np.random.Generator, kind: str | None = None) -> Picture:
    """Draw one opaque print of 128 to 256 pixels; a random kind unless one is named."""
    name = str(rng.choice(list(PRINTS), p=WEIGHTS)) if kind is None else kind
    size = int(rng.choice([128, 160, 192, 256]))
    return np.asarray(PRINTS[name](rng, size).convert("RGBA"))
