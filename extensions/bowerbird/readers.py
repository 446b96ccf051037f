"""The stored values of one image, a box at a time: of rows that lie in the file, or of tiles that are decompressed."""

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from typing import Any, Protocol, TypeAlias

import numpy as np
from astropy.io import fits

from bowerbird import pixels
from bowerbird.errors import NotCuttable
from bowerbird.gather import Mapping
from bowerbird.image import Image
from bowerbird.scratch import Room
from bowerbird.tile_index import tiles

Slices: TypeAlias = tuple[slice, ...]

# Ranges, and what is still to be told to the disk of them.
_Asked: TypeAlias = tuple[pixels.Ranges, Sequence[Future[None]]]

_PLANE = 2
# The share of the file from which on it is read in one go.
_DENSE = 0.4
# So much more is asked for then than is known to be needed, and so much by one thread at a time (bytes): a disk that has
# one piece to bring is half as quick as one that has several.
_STRIDE = 1 << 23
_PIECE = 1 << 22
_ASKERS = 8
# Decompressed rows that are kept for the next box (bytes).
_MOST_KEPT = 1 << 28


class Reader(Protocol):
    """Reads boxes of an image; lengths have NAXIS1 first. Where it `is_shared`, several threads may read at once."""

    is_shared: bool

    def expect(self, boxes: Sequence[Slices], each: int) -> None:
        """Learn which boxes will be asked for, in their order: these are one of so many `each`."""

    def ask(self, box: Slices) -> Any:
        """Have a box come nearer, and return what `read` takes for it."""

    def is_near(self, asked: Any) -> bool:
        """Return whether a box that was asked for is in memory, so that another thread would bring it no sooner."""

    def read(self, asked: Any, room: Room) -> None:
        """Read the stored values of a box that was asked for, big-endian, into a room."""


@contextmanager
def reader(image: Image, descriptor: int, *, many: bool = False, beside_others: bool = False) -> Iterator[Reader]:
    """Give what reads an image of an open plain file; with `many`, boxes are asked for some time before they are read.

    `beside_others` says that threads read others at the same time.
    """
    if image.tiled:
        with tiles(descriptor, image.number) as hdu:
            yield _RowTiles(hdu) if many and _is_in_rows(hdu) else _Tiles(hdu)
    else:
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_RANDOM)
        if not many:
            yield _Rows(image, descriptor, pixels.read_beside_others if beside_others else pixels.read)
            return
        with closing(Mapping(descriptor)) as mapping, ThreadPoolExecutor(_ASKERS, thread_name_prefix="ahead") as asker:
            yield _ManyRows(image, descriptor, mapping, asker)


class _Rows:
    is_shared = True

    def __init__(self, image: Image, descriptor: int, read: Callable[[int, pixels.Ranges, memoryview], None]) -> None:
        self._image, self._descriptor, self._read = image, descriptor, read

    def expect(self, boxes: Sequence[Slices], each: int) -> None:
        """One box is asked for like any other."""

    def ask(self, box: Slices) -> pixels.Ranges:
        """All is asked for when it is read."""
        return self._image.ranges(box)

    def is_near(self, asked: pixels.Ranges) -> bool:
        return pixels.is_in_memory(self._descriptor, asked)

    def read(self, asked: pixels.Ranges, room: Room) -> None:
        self._read(self._descriptor, asked, room.view)


class _ManyRows:
    """Rows of many boxes. Where these lie close, all between them is read too: a disk is quicker in one go than in pieces.

    That is asked for by threads of its own: where a disk has much to do, to ask takes as long as to read.
    """

    is_shared = True

    def __init__(self, image: Image, descriptor: int, mapping: Mapping, asker: Executor) -> None:
        self._image, self._descriptor = image, descriptor
        self._mapping, self._asker = mapping, asker
        self._is_dense = False
        self._asked = 0
        self._asking: deque[tuple[int, Future[None]]] = deque()

    def expect(self, boxes: Sequence[Slices], each: int) -> None:
        self._is_dense = bool(boxes) and pixels.density([self._image.ranges(box) for box in boxes]) * each > _DENSE

    def ask(self, box: Slices) -> _Asked:
        ranges = self._image.ranges(box)
        if self._is_dense:
            return ranges, self._ask_between(ranges)
        if pixels.is_in_memory(self._descriptor, ranges):
            return ranges, []
        return ranges, [self._asker.submit(pixels.ask, self._descriptor, ranges)]

    def _ask_between(self, ranges: pixels.Ranges) -> list[Future[None]]:
        """Ask for all up to the end of ranges that come in order, and return what is on its way of these."""
        if ranges.end > self._asked and not pixels.is_in_memory(self._descriptor, ranges):
            first, self._asked = max(self._asked, ranges.first), ranges.end + _STRIDE
            for start in range(first, self._asked, _PIECE):
                end = min(start + _PIECE, self._asked)
                self._asking.append((end, self._asker.submit(pixels.ask_between, self._descriptor, start, end)))
        while self._asking and self._asking[0][0] <= ranges.first:
            self._asking.popleft()
        return [asking for end, asking in self._asking if end - _PIECE < ranges.end]

    def is_near(self, asked: _Asked) -> bool:
        return not asked[1]

    def read(self, asked: _Asked, room: Room) -> None:
        ranges, asking = asked
        for one in asking:
            one.result()
        pixels.read_asked(self._descriptor, self._mapping, ranges, room)


class _Tiles:
    is_shared = False

    def __init__(self, hdu: fits.CompImageHDU) -> None:
        self._hdu = hdu

    def expect(self, boxes: Sequence[Slices], each: int) -> None:
        """They are read one after the other."""

    def ask(self, box: Slices) -> Slices:
        """Only the decoder knows where its tiles lie."""
        return box

    def is_near(self, asked: Slices) -> bool:
        return False

    def read(self, asked: Slices, room: Room) -> None:
        try:
            values = self._values(asked)
        except Exception as error:  # the decoders end in many ways where a tile is damaged
            raise NotCuttable(f"the compressed pixels are damaged and cannot be read: {str(error) or type(error).__name__}") from error
        stored = values.astype(values.dtype.newbyteorder(">"))
        room.view[:] = memoryview(np.ascontiguousarray(stored).tobytes())

    def _values(self, asked: Slices) -> Any:
        return self._hdu.section[tuple(reversed(asked))]


def _is_in_rows(hdu: fits.CompImageHDU) -> bool:
    return len(hdu.shape) == _PLANE and hdu.tile_shape[-1] >= hdu.shape[-1]


class _RowTiles(_Tiles):
    """Tiles as wide as the image: those that the next box needs too stay decompressed; boxes come in the order of their rows."""

    def __init__(self, hdu: fits.CompImageHDU) -> None:
        super().__init__(hdu)
        self._first = 0
        self._rows = np.empty((0, hdu.shape[-1]))

    def _values(self, asked: Slices) -> Any:
        columns, rows = asked
        bytes_a_row = self._hdu.shape[-1] * abs(self._hdu.header["BITPIX"]) // 8
        if (rows.stop - rows.start) * bytes_a_row > _MOST_KEPT:
            return super()._values(asked)
        stop = self._first + len(self._rows)
        if not self._first <= rows.start < stop:
            self._first, self._rows = rows.start, self._hdu.section[rows, :]
        elif rows.stop > stop:
            more = self._hdu.section[stop : rows.stop, :]
            self._first, self._rows = rows.start, np.concatenate([self._rows[rows.start - self._first :], more])
        start = rows.start - self._first
        return self._rows[start : start + rows.stop - rows.start, columns]
