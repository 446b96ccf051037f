"""The header of a cutout: the original one with what the cut changes.

Many cutouts of one image differ in a few cards: these alone are written, into a block that was made once.
"""

import re
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import Any

from bowerbird.fits_cards import CARD, ROOM, WIDTH, Cards, fixed, history
from bowerbird.fits_checksum import Sums
from bowerbird.image import Image
from bowerbird.window import Window

_SECTION = re.compile(r"\[\s*(-?\d+)\s*:\s*(-?\d+)\s*,\s*(-?\d+)\s*:\s*(-?\d+)\s*\]")
# Sections that are counted in pixels of the image itself.
_OWN_SECTIONS = ("DATASEC", "TRIMSEC", "BIASSEC")
# Sections of a detector or a mosaic that the image once filled, and extremes of all its pixels: no longer true.
_UNTRUE = ("CCDSEC", "DETSEC", "AMPSEC", "DATAMIN", "DATAMAX")
_PLANE = 2


@dataclass(frozen=True, slots=True)
class CutHeader:
    """The header as it stands in a file, with the checksums of the original; `finished` makes those anew."""

    block: bytes
    _sums: Sums

    def finished(self, content: Any) -> bytes | bytearray:
        """Return the block with the checksums of the padded data."""
        return self._sums.renewed(self.block, content)


@dataclass(frozen=True, slots=True)
class _Changes:
    """What a cut changes in the header of an image: numbers that move with an axis (last: if it is there), what is no longer true."""

    moved: tuple[tuple[str, int, Decimal, bool], ...]
    untrue: tuple[str, ...]
    sections: tuple[tuple[str, list[int]], ...]
    counts_extensions: bool
    whole: tuple[slice, ...]


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
        tuple(slice(0, length) for length in image.shape),
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
    _settle(cards, changes, extensions, is_part=window.present != changes.whole)
    for keyword, corners in changes.sections:
        _move_section(cards, keyword, corners, window)
    cards.add_history(_told(image, window, name))
    return cards


def _settle(cards: Cards, changes: _Changes, extensions: int, *, is_part: bool) -> None:
    """Change what is the same for many cutouts."""
    for keyword in changes.untrue if is_part else ():
        cards.remove(keyword)
    if changes.counts_extensions:
        cards.set("NEXTEND", str(extensions))


def cut_header(image: Image, window: Window, name: str, extensions: int) -> CutHeader:
    """Return the same as a block, quicker where many cutouts of an image are made."""
    changes, wanted = _changes(image), window.wanted
    lines = history(_told(image, window, name))
    values = [f"{part.stop - part.start:>{WIDTH}}" for part in wanted]
    written = 0
    for number, (_, axis, value, is_there) in enumerate(changes.moved):
        start = wanted[axis].start
        if is_there or start:
            written |= 1 << number
            values.append(f"{fixed(value - start):>{WIDTH}}")
    if changes.sections or any(len(value) > WIDTH for value in values):
        # Cards that go away, and those that cut off their comment, are written one by one.
        cards = patched(image, window, name, extensions)
        return CutHeader(cards.block(), Sums.of(cards))
    made = _template(image, extensions, written, window.present != changes.whole, len(lines))
    return CutHeader(made.filled(values, lines), made.sums)


@dataclass(frozen=True, slots=True)
class _Template:
    """What stands between values, in the order of the cards, and around the lines of the history behind all other cards."""

    between: tuple[str, ...]
    behind: bytes
    order: tuple[int, ...]
    sums: Sums

    def filled(self, values: list[str], lines: list[bytes]) -> bytes:
        parts = list(self.between)
        for place, value in zip(self.order, values, strict=True):
            parts[place] = value
        return b"".join(("".join(parts).encode("latin-1"), *lines, self.behind))


@lru_cache(maxsize=64)
def _template(image: Image, extensions: int, written: int, is_part: bool, lines: int) -> _Template:
    cards, changes = image.cards.copy(), _changes(image)
    keywords = [f"NAXIS{axis}" for axis, _ in enumerate(image.shape, start=1)]
    keywords += [keyword for number, (keyword, *_) in enumerate(changes.moved) if written >> number & 1]
    for keyword in keywords:
        # A comment is the original's: one that a long value cuts off there is whole beside a short one.
        cards.set(keyword, "0", "")
    _settle(cards, changes, extensions, is_part=is_part)
    end = CARD * len(cards)
    for _ in range(lines):
        cards.add_history(" ")
    block = cards.block()
    slots = sorted((cards.slot(keyword, b"").at + CARD - ROOM, number) for number, keyword in enumerate(keywords))
    between: list[str] = []
    order, last = [0] * len(slots), 0
    for at, number in slots:
        order[number] = len(between) + 1
        between += [block[last:at].decode("latin-1"), ""]
        last = at + WIDTH
    between.append(block[last:end].decode("latin-1"))
    return _Template(tuple(between), block[end + CARD * lines :], tuple(order), Sums.of(cards))


def _number(cards: Cards, keyword: str) -> Decimal:
    return cards.number(keyword) or Decimal(0)


def _told(image: Image, window: Window, name: str) -> str:
    return f"bowerbird cutout: pixels {_section(image, window)} of {name}[{image.number}]"


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
