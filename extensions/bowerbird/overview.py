"""A whole image in few pixels, as a picture: only the rows that it shows are read, so that a large mosaic costs little."""

from typing import Any

import numpy as np

from bowerbird.errors import CutoutError
from bowerbird.fits_file import is_plain
from bowerbird.image import Image, image
from bowerbird.png import png
from bowerbird.readers import Reader, reader
from bowerbird.scratch import Room
from bowerbird.stamp import Look, Stamp, pictured

# Planes of a cube that are averaged, evenly spread over it.
_MOST_PLANES = 16
# Of a compressed image all tiles are decompressed for it (values).
_MOST_TILED = 1 << 26
# What is read for it (bytes): above it somebody waits for too long.
_MOST_READ = 1 << 28
_PLANE = 2


def overview(descriptor: int, pixels: int = 256) -> Stamp:
    """Return a picture of the first image of an open FITS file, at most so many pixels wide and high.

    Raises CutoutError where the file has no image, or none that can be looked at as a whole; see `can_be_shown`.
    """
    shown = image(descriptor)
    if not _fits(shown, pixels):
        raise CutoutError("the image is too large, or compressed in a way, to be shown as a whole; cut a part of it")
    with reader(shown, descriptor) as values:
        return Stamp(png(pictured(_reduced(shown, values, pixels), Look())))


def can_be_shown(descriptor: int, pixels: int = 256) -> bool:
    """Return whether there is an overview of an open file; only its headers are read."""
    try:
        return is_plain(descriptor) and _fits(image(descriptor), pixels)
    except (CutoutError, OSError):
        return False


def _step(shown: Image, pixels: int) -> int:
    return max(1, -(-max(shown.shape[:_PLANE]) // pixels))


def _fits(shown: Image, pixels: int) -> bool:
    if sorted(shown.sky.axes) != [0, 1]:
        return False
    (wide, high), planes = shown.shape[:_PLANE], len(_planes(shown))
    if shown.tiled:
        return wide * high * planes <= _MOST_TILED
    return wide * -(-high // _step(shown, pixels)) * planes * shown.dtype.itemsize <= _MOST_READ


def _planes(shown: Image) -> list[tuple[int, ...]]:
    """Return which planes are averaged, each by its places on the axes beyond the sky's."""
    lengths = shown.shape[_PLANE:]
    count = int(np.prod(lengths, dtype=int)) if lengths else 1
    chosen = np.unique(np.linspace(0, count - 1, min(count, _MOST_PLANES)).round().astype(int))
    return [tuple(int(place) for place in np.unravel_index(plane, lengths)) if lengths else () for plane in chosen]


def _reduced(shown: Image, values: Reader, pixels: int) -> Any:
    """Return the means of the pixels of each step along the rows, for one row of each step."""
    wide, high = shown.shape[:_PLANE]
    step = _step(shown, pixels)
    rows = range(min(step // 2, high - 1), high, step)
    planes = _planes(shown)
    total, counts = np.zeros((len(rows), -(-wide // step))), np.zeros((len(rows), -(-wide // step)))
    starts = np.arange(0, wide, step)
    for plane in planes:
        for place, row in enumerate(rows):
            line = _line(shown, values, row, plane)
            there = np.isfinite(line)
            total[place] += np.add.reduceat(np.where(there, line, 0), starts)
            counts[place] += np.add.reduceat(there.astype(float), starts)
    with np.errstate(invalid="ignore", divide="ignore"):
        return total / counts


def _line(shown: Image, values: Reader, row: int, plane: tuple[int, ...]) -> Any:
    box = (slice(0, shown.shape[0]), slice(row, row + 1), *(slice(place, place + 1) for place in plane))
    room = Room.of(shown.shape[0] * shown.dtype.itemsize)
    values.read(values.ask(box), room)
    stored = np.frombuffer(room.view, shown.dtype)
    blank = shown.cards.number("BLANK")
    line = stored.astype(float)
    if stored.dtype.kind != "f" and blank is not None:
        line[stored == int(blank)] = np.nan
    return line * float(shown.cards.number("BSCALE") or 1)
