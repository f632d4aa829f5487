"""A turntable as an MP4 film (H.264), without a system's ffmpeg: PyAV brings its own."""

from __future__ import annotations

import io
from collections.abc import Sequence
from fractions import Fraction

import numpy as np
from PIL import Image

TURNS = 4
"""One turn is over in two seconds, and few players repeat a film by themselves."""
QUALITY = {"crf": "18", "preset": "medium", "threads": "1", "x264-params": "mbtree=0"}
"""x264's constant quality. Equal pictures give equal bytes only with one thread and without
macroblock-tree rate control, whose vector code rounds by where its memory lies."""


def turntable_mp4(images: Sequence[Image.Image], *, frame_ms: int, turns: int = TURNS) -> bytes:
    """Return the pictures as a film that turns `turns` times, on white.

    Args:
        images: N pictures of one size; an odd row or column is cut off, as H.264 wants it.
        frame_ms: How long one picture stands, in milliseconds.
        turns: Number of times that the ring is shown.

    Raises:
        ValueError: There is no picture, the sizes differ, or they have fewer than 2 pixels.
    """
    if not images or len({image.size for image in images}) != 1:
        raise ValueError("A film needs one or more pictures of the same size.")
    width, height = (side - side % 2 for side in images[0].size)
    if min(width, height) < 2:  # noqa: PLR2004
        raise ValueError("The pictures of a film need at least 2 x 2 pixels.")
    pixels = [np.asarray(image.convert("RGB"))[:height, :width] for image in images]
    return _encode(pixels, Fraction(1000, frame_ms), turns)


def _encode(pixels: Sequence[np.ndarray], rate: Fraction, turns: int) -> bytes:
    # Large, and only a download needs it.
    import av

    buffer = io.BytesIO()
    # Bit-exact: without the time of writing in the file's head.
    with av.open(buffer, "w", format="mp4", options={"fflags": "+bitexact"}) as film:
        stream = film.add_stream("libx264", rate=rate, options=QUALITY)
        stream.height, stream.width = pixels[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        for _ in range(turns):
            for picture in pixels:
                frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
                film.mux(stream.encode(frame))
        film.mux(stream.encode(None))
    return buffer.getvalue()
