"""Seeded damage to files: mutation k is the same bytes on every machine."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Mapping

import numpy as np

HEADER = 64
"""Bytes in which formats keep sizes, modes and offsets."""
LIES = (0, 1, 0x7F, 0xFF, 0x100, 0x7FFF, 0xFFFF, 0x10000, 0x7FFFFFFF, 0xFFFFFFFF)

Damage = Callable[[bytearray, np.random.Generator], bytes]


def flip_bits(data: bytearray, draw: np.random.Generator) -> bytes:
    """Flip one to sixteen bits anywhere."""
    for at in draw.integers(0, len(data), draw.integers(1, 17)):
        data[at] ^= 1 << int(draw.integers(0, 8))
    return bytes(data)


def cut_off(data: bytearray, draw: np.random.Generator) -> bytes:
    """Keep only the beginning."""
    return bytes(data[: draw.integers(0, len(data))])


def edit_header(data: bytearray, draw: np.random.Generator) -> bytes:
    """Write random bytes into the first ones."""
    end = min(HEADER, len(data))
    for at in draw.integers(0, end, draw.integers(1, 7)):
        data[at] = int(draw.integers(0, 256))
    return bytes(data)


def lie_about_size(data: bytearray, draw: np.random.Generator) -> bytes:
    """Write an extreme number of two or four bytes where sizes and counts stand."""
    value, order = int(draw.choice(LIES)), draw.choice(["<", ">"])
    packed = struct.pack(f"{order}I", value) if draw.random() < 0.5 else struct.pack(f"{order}H", value & 0xFFFF)  # fmt: skip
    at = int(draw.integers(0, max(1, min(4 * HEADER, len(data) - len(packed)))))
    data[at : at + len(packed)] = packed
    return bytes(data)


def lie_soundly(data: bytearray, draw: np.random.Generator) -> bytes:
    """Change a PNG chunk and repair its checksum, so that the lie gets past it; else cut and paste."""
    starts = _png_chunks(data)
    if not starts:
        return paste_within(data, draw)
    at, length = starts[int(draw.integers(0, len(starts)))]
    if length:
        value = struct.pack(">I", int(draw.choice(LIES)))
        place = at + 8 + int(draw.integers(0, length))
        data[place : min(place + 4, at + 8 + length)] = value[: at + 8 + length - place]
    end = at + 8 + length
    data[end : end + 4] = struct.pack(">I", zlib.crc32(data[at + 4 : end]))
    return bytes(data)


def paste_within(data: bytearray, draw: np.random.Generator) -> bytes:
    """Copy a piece of the file over another place, or insert it there."""
    start, to = (int(k) for k in draw.integers(0, len(data), 2))
    piece = data[start : start + int(draw.integers(1, 200))]
    data[to : to + (len(piece) if draw.random() < 0.5 else 0)] = piece
    return bytes(data)


DAMAGES: Mapping[str, Damage] = {
    "flip bits": flip_bits,
    "cut off": cut_off,
    "edit header": edit_header,
    "lie about size": lie_about_size,
    "lie soundly": lie_soundly,
    "paste within": paste_within,
}


def _png_chunks(data: bytearray) -> list[tuple[int, int]]:
    """Return (start, length of the body) of every chunk, or nothing for other files."""
    if data[:8] != b"\x89PNG\r\n\x1a\n":
        return []
    found, at = [], 8
    while at + 12 <= len(data):
        (length,) = struct.unpack(">I", data[at : at + 4])
        found.append((at, length))
        at += 12 + length
    return found


def mutation(files: Mapping[str, bytes], index: int) -> tuple[str, bytes]:
    """Return (what was done to which file, the damaged bytes) of mutation `index`."""
    draw = np.random.default_rng(index)
    file = list(files)[index % len(files)]
    name = str(draw.choice(list(DAMAGES)))
    return f"{file}, {name}, mutation {index}", DAMAGES[name](bytearray(files[file]), draw)
