"""A cutout as FITS: the original header with what the cut changes, and the stored values as they are."""

import math
import os
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from bowerbird.cut_header import cut_header
from bowerbird.errors import CutoutError
from bowerbird.fits_cards import BLOCK, CARD, Cards, fixed
from bowerbird.fits_checksum import renewed
from bowerbird.image import Image
from bowerbird.readers import Reader
from bowerbird.scratch import Room, Scratch
from bowerbird.window import Window

_TOLD_BY_PIXELS = (b"CHECKSUM", b"DATASUM ", b"BLANK   ")

Sources: TypeAlias = Mapping[Image, Reader]


class Product:
    """A cutout as a FITS file that is not read yet: one image, or several of a file; `name` is what its history calls the original."""

    def __init__(self, layers: Sequence[tuple[Image, Window]], name: str) -> None:
        self.layers = layers
        self._below = _below(layers)
        extensions = len(layers) - 1 + len(self._below)
        self._above = _above(layers[0][0], extensions + 1)
        self._headers = [cut_header(image, window, name, extensions) for image, window in layers]
        self._lengths = [image.dtype.itemsize * math.prod(window.shape) for image, window in layers]
        self.content_bytes = sum(self._lengths)

    @property
    def is_whole(self) -> bool:
        """Whether an image of it is a whole one, along all axes."""
        return any(window.present == tuple(slice(0, length) for length in image.shape) for image, window in self.layers)

    @property
    def alone(self) -> tuple[bytes | None, bytes, int] | None:
        """The primary HDU above its image, if any, the header, and the length of the padded data; None where it is not one image alone."""
        if len(self.layers) > 1 or self._below:
            return None
        return (self._above[0] if self._above else None), self._headers[0].block, _padded(self._lengths[0])

    @property
    def size(self) -> int:
        """How many bytes the file has."""
        headers = (header.block for header in self._headers)
        return sum(map(len, [*self._above, *headers, *self._below])) + sum(map(_padded, self._lengths))

    def ask(self, sources: Sources) -> list[Any]:
        """Have the pixels come nearer, and return what `parts` takes for them."""
        return [sources[image].ask(window.present) for image, window in self.layers]

    def is_near(self, sources: Sources, asked: Sequence[Any]) -> bool:
        """Return whether the pixels that were asked for are in memory."""
        return all(sources[image].is_near(one) for (image, _), one in zip(self.layers, asked, strict=True))

    def parts(self, sources: Sources, asked: Sequence[Any], scratch: Scratch | None = None) -> list[Any]:
        """Read the pixels and return the file, bytes after bytes; with `scratch` they lie there."""
        made: list[Any] = list(self._above)
        for (image, window), header, length, one in zip(self.layers, self._headers, self._lengths, asked, strict=True):
            room, blank = Room.of(_padded(length)) if scratch is None else scratch.room(_padded(length)), None
            content = room.view
            content[length:] = bytes(len(content) - length)
            if window.is_whole:
                sources[image].read(one, room.part(length))
            else:
                there = np.empty([part.stop - part.start for part in reversed(window.present)], dtype=image.dtype)
                sources[image].read(one, Room(there.data.cast("B")))
                blank = _pad(there, window, content[:length], image.cards)
            made += [header.finished(content) if blank is None else _blanked(header.block, blank, content), content]
        return [*made, *self._below]

    def matches(self, file: Path) -> bool:
        """Return whether a file is this cutout already, whole: the same length, and the same headers but for what pixels tell."""
        headers = [header.block for header in self._headers]
        lengths = [_padded(length) for length in self._lengths]
        with file.open("rb") as made:
            if os.fstat(made.fileno()).st_size != self.size or made.read(sum(map(len, self._above))) != b"".join(self._above):
                return False
            for header, length in zip(headers, lengths, strict=True):
                if _of_header(made.read(len(header))) != _of_header(header):
                    return False
                made.seek(length, os.SEEK_CUR)
        return True


def _padded(length: int) -> int:
    return -(-length // BLOCK) * BLOCK


def _of_header(block: bytes) -> list[bytes]:
    cards = (block[at : at + CARD] for at in range(0, len(block), CARD))
    return [card for card in cards if not card.startswith(_TOLD_BY_PIXELS)]


def _pad(there: Any, window: Window, destination: memoryview, cards: Cards) -> int | None:
    """Write the pixels that are there, and around them what says 'no data'; return that if the header must say so from now on."""
    whole = np.frombuffer(destination, dtype=there.dtype).reshape(tuple(reversed(window.shape)))
    nothing, is_new = _nothing(cards, there)
    whole[...] = nothing
    whole[tuple(reversed(window.places))] = there
    return int(nothing) if is_new else None


def _nothing(cards: Cards, there: Any) -> tuple[float | int, bool]:
    """Return the stored value that says 'no data'; an integer image without one is given a new one, that it does not use."""
    if there.dtype.kind == "f":
        return float("nan"), False
    if cards.number("BLANK") is not None:
        return cards.integer("BLANK"), False
    limits = np.iinfo(there.dtype)
    used = np.unique(there)
    free = next((value for value in _candidates(int(limits.min), int(limits.max), len(used)) if value not in used), None)
    if free is None:
        raise CutoutError("every value of this image's type is in use, so none is left to mark pixels outside it: use mode='trim'")
    return free, True


def _blanked(block: bytes, blank: int, content: Any) -> bytes:
    """Return a header that says what 'no data' is."""
    cards = Cards.from_block(block)
    cards.set("BLANK", str(blank), "value of pixels without data")
    return renewed(cards, content)


def _candidates(lowest: int, highest: int, used: int) -> Iterator[int]:
    yield from range(lowest, min(lowest + used, highest) + 1)


@lru_cache(maxsize=64)
def _above(first: Image, extensions: int) -> tuple[bytes, ...]:
    """Return the primary HDU over image extensions: the original's when it is a header alone."""
    if first.primary is None:
        return ()
    if first.primary.integer("NAXIS"):
        cards = Cards([])
        for keyword, value in (("SIMPLE", "T"), ("BITPIX", "8"), ("NAXIS", "0"), ("EXTEND", "T")):
            cards.set(keyword, value)
    else:
        cards = first.primary.copy()
    if "NEXTEND" in cards:
        cards.set("NEXTEND", str(extensions))
    return (renewed(cards, b""),)


def _below(layers: Sequence[tuple[Image, Window]]) -> list[bytes]:
    """Return the tables that the coordinates need; those that count in pixels of an image are moved with it."""
    made: list[bytes] = []
    for image, window in layers:
        for table in image.tables:
            cards = table.cards.copy()
            for axis in image.sky.axes if table.shifts else ():
                keyword = f"CRVAL{axis + 1}"
                cards.set(keyword, fixed((cards.number(keyword) or Decimal(0)) - window.wanted[axis].start))
            whole = renewed(cards, table.content) + table.content
            # Images of one file may share a table.
            if whole not in made:
                made.append(whole)
    return made
