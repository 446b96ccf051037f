"""A cutout as FITS: the original header with what the cut changes, and the stored values as they are."""

import math
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from bowerbird.errors import CutoutError
from bowerbird.fits_cards import BLOCK, CARD, Cards, fixed
from bowerbird.fits_checksum import renew
from bowerbird.image import Image
from bowerbird.readers import Reader
from bowerbird.window import Window

_SECTION = re.compile(r"\[\s*(-?\d+)\s*:\s*(-?\d+)\s*,\s*(-?\d+)\s*:\s*(-?\d+)\s*\]")
# Sections that are counted in pixels of the image itself.
_OWN_SECTIONS = ("DATASEC", "TRIMSEC", "BIASSEC")
# Sections of a detector or a mosaic that the image once filled, and extremes of all its pixels: no longer true.
_UNTRUE = ("CCDSEC", "DETSEC", "AMPSEC", "DATAMIN", "DATAMAX")
_TOLD_BY_PIXELS = (b"CHECKSUM", b"DATASUM ", b"BLANK   ")
_PLANE = 2

Sources: TypeAlias = Mapping[Image, Reader]


class Product:
    """A cutout as a FITS file that is not read yet: one image, or several of a file; `name` is what its history calls the original."""

    def __init__(self, layers: Sequence[tuple[Image, Window]], name: str) -> None:
        self.layers = layers
        self._below = _below(layers)
        extensions = len(layers) - 1 + len(self._below)
        self._above = _above(layers[0][0], extensions + 1)
        self._headers = [patched(image, window, name, extensions) for image, window in layers]
        self._lengths = [image.dtype.itemsize * math.prod(window.shape) for image, window in layers]
        self.content_bytes = sum(self._lengths)

    @property
    def size(self) -> int:
        """How many bytes the file has."""
        headers = (header.block() for header in self._headers)
        return sum(map(len, [*self._above, *headers, *self._below])) + sum(map(_padded, self._lengths))

    def ask(self, sources: Sources) -> list[Any]:
        """Have the pixels come nearer, and return what `parts` takes for them."""
        return [sources[image].ask(window.present) for image, window in self.layers]

    def parts(self, sources: Sources, asked: Sequence[Any]) -> list[Any]:
        """Read the pixels and return the file, bytes after bytes."""
        made: list[Any] = list(self._above)
        for (image, window), header, length, one in zip(self.layers, self._headers, self._lengths, asked, strict=True):
            cards, content = header.copy(), bytearray(_padded(length))
            if window.is_whole:
                sources[image].read(one, memoryview(content)[:length])
            else:
                there = np.empty([part.stop - part.start for part in reversed(window.present)], dtype=image.dtype)
                sources[image].read(one, there.data.cast("B"))
                _pad(there, window, memoryview(content)[:length], cards)
            renew(cards, content)
            made += [cards.block(), content]
        return [*made, *self._below]

    def matches(self, file: Path) -> bool:
        """Return whether a file is this cutout already, whole: the same length, and the same headers but for what pixels tell."""
        headers = [header.block() for header in self._headers]
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


@dataclass(frozen=True, slots=True)
class _Changes:
    """What a cut changes in the header of an image: numbers that move with an axis (last: if it is there), what is no longer true."""

    moved: tuple[tuple[str, int, Decimal, bool], ...]
    untrue: tuple[str, ...]
    sections: tuple[tuple[str, list[int]], ...]
    counts_extensions: bool


@lru_cache(maxsize=64)
def _changes(image: Image) -> _Changes:
    cards, axes = image.cards, image.sky.axes
    references = [(f"CRPIX{axis + 1}{letter}", axis) for axis in axes for letter in image.descriptions]
    others = [axis for axis in range(len(image.shape)) if axis not in axes]
    beside = [(f"CRPIX{axis + 1}{letter}", axis) for axis in others for letter in _letters(image, axis)]
    logical = [(f"LTV{axis + 1}", axis) for axis in range(len(image.shape))]
    found = [(keyword, _SECTION.search(cards.text(keyword) or "")) for keyword in _OWN_SECTIONS if axes == (0, 1)]
    return _Changes(
        (
            *((keyword, axis, _number(cards, keyword), True) for keyword, axis in references),
            *((keyword, axis, _number(cards, keyword), keyword in cards) for keyword, axis in [*beside, *logical]),
        ),
        tuple(keyword for keyword in _UNTRUE if keyword in cards),
        tuple((keyword, [int(number) for number in section.groups()]) for keyword, section in found if section),
        "NEXTEND" in cards,
    )


