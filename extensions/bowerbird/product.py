"""A cutout as FITS: the original header with what the cut changes, and the stored values as they are."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import numpy as np

from bowerbird.errors import CutoutError
from bowerbird.fits_cards import BLOCK, Cards, fixed
from bowerbird.fits_checksum import renew
from bowerbird.image import Image

_SECTION = re.compile(r"\[\s*(-?\d+)\s*:\s*(-?\d+)\s*,\s*(-?\d+)\s*:\s*(-?\d+)\s*\]")
# Sections that are counted in pixels of the image itself.
_OWN_SECTIONS = ("DATASEC", "TRIMSEC", "BIASSEC")
# Sections of a detector or a mosaic that the image once filled, and extremes of all its pixels: no longer true.
_UNTRUE = ("CCDSEC", "DETSEC", "AMPSEC", "DATAMIN", "DATAMAX")
_PLANE = 2


@dataclass(frozen=True, slots=True)
class Window:
    """What is cut, along every axis: `wanted` may reach beyond the image, `present` does not."""

    wanted: tuple[slice, ...]
    present: tuple[slice, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        """The lengths of the cutout's axes, NAXIS1 first."""
        return tuple(part.stop - part.start for part in self.wanted)

    @property
    def is_whole(self) -> bool:
        """Whether every wanted pixel is there."""
        return self.wanted == self.present

    @property
    def places(self) -> tuple[slice, ...]:
        """Where in the cutout the present pixels go."""
        pairs = zip(self.wanted, self.present, strict=True)
        return tuple(slice(there.start - want.start, there.stop - want.start) for want, there in pairs)


def product(image: Image, window: Window, descriptor: int, name: str) -> bytes:
    """Return the cutout as the bytes of a FITS file; `name` is what its history calls the original."""
    cards = patched(image, window, name)
    length = int(np.prod(window.shape, dtype=np.int64)) * image.dtype.itemsize
    content = bytearray(-(-length // BLOCK) * BLOCK)
    if window.is_whole:
        image.read(descriptor, window.present, memoryview(content)[:length])
    else:
        _read_padded(image, window, descriptor, memoryview(content)[:length], cards)
    renew(cards, content)
    return b"".join([*_above(image), cards.block(), content, *_below(image, window)])


def patched(image: Image, window: Window, name: str) -> Cards:
    """Return the image's header as it fits the cutout; checksums are still the old ones."""
    cards = image.cards.copy()
    for axis, length in enumerate(window.shape, start=1):
        cards.set(f"NAXIS{axis}", str(length))
    moved = {axis + 1: window.wanted[axis].start for axis in image.sky.axes}
    for axis, start in moved.items():
        for letter in image.descriptions:
            cards.set(f"CRPIX{axis}{letter}", fixed(_number(cards, f"CRPIX{axis}{letter}") - start))
        if start or f"LTV{axis}" in cards:
            cards.set(f"LTV{axis}", fixed(_number(cards, f"LTV{axis}") - start))
    _correct_sections(cards, image, window)
    if "NEXTEND" in cards:
        cards.set("NEXTEND", str(len(image.tables)))
    cards.add_history(f"bowerbird cutout: pixels {_section(image, window)} of {name}[{image.number}]")
    return cards


def _number(cards: Cards, keyword: str) -> Decimal:
    return cards.number(keyword) or Decimal(0)


def _section(image: Image, window: Window) -> str:
    parts = [f"{part.start + 1}:{part.stop}" if axis in image.sky.axes else "*" for axis, part in enumerate(window.wanted)]
    return "[{}]".format(",".join(parts))


def _correct_sections(cards: Cards, image: Image, window: Window) -> None:
    for keyword in _UNTRUE:
        if keyword in cards and window.present != tuple(slice(0, length) for length in image.shape):
            cards.remove(keyword)
    if image.sky.axes != (0, 1):
        return
    for keyword in _OWN_SECTIONS:
        found = _SECTION.search(cards.text(keyword) or "")
        if found:
            _move_section(cards, keyword, [int(number) for number in found.groups()], window)


def _move_section(cards: Cards, keyword: str, corners: list[int], window: Window) -> None:
    low = [corners[2 * axis] - window.wanted[axis].start for axis in range(_PLANE)]
    high = [corners[2 * axis + 1] - window.wanted[axis].start for axis in range(_PLANE)]
    low = [max(1, number) for number in low]
    high = [min(window.shape[axis], number) for axis, number in enumerate(high)]
    if any(first > last for first, last in zip(low, high, strict=True)):
        cards.remove(keyword)
    else:
        cards.set(keyword, f"'[{low[0]}:{high[0]},{low[1]}:{high[1]}]'")


def _read_padded(image: Image, window: Window, descriptor: int, destination: memoryview, cards: Cards) -> None:
    counts = [part.stop - part.start for part in reversed(window.present)]
    there = np.empty(counts, dtype=image.dtype)
    image.read(descriptor, window.present, there.data.cast("B"))
    whole = np.frombuffer(destination, dtype=image.dtype).reshape(tuple(reversed(window.shape)))
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


def _above(image: Image) -> Iterator[bytes]:
    """Yield the primary HDU over an image extension: the original's when it is a header alone."""
    if image.primary is None:
        return
    if image.primary.integer("NAXIS"):
        cards = Cards([])
        for keyword, value in (("SIMPLE", "T"), ("BITPIX", "8"), ("NAXIS", "0"), ("EXTEND", "T")):
            cards.set(keyword, value)
    else:
        cards = image.primary.copy()
    if "NEXTEND" in cards:
        cards.set("NEXTEND", str(1 + len(image.tables)))
    renew(cards, b"")
    yield cards.block()


def _below(image: Image, window: Window) -> Iterator[bytes]:
    """Yield the tables that the coordinates need; those that count in pixels of the image are moved with it."""
    for table in image.tables:
        cards = table.cards.copy()
        if table.shifts:
            for axis in image.sky.axes:
                keyword = f"CRVAL{axis + 1}"
                cards.set(keyword, fixed(_number(cards, keyword) - window.wanted[axis].start))
        renew(cards, table.content)
        yield cards.block() + table.content
