"""DATASUM and CHECKSUM of an HDU (FITS 4.0, section 4.4.2.7 and appendix J)."""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from bowerbird.fits_cards import CARD, Cards, Slot, quoted

_ALL_ONES = 0xFFFFFFFF
_PUNCTUATION = frozenset([*range(0x3A, 0x41), *range(0x5B, 0x61)])
_ZERO = 0x30


def ones_sum(*parts: Any) -> int:
    """Return the 32-bit ones' complement sum of buffers that are each a multiple of four bytes long."""
    return _folded(sum(int(np.frombuffer(part, dtype=">u4").sum(dtype=np.uint64)) for part in parts))


def _folded(total: int) -> int:
    while total > _ALL_ONES:
        total = (total & _ALL_ONES) + (total >> 32)
    return total


def encode(total: int) -> str:
    """Return the sixteen letters whose own sum cancels `total`."""
    one, two, three, four = (_LETTERS[byte] for byte in (_ALL_ONES - total).to_bytes(4, "big"))
    letters = "".join(map("".join, zip(one, two, three, four, strict=True)))
    return letters[-1:] + letters[:-1]


def _letters(byte: int) -> str:
    """Return four letters or digits whose sum, each less the digit 0, is a byte."""
    quarter = byte // 4 + _ZERO
    return "".join(map(chr, [*_readable(quarter + byte % 4, quarter), *_readable(quarter, quarter)]))


def _readable(one: int, other: int) -> tuple[int, int]:
    """Return two letters or digits of the same sum."""
    while _PUNCTUATION.intersection({one, other}):
        one, other = one + 1, other - 1
    return one, other


_LETTERS = [_letters(byte) for byte in range(256)]


@dataclass(frozen=True, slots=True)
class Sums:
    """Where a header has DATASUM and CHECKSUM, if it has them."""

    data: Slot | None
    whole: Slot | None

    @classmethod
    def of(cls, cards: Cards) -> Self:
        """Return the places of a header."""
        data = cards.slot("DATASUM", b"data unit checksum") if "DATASUM" in cards else None
        return cls(data, cards.slot("CHECKSUM", b"HDU checksum") if "CHECKSUM" in cards else None)

    def renewed(self, block: bytes, content: Any) -> bytes | bytearray:
        """Return the header with the sums of its padded data, those that it has."""
        if self.data is None and self.whole is None:
            return block
        made, total = bytearray(block), ones_sum(content)
        if self.data is not None:
            _write(made, self.data, str(total))
        if self.whole is not None:
            _write(made, self.whole, "0" * 16)
            _write(made, self.whole, encode(_folded(ones_sum(made) + total)))
        return made


def _write(block: bytearray, slot: Slot, value: str) -> None:
    block[slot.at : slot.at + CARD] = slot.card(quoted(value))


def renewed(cards: Cards, content: Any) -> bytes:
    """Return the block of a header whose DATASUM and CHECKSUM, if it has them, are of `content`, the padded data."""
    return bytes(Sums.of(cards).renewed(cards.block(), content))
