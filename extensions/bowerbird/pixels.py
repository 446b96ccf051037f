"""The pixels of a box, read from a plain FITS file by planned byte ranges.

All ranges are asked for at once before the first is read, and the kernel reads nothing beside them: a disk then works
on many at a time, and a megabyte moves where a gigabyte lies. Bytes are read, or copied by the kernel, and a mapping is
never touched: a file that shrinks meanwhile is then an error and not the end of the process.
"""

import errno
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import repeat
from typing import Any

import numpy as np

from bowerbird import reads_at_once
from bowerbird.errors import NotCuttable
from bowerbird.gather import Mapping
from bowerbird.scratch import Room

# Between ranges closer than this a read goes on (bytes): copying them is quicker than asking again.
_NEAR = 1 << 14
# Closer than this no page of the file lies between them.
_CLOSE = 1 << 12
_CHUNK = 1 << 23
_PAGE = 1 << 12
_SHORTER = "the file became shorter while it was read"


@dataclass(frozen=True)
class Ranges:
    """Ranges of the file, all of one length: a regular comb of `teeth` for each offset; all in bytes."""

    offsets: Any
    length: int
    pitch: int
    teeth: int

    @property
    def gap(self) -> int:
        """The bytes between two teeth."""
        return self.pitch - self.length

    @property
    def first(self) -> int:
        """Where the first range begins."""
        return int(self.offsets[0])

    @property
    def last(self) -> int:
        """Where the last range begins."""
        return int(self.offsets[-1]) + (self.teeth - 1) * self.pitch

    @property
    def end(self) -> int:
        """Where the last range ends."""
        return self.last + self.length

    @property
    def middle(self) -> int:
        """Where a range half-way begins."""
        return int(self.offsets[len(self.offsets) // 2]) + self.teeth // 2 * self.pitch

    @cached_property
    def begins(self) -> Any:
        """Where each range begins."""
        return (self.offsets[:, None] + _comb(self.teeth, self.pitch)).ravel()

    @property
    def starts(self) -> list[int]:
        """The same as a list of whole numbers."""
        found: list[int] = self.begins.tolist()
        return found


# Cutouts of one size and image have one comb.
@lru_cache(maxsize=64)
def _comb(teeth: int, pitch: int) -> Any:
    return np.arange(teeth, dtype=np.int64) * pitch


def plan(start: int, shape: tuple[int, ...], box: tuple[slice, ...], item_bytes: int) -> Ranges:
    """Return the ranges of a box of pixels in data that begin at `start`; `shape` and `box` have NAXIS1 first."""
    counts = [part.stop - part.start for part in box]
    pitches = [item_bytes * math.prod(shape[:axis]) for axis in range(len(shape) + 1)]
    first = start + sum(part.start * pitch for part, pitch in zip(box, pitches, strict=False))
    # As long as whole axes are taken, what is read is one piece.
    whole = 0
    while whole < len(shape) - 1 and counts[whole] == shape[whole]:
        whole += 1
    length = pitches[whole] * counts[whole]
    outer = list(zip(counts[whole + 1 :], pitches[whole + 1 :], strict=False)) or [(1, length)]
    teeth, pitch = outer[0]
    offsets = np.array([first])
    for count, step in outer[1:]:
        offsets = (np.arange(count, dtype=np.int64)[:, None] * step + offsets).ravel()
    return Ranges(offsets, length, pitch, teeth)


def read(descriptor: int, ranges: Ranges, destination: memoryview) -> None:
    """Read all ranges into `destination`, one after the other."""
    if ranges.gap <= _NEAR:
        _read_together(descriptor, ranges, destination)
    else:
        _read_apart(descriptor, ranges, destination)


def read_beside_others(descriptor: int, ranges: Ranges, destination: memoryview) -> None:
    """Read all ranges into `destination`, as `read` does, where other threads have much to do too."""
    if ranges.gap <= _NEAR or not reads_at_once.read(descriptor, ranges.begins, ranges.length, destination):
        read(descriptor, ranges, destination)


def is_in_memory(descriptor: int, ranges: Ranges) -> bool:
    """Return whether three of the ranges are in memory; all of them are, then, nearly always."""
    return all(_has(descriptor, start, ranges.length) for start in (ranges.first, ranges.middle, ranges.last))


def ask(descriptor: int, ranges: Ranges) -> None:
    """Have the kernel begin to read what will be read later."""
    for start in ranges.starts:
        os.posix_fadvise(descriptor, start, ranges.length, os.POSIX_FADV_WILLNEED)


def ask_between(descriptor: int, first: int, end: int) -> None:
    """Have the kernel begin to read all from one place to another."""
    os.posix_fadvise(descriptor, first, end - first, os.POSIX_FADV_WILLNEED)


def density(many: Sequence[Ranges]) -> float:
    """Return the share of the file, from the first range to the last, that ranges take when pages are read whole."""
    pages = sum((ranges.length + _PAGE) * ranges.teeth * len(ranges.offsets) for ranges in many)
    span = max(ranges.end for ranges in many) - min(ranges.first for ranges in many)
    return pages / span


def read_asked(descriptor: int, mapping: Mapping, ranges: Ranges, room: Room) -> None:
    """Read all ranges into a room, as `read` does; they were asked for before, and the file is mapped."""
    if ranges.gap <= _CLOSE:
        _read_together(descriptor, ranges, room.view)
    elif not mapping.copy(ranges.begins, ranges.length, room):
        _read_each(descriptor, ranges, room.view)


def _read_each(descriptor: int, ranges: Ranges, destination: memoryview) -> None:
    length = ranges.length
    places = [[destination[at : at + length]] for at in range(0, len(destination), length)]
    if sum(map(os.preadv, repeat(descriptor), places, ranges.starts)) != len(destination):
        raise NotCuttable(_SHORTER)


def _has(descriptor: int, start: int, length: int) -> bool:
    try:
        return os.preadv(descriptor, [bytearray(length)], start, os.RWF_NOWAIT) == length
    except OSError:
        return False


def _read_apart(descriptor: int, ranges: Ranges, destination: memoryview) -> None:
    starts = ranges.starts
    done = _read_what_is_there(descriptor, starts, ranges.length, destination)
    for start in starts[done:]:
        os.posix_fadvise(descriptor, start, ranges.length, os.POSIX_FADV_WILLNEED)
    for number, start in enumerate(starts[done:], start=done):
        _fill(descriptor, destination[number * ranges.length : (number + 1) * ranges.length], start)


def _read_what_is_there(descriptor: int, starts: list[int], length: int, destination: memoryview) -> int:
    """Read ranges as long as memory holds them, and return how many that was: the rest is worth asking for at once."""
    read, without_waiting = os.preadv, os.RWF_NOWAIT
    at = 0
    try:
        for number, start in enumerate(starts):
            if read(descriptor, [destination[at : at + length]], start, without_waiting) != length:
                return number
            at += length
    except OSError as error:
        if error.errno not in (errno.EAGAIN, errno.EOPNOTSUPP):
            raise
        return at // length
    return len(starts)


def _read_together(descriptor: int, ranges: Ranges, destination: memoryview) -> None:
    """Read the gaps too, in chunks, and leave them out in memory."""
    span = (ranges.teeth - 1) * ranges.pitch + ranges.length
    for start in ranges.offsets.tolist():
        os.posix_fadvise(descriptor, start, span, os.POSIX_FADV_WILLNEED)
    length, pitch = ranges.length, ranges.pitch
    at_once = min(ranges.teeth, max(1, _CHUNK // pitch))
    chunk = np.empty((at_once, pitch), dtype=np.uint8)
    teeth = np.frombuffer(destination, dtype=np.uint8).reshape(len(ranges.offsets), ranges.teeth, length)
    for comb, start in zip(teeth, ranges.offsets.tolist(), strict=True):
        for first in range(0, ranges.teeth, at_once):
            count = min(at_once, ranges.teeth - first)
            # The last tooth has no gap behind it: the file may end there.
            _fill(descriptor, chunk.data.cast("B")[: (count - 1) * pitch + length], start + first * pitch)
            comb[first : first + count] = chunk[:count, :length]


def _fill(descriptor: int, destination: memoryview, start: int) -> None:
    done = os.preadv(descriptor, [destination], start)
    while done < len(destination):
        more = os.preadv(descriptor, [destination[done:]], start + done)
        if more == 0:
            raise NotCuttable(_SHORTER)
        done += more
