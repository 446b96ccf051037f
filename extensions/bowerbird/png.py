"""PNG pictures (W3C, third edition) of arrays: grey, colour, with or without transparency, eight bits each."""

import struct
import zlib
from typing import Any

import numpy as np

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
# Colour types by the number of samples a pixel; a grey picture has no axis for them.
_COLOUR_TYPES = {1: 0, 2: 4, 3: 2, 4: 6}


def png(pixels: Any) -> bytes:
    """Return the PNG file of an array of uint8: rows from the top × columns (× grey and alpha, RGB, or RGBA)."""
    samples = pixels if pixels.ndim == 3 else pixels[..., None]  # noqa: PLR2004  # rows, columns, samples
    rows, columns, count = samples.shape
    header = struct.pack(">IIBBBBB", columns, rows, 8, _COLOUR_TYPES[count], 0, 0, 0)
    # Each line begins with the number of its filter: none.
    lines = np.zeros((rows, 1 + columns * count), dtype=np.uint8)
    lines[:, 1:] = samples.reshape(rows, columns * count)
    body = zlib.compress(lines.tobytes(), 6)
    return _SIGNATURE + b"".join(_chunk(name, content) for name, content in ((b"IHDR", header), (b"IDAT", body), (b"IEND", b"")))


def _chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
