"""Plain charts drawn with Pillow."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw, ImageFont

WHITE, INK, GRID = (255, 255, 255), (40, 40, 40), (222, 222, 222)
PALETTE = (
    (31, 119, 180),
    (214, 95, 14),
    (44, 140, 60),
    (190, 40, 50),
    (125, 90, 170),
    (120, 80, 70),
    (200, 110, 170),
    (100, 100, 100),
)
FONT_SIZE = 15
MARGIN_LEFT, MARGIN_RIGHT, MARGIN_TOP, MARGIN_BOTTOM = 80, 30, 46, 62
SCATTER_SIZE = (900, 600)
BAR_WIDTH, GROUP_GAP, BAR_CHART_HEIGHT = 16, 18, 420


@dataclass(frozen=True)
class Point:
    """A labelled point of a scatter chart."""

    label: str
    x: float
    y: float


def ticks(low: float, high: float, count: int = 5) -> tuple[float, ...]:
    """Return round numbers, 1, 2 or 5 times a power of ten apart, that cover [low, high]."""
    span = high - low
    if span <= 0:
        span = abs(high) or 1.0
    raw = span / count
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= raw * (1 - 1e-9))
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    last = max(last, first + 1)
    return tuple(round(index * step, 12) for index in range(first, last + 1))


class _Axes:
    """A frame with grid lines and a map from values to pixels."""

    def __init__(
        self, size: tuple[int, int], x_ticks: Sequence[float], y_ticks: Sequence[float]
    ) -> None:
        self.image = Image.new("RGB", size, WHITE)
        self.draw = ImageDraw.Draw(self.image)
        self.font = ImageFont.load_default(FONT_SIZE)
        self.left, self.right = MARGIN_LEFT, size[0] - MARGIN_RIGHT
        self.top, self.bottom = MARGIN_TOP, size[1] - MARGIN_BOTTOM
        self.x_range = (x_ticks[0], x_ticks[-1]) if x_ticks else (0.0, 1.0)
        self.y_range = (y_ticks[0], y_ticks[-1])
        for value in y_ticks:
            y = self.y(value)
            self.draw.line([(self.left, y), (self.right, y)], fill=GRID)
            self.text((self.left - 8, y), f"{value:g}", anchor="rm")
        for value in x_ticks:
            x = self.x(value)
            self.draw.line([(x, self.top), (x, self.bottom)], fill=GRID)
            self.text((x, self.bottom + 8), f"{value:g}", anchor="mt")
        self.draw.rectangle([self.left, self.top, self.right, self.bottom], outline=INK)

    def x(self, value: float) -> float:
        low, high = self.x_range
        return self.left + (value - low) / (high - low) * (self.right - self.left)

    def y(self, value: float) -> float:
        low, high = self.y_range
        return self.bottom - (value - low) / (high - low) * (self.bottom - self.top)

    def text(self, place: tuple[float, float], text: str, anchor: str = "lm") -> None:
        self.draw.text(place, text, fill=INK, font=self.font, anchor=anchor)


def scatter_chart(
    points: Sequence[Point], *, title: str, x_label: str, y_label: str
) -> Image.Image:
    """Draw labelled points.

    Raises:
        ValueError: There is no point.
    """
    if not points:
        raise ValueError("A chart needs at least one point.")
    axes = _Axes(
        SCATTER_SIZE,
        ticks(min(p.x for p in points), max(p.x for p in points)),
        ticks(min(p.y for p in points), max(p.y for p in points)),
    )
    axes.text((axes.left, MARGIN_TOP / 2), f"{title}: {y_label} against {x_label}")
    axes.text(((axes.left + axes.right) / 2, SCATTER_SIZE[1] - 14), x_label, anchor="mm")
    for number, point in enumerate(points):
        x, y = axes.x(point.x), axes.y(point.y)
        colour = PALETTE[number % len(PALETTE)]
        axes.draw.ellipse([x - 5, y - 5, x + 5, y + 5], fill=colour, outline=INK)
        is_right = x > (axes.left + axes.right) / 2
        axes.text((x - 9 if is_right else x + 9, y), point.label, anchor="rm" if is_right else "lm")
    return axes.image


def bar_chart(values: Mapping[str, Mapping[str, float | None]], *, title: str) -> Image.Image:
    """Draw one group of bars for each key, one bar for each series; None leaves a gap.

    Args:
        values: By group, then series. Bars start at 0, so that their lengths compare.
        title: Above the chart.

    Raises:
        ValueError: There is no number to draw.
    """
    series = list(dict.fromkeys(name for group in values.values() for name in group))
    numbers = [v for group in values.values() for v in group.values() if v is not None]
    if not numbers:
        raise ValueError("A chart needs at least one number.")
    group_width = len(series) * BAR_WIDTH + GROUP_GAP
    inside = max(len(values) * group_width, 420)
    y_ticks = ticks(min(0.0, *numbers), max(0.0, *numbers))
    axes = _Axes((MARGIN_LEFT + inside + MARGIN_RIGHT, BAR_CHART_HEIGHT), (), y_ticks)
    axes.text((axes.left, MARGIN_TOP / 2), title)
    for place, (group, row) in enumerate(values.items()):
        start = axes.left + place * group_width + GROUP_GAP / 2
        for number, name in enumerate(series):
            value = row.get(name)
            if value is None:
                continue
            x, top, base = start + number * BAR_WIDTH, axes.y(value), axes.y(0.0)
            box = [x, min(top, base), x + BAR_WIDTH - 3, max(top, base)]
            axes.draw.rectangle(box, fill=PALETTE[number % len(PALETTE)])
        label = group if len(group) * 8 < group_width else group[: max(group_width // 8, 3)]
        axes.text((start + (group_width - GROUP_GAP) / 2, axes.bottom + 8), label, anchor="mt")
    return _with_legend(axes.image, series, axes.font)


def _with_legend(
    chart: Image.Image, series: Sequence[str], font: ImageFont.ImageFont | ImageFont.FreeTypeFont
) -> Image.Image:
    rows = math.ceil(len(series) / 4)
    image = Image.new("RGB", (chart.width, chart.height + 26 * rows), WHITE)
    image.paste(chart)
    draw = ImageDraw.Draw(image)
    column = (chart.width - MARGIN_LEFT) // 4
    for number, name in enumerate(series):
        x = MARGIN_LEFT + (number % 4) * column
        y = chart.height + (number // 4) * 26
        draw.rectangle([x, y, x + 14, y + 14], fill=PALETTE[number % len(PALETTE)])
        draw.text((x + 20, y + 7), name, fill=INK, font=font, anchor="lm")
    return image
