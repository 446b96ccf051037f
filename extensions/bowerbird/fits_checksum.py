"""DATASUM and CHECKSUM of an HDU (FITS 4.0, section 4.4.2.7 and appendix J)."""

from typing import Any

import numpy as np

from bowerbird.fits_cards import Cards, quoted

_ALL_ONES = 0xFFFFFFFF
_PUNCTUATION = frozenset([*range(0x3A, 0x41), *range(0x5B, 0x61)])
_ZERO = 0x30


def ones_sum(*parts: Any) -> int:
    """Return the 32-bit ones' complement sum of buffers that are each a multiple of four bytes long."""
    total = sum(int(np.frombuffer(part, dtype=">u4").sum(dtype=np.uint64)) for part in parts)
    while total > _ALL_ONES:
        total = (total & _ALL_ONES) + (total >> 32)
    return total


def encode(total: int) -> str:
    """Return the sixteen letters whose own sum cancels `total`."""
    rest = _ALL_ONES - total
    letters = [""] * 16
    for place, byte in enumerate(rest.to_bytes(4, "big")):
        quarter = byte // 4 + _ZERO
        quarters = [*_readable(quarter + byte % 4, quarter), *_readable(quarter, quarter)]
        for number, value in enumerate(quarters):
            letters[4 * number + place] = chr(value)
    return "".join(letters[-1:] + letters[:-1])


def _readable(one: int, other: int) -> tuple[int, int]:
    """Return two letters or digits of the same sum."""
    while _PUNCTUATION.intersection({one, other}):
        one, other = one + 1, other - 1
    return one, other


def renew(cards: Cards, content: Any) -> None:
    """Make those of DATASUM and CHECKSUM anew that the header has; `content` is the padded data."""
    if "DATASUM" in cards:
        cards.set("DATASUM", quoted(str(ones_sum(content))), "data unit checksum")
    if "CHECKSUM" in cards:
        cards.set("CHECKSUM", quoted("0" * 16), "HDU checksum")
        cards.set("CHECKSUM", quoted(encode(ones_sum(cards.block(), content))))
