"""PNG pictures (W3C, third edition) of arrays: grey, colour, with or without transparency, eight bits each."""

import struct
import zlib
from typing import Any

import numpy as np

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
# Colour types by the number of samples a pixel; a grey picture has no axis for them.
_COLOUR_TYPES = {1: 0, 2: 4, 3: 2, 4: 6}
# Where the pixels begin: after the signature, the header with its frame, and the length and name of their own.
_BODY = 8 + 25 + 8
_OPAQUE = 255


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


def rgba(content: bytes) -> Any:
    """Return the pixels of a picture that `png` made, rows from the top × columns × red, green, blue and alpha."""
    columns, rows, _, kind = struct.unpack(">IIBB", content[16:26])
    count = next(count for count, known in _COLOUR_TYPES.items() if known == kind)
    (length,) = struct.unpack(">I", content[_BODY - 8 : _BODY - 4])
    lines = np.frombuffer(zlib.decompress(content[_BODY : _BODY + length]), dtype=np.uint8).reshape(rows, 1 + columns * count)
    samples = lines[:, 1:].reshape(rows, columns, count)
    alpha = samples[..., -1:] if count in (2, 4) else np.full((rows, columns, 1), _OPAQUE, dtype=np.uint8)
    colours = samples[..., : 1 if count <= 2 else 3]  # noqa: PLR2004  # grey has one sample, with or without alpha
    return np.concatenate([np.broadcast_to(colours, (rows, columns, 3)), alpha], axis=-1)


def _chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
