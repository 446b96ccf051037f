"""Pieces of one open file: planned first, when their length is known, then read; never of two states of the file."""

import os
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any, Self

from bowerbird.areas import Area
from bowerbird.axes import kinds
from bowerbird.errors import NotCuttable
from bowerbird.image import Choices, plain
from bowerbird.layers import layers
from bowerbird.product import Product
from bowerbird.slab import WHOLE, Kind, Slab
from bowerbird.window import Mode

# A file that is gzipped as a whole is inflated in memory for every piece (bytes).
_MOST_INFLATED = 1 << 28


class Changed(NotCuttable):
    """The file was changed while it was cut."""


class Pieces:
    """What is cut from a file whose descriptor stays the caller's; closing it, or leaving it, lets all else go."""

    def __init__(self, descriptor: int, hdu: Choices = None, name: str = "") -> None:
        self._descriptor, self._name = descriptor, name
        self._status = os.fstat(descriptor)
        with ExitStack() as stack:
            content = stack.enter_context(plain(descriptor, _MOST_INFLATED))
            self._is_inflated = content != descriptor
            self._layers = stack.enter_context(layers(content, hdu, beside_others=True))
            self._stack = stack.pop_all()

    @property
    def kinds(self) -> frozenset[Kind]:
        """What the image, the first if there are several, has axes of beside the sky."""
        return kinds(self._layers.images[0])

    def product(self, area: Area | None, slab: Slab = WHOLE) -> Product:
        """Return the piece with an area, trimmed at the edge of the image; OutsideImage where there is none."""
        return self._layers.product(self._layers.covering(area), Mode.TRIM, self._name, slab)

    def is_near(self, product: Product) -> bool:
        """Return whether the pixels of a piece lie in memory as they are stored, so that to read them is to copy them."""
        return not self._is_inflated and product.is_near(self._layers.sources, product.ask(self._layers.sources))

    def read(self, product: Product) -> Sequence[Any]:
        """Return the bytes of a piece; Changed where they might not all be of the file that was planned on."""
        parts = product.parts(self._layers.sources, product.ask(self._layers.sources))
        now = os.fstat(self._descriptor)
        if (now.st_size, now.st_mtime_ns) != (self._status.st_size, self._status.st_mtime_ns):
            raise Changed("the file was changed while it was cut; cut it again when it is whole")
        return parts

    def close(self) -> None:
        """Let all go."""
        self._stack.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