def _letters(image: Image, axis: int) -> list[str]:
    """Return the descriptions that say anything of an axis, whatever they say of the sky."""
    letters = dict.fromkeys(("", *image.descriptions))
    return [letter for letter in letters if any(f"{name}{axis + 1}{letter}" in image.cards for name in ("CTYPE", "CRVAL", "CRPIX"))]


def patched(image: Image, window: Window, name: str, extensions: int) -> Cards:
    """Return the image's header as it fits the cutout; checksums are still the old ones."""
    cards, changes = image.cards.copy(), _changes(image)
    for axis, length in enumerate(window.shape, start=1):
        cards.set(f"NAXIS{axis}", str(length))
    for keyword, axis, number, is_there in changes.moved:
        if is_there or window.wanted[axis].start:
            cards.set(keyword, fixed(number - window.wanted[axis].start))
    if changes.untrue and window.present != tuple(slice(0, length) for length in image.shape):
        for keyword in changes.untrue:
            cards.remove(keyword)
    for keyword, corners in changes.sections:
        _move_section(cards, keyword, corners, window)
    if changes.counts_extensions:
        cards.set("NEXTEND", str(extensions))
    cards.add_history(f"bowerbird cutout: pixels {_section(image, window)} of {name}[{image.number}]")
    return cards


def _number(cards: Cards, keyword: str) -> Decimal:
    return cards.number(keyword) or Decimal(0)


def _section(image: Image, window: Window) -> str:
    parts = [
        "*" if axis not in image.sky.axes and part == slice(0, image.shape[axis]) else f"{part.start + 1}:{part.stop}"
        for axis, part in enumerate(window.wanted)
    ]
    return "[{}]".format(",".join(parts))


def _move_section(cards: Cards, keyword: str, corners: list[int], window: Window) -> None:
    low = [corners[2 * axis] - window.wanted[axis].start for axis in range(_PLANE)]
    high = [corners[2 * axis + 1] - window.wanted[axis].start for axis in range(_PLANE)]
    low = [max(1, number) for number in low]
    high = [min(window.shape[axis], number) for axis, number in enumerate(high)]
    if any(first > last for first, last in zip(low, high, strict=True)):
        cards.remove(keyword)
    else:
        cards.set(keyword, f"'[{low[0]}:{high[0]},{low[1]}:{high[1]}]'")


def _pad(there: Any, window: Window, destination: memoryview, cards: Cards) -> None:
    whole = np.frombuffer(destination, dtype=there.dtype).reshape(tuple(reversed(window.shape)))
    whole[...] = _nothing(cards, there)
    whole[tuple(reversed(window.places))] = there


def _nothing(cards: Cards, there: Any) -> float | int:
    """Return the stored value that says 'no data'; an integer image without one is given one that it does not use."""
    if there.dtype.kind == "f":
        return float("nan")
    if cards.number("BLANK") is not None:
        return cards.integer("BLANK")
    limits = np.iinfo(there.dtype)
    used = np.unique(there)
    free = next((value for value in _candidates(int(limits.min), int(limits.max), len(used)) if value not in used), None)
    if free is None:
        raise CutoutError("every value of this image's type is in use, so none is left to mark pixels outside it: use mode='trim'")
    cards.set("BLANK", str(free), "value of pixels without data")
    return free


def _candidates(lowest: int, highest: int, used: int) -> Iterator[int]:
    yield from range(lowest, min(lowest + used, highest) + 1)


def _above(first: Image, extensions: int) -> list[bytes]:
    """Return the primary HDU over image extensions: the original's when it is a header alone."""
    if first.primary is None:
        return []
    if first.primary.integer("NAXIS"):
        cards = Cards([])
        for keyword, value in (("SIMPLE", "T"), ("BITPIX", "8"), ("NAXIS", "0"), ("EXTEND", "T")):
            cards.set(keyword, value)
    else:
        cards = first.primary.copy()
    if "NEXTEND" in cards:
        cards.set("NEXTEND", str(extensions))
    renew(cards, b"")
    return [cards.block()]


def _below(layers: Sequence[tuple[Image, Window]]) -> list[bytes]:
    """Return the tables that the coordinates need; those that count in pixels of an image are moved with it."""
    made: list[bytes] = []
    for image, window in layers:
        for table in image.tables:
            cards = table.cards.copy()
            for axis in image.sky.axes if table.shifts else ():
                keyword = f"CRVAL{axis + 1}"
                cards.set(keyword, fixed(_number(cards, keyword) - window.wanted[axis].start))
            renew(cards, table.content)
            whole = cards.block() + table.content
            # Images of one file may share a table.
            if whole not in made:
                made.append(whole)
    return made
