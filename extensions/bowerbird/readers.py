"""The stored values of one image, a box at a time: of rows that lie in the file, or of tiles that are decompressed."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol, TypeAlias

import numpy as np
from astropy.io import fits

from bowerbird import pixels
from bowerbird.image import Image, opened

Slices: TypeAlias = tuple[slice, ...]


class Reader(Protocol):
    """Reads boxes of an image; lengths have NAXIS1 first."""

    def ask(self, box: Slices) -> Any:
        """Have a box come nearer, and return what `read` takes for it."""

    def read(self, asked: Any, destination: memoryview) -> None:
        """Read the stored values of a box that was asked for, big-endian, into `destination`."""


@contextmanager
def reader(image: Image, descriptor: int, *, many: bool = False) -> Iterator[Reader]:
    """Give what reads an image of an open plain file; with `many`, boxes are asked for some time before they are read."""
    if image.tiled:
        with opened(descriptor) as hdus:
            yield _Tiles(hdus[image.number])
    else:
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_RANDOM)
        yield _ManyRows(image, descriptor) if many else _Rows(image, descriptor)


class _Rows:
    def __init__(self, image: Image, descriptor: int) -> None:
        self._image, self._descriptor = image, descriptor

    def ask(self, box: Slices) -> pixels.Ranges:
        """All is asked for when it is read."""
        return self._image.ranges(box)

    def read(self, asked: pixels.Ranges, destination: memoryview) -> None:
        pixels.read(self._descriptor, asked, destination)


class _ManyRows(_Rows):
    def ask(self, box: Slices) -> pixels.Ranges:
        ranges = self._image.ranges(box)
        pixels.ask(self._descriptor, ranges)
        return ranges

    def read(self, asked: pixels.Ranges, destination: memoryview) -> None:
        pixels.read_asked(self._descriptor, asked, destination)


class _Tiles:
    def __init__(self, hdu: fits.CompImageHDU) -> None:
        self._hdu = hdu

    def ask(self, box: Slices) -> Slices:
        """Only the decoder knows where its tiles lie."""
        return box

    def read(self, asked: Slices, destination: memoryview) -> None:
        values = self._hdu.section[tuple(reversed(asked))]
        stored = values.astype(values.dtype.newbyteorder(">"))
        destination[:] = memoryview(np.ascontiguousarray(stored).tobytes())
