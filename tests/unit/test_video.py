from __future__ import annotations

import io

import av
import numpy as np
import pytest
from PIL import Image

from harmony.video import turntable_mp4


def pictures(side: int = 32) -> list[Image.Image]:
    shades = [(16 * n, 255 - 16 * n, 128) for n in range(16)]
    return [Image.new("RGB", (side, side), shade) for shade in shades]


def decoded(film: bytes) -> tuple[list[np.ndarray], float]:
    with av.open(io.BytesIO(film), "r") as opened:
        stream = opened.streams.video[0]
        frames = [frame.to_ndarray(format="rgb24") for frame in opened.decode(stream)]
        assert stream.average_rate is not None
        return frames, float(stream.average_rate)


def test_a_film_shows_every_picture_once_a_turn_at_its_pace():
    frames, rate = decoded(turntable_mp4(pictures(), frame_ms=125, turns=2))
    assert len(frames) == 32
    assert rate == 8
    for index in (0, 5, 15, 16, 31):
        wanted = np.asarray(pictures()[index % 16]).astype(int)
        assert np.abs(frames[index].astype(int) - wanted).mean() < 6


def test_equal_pictures_give_equal_films():
    values = np.random.default_rng(0).integers(0, 255, (16, 32, 32, 3), dtype=np.uint8)
    noisy = [Image.fromarray(picture) for picture in values]
    # The encoder's rounding once followed where its memory lay, so one repetition proves little.
    films = {turntable_mp4(noisy, frame_ms=120) for _ in range(10)}
    assert len(films) == 1
    film = films.pop()
    written_at = film.index(b"mvhd") + 8
    assert film[written_at : written_at + 8] == bytes(8)


def test_an_odd_side_loses_a_pixel_and_what_is_no_film_is_refused():
    frames, _ = decoded(turntable_mp4(pictures(33), frame_ms=120, turns=1))
    assert frames[0].shape == (32, 32, 3)
    for wrong in ([], [Image.new("RGB", (2, 2)), Image.new("RGB", (4, 4))]):
        with pytest.raises(ValueError, match="same size"):
            turntable_mp4(wrong, frame_ms=120)
    with pytest.raises(ValueError, match="2 x 2"):
        turntable_mp4([Image.new("RGB", (1, 1))], frame_ms=120)
