"""The stored values of one image, a box at a time: of rows that lie in the file, or of tiles that are decompressed."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Protocol, TypeAlias

import numpy as np
from astropy.io import fits

from bowerbird import pixels
from bowerbird.image import Image, opened

Slices: TypeAlias = tuple[slice, ...]


class Reader(Protocol):
    """Reads boxes of an image; lengths have NAXIS1 first."""

    def ask(self, box: Slices) -> None:
        """Have what will be read later come nearer."""

    def read(self, box: Slices, destination: memoryview) -> None:
        """Read the stored values of a box, big-endian, into `destination`."""


@contextmanager
def reader(image: Image, descriptor: int, *, many: bool = False) -> Iterator[Reader]:
    """Give what reads an image of an open plain file; with `many`, what is worth its beginning for many boxes only."""
    if image.tiled:
        with opened(descriptor) as hdus:
            yield _Tiles(hdus[image.number])
    elif many:
        with closing(pixels.Mapped(descriptor)) as mapped:
            yield _ManyRows(image, mapped)
    else:
        yield _Rows(image, descriptor)


class _Rows:
    def __init__(self, image: Image, descriptor: int) -> None:
        self._image, self._descriptor = image, descriptor

    def ask(self, box: Slices) -> None:
        """Nothing: all ranges are asked for when the box is read."""

    def read(self, box: Slices, destination: memoryview) -> None:
        pixels.read(self._descriptor, self._image.ranges(box), destination)


class _ManyRows:
    def __init__(self, image: Image, mapped: pixels.Mapped) -> None:
        self._image, self._mapped = image, mapped

    def ask(self, box: Slices) -> None:
        self._mapped.ask(self._image.ranges(box))

    def read(self, box: Slices, destination: memoryview) -> None:
        self._mapped.read(self._image.ranges(box), destination)


class _Tiles:
    def __init__(self, hdu: fits.CompImageHDU) -> None:
        self._hdu = hdu

    def ask(self, box: Slices) -> None:
        """Nothing: only the decoder knows where its tiles lie."""

    def read(self, box: Slices, destination: memoryview) -> None:
        values = self._hdu.section[tuple(reversed(box))]
        stored = values.astype(values.dtype.newbyteorder(">"))
        destination[:] = memoryview(np.ascontiguousarray(stored).tobytes())
