"""Where the HDUs of a plain FITS file lie: header blocks read once, no data touched."""

import math
import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from bowerbird.errors import NotCuttable
from bowerbird.fits_cards import BLOCK, CARD, END, Cards

# Two out of three headers of survey images fit in one read of this size.
_FIRST_READ = 4 * BLOCK
_LONGEST_HEADER = 1 << 26
_SIMPLE = b"SIMPLE  ="
_AXES_OF_AN_IMAGE = 2
# FITS 4.0, section 4.4.1.1.
_MOST_AXES = 999


@dataclass(frozen=True)
class Hdu:
    """One HDU: its number, its header, and the place of its data in the file (bytes)."""

    number: int
    cards: Cards
    data_offset: int

    @cached_property
    def shape(self) -> tuple[int, ...]:
        """The lengths of the axes, NAXIS1 first."""
        axes = self.cards.integer("NAXIS")
        if not 0 <= axes <= _MOST_AXES:
            raise NotCuttable(f"HDU {self.number} is damaged: NAXIS is {axes}")
        lengths = tuple(self.cards.integer(f"NAXIS{axis}") for axis in range(1, axes + 1))
        if any(length < 0 for length in lengths):
            raise NotCuttable(f"HDU {self.number} is damaged: an axis has a length below zero")
        return lengths

    @property
    def bitpix(self) -> int:
        """BITPIX: the bits of a pixel, negative for floats."""
        return self.cards.integer("BITPIX")

    @property
    def item_bytes(self) -> int:
        """The bytes of one pixel."""
        return abs(self.bitpix) // 8

    @property
    def data_bytes(self) -> int:
        """The bytes of the data without padding."""
        if not self.shape:
            return 0
        groups = self.shape[0] == 0 and self.cards.true("GROUPS")
        elements = math.prod(self.shape[1:] if groups else self.shape)
        return self.item_bytes * max(0, self.cards.integer("GCOUNT", 1)) * (max(0, self.cards.integer("PCOUNT")) + elements)

    @property
    def end(self) -> int:
        """Where the next HDU begins."""
        return self.data_offset + -(-self.data_bytes // BLOCK) * BLOCK

    @property
    def name(self) -> str:
        """EXTNAME in upper case, as names are compared."""
        return (self.cards.text("EXTNAME") or "").strip().upper()

    @property
    def version(self) -> int:
        """EXTVER."""
        return self.cards.integer("EXTVER", 1)

    @property
    def compressed(self) -> bool:
        """Whether this is a table that holds a tile-compressed image."""
        return self.cards.true("ZIMAGE")

    @property
    def axes(self) -> int:
        """How many axes the image of this HDU has; 0 where it has none."""
        if self.compressed:
            return self.cards.integer("ZNAXIS")
        plain = "SIMPLE" in self.cards or self.cards.text("XTENSION") in ("IMAGE", "IUEIMAGE")
        return len(self.shape) if plain and 0 not in self.shape else 0

    @property
    def is_image(self) -> bool:
        """Whether this HDU holds pixels on two axes or more."""
        return self.axes >= _AXES_OF_AN_IMAGE


def is_plain(descriptor: int) -> bool:
    """Return whether the file starts as FITS does; one that is gzipped as a whole does not."""
    return os.pread(descriptor, len(_SIMPLE), 0) == _SIMPLE


def scan(descriptor: int) -> Iterator[Hdu]:
    """Yield the HDUs one after the other; the next header is read when it is asked for."""
    size = os.fstat(descriptor).st_size
    offset = number = 0
    while offset < size:
        block = _header(descriptor, offset)
        if block is None:
            # The standard allows special records after the last HDU.
            return
        hdu = Hdu(number, Cards.from_block(block), offset + len(block))
        yield hdu
        offset, number = hdu.end, number + 1


def _header(descriptor: int, offset: int) -> bytes | None:
    block = os.pread(descriptor, _FIRST_READ, offset)
    while True:
        end = _end_card(block)
        if end is not None:
            return block[: -(-(end + CARD) // BLOCK) * BLOCK]
        more = os.pread(descriptor, len(block), offset + len(block))
        if not more or len(block) > _LONGEST_HEADER or not block[:8].rstrip().isalnum():
            if offset:
                return None
            raise NotCuttable("the file starts like FITS and its header has no end: it is damaged")
        block += more


def _end_card(block: bytes) -> int | None:
    at = block.find(END)
    while at >= 0 and at % CARD:
        at = block.find(END, at + 1)
    return at if at >= 0 else None
