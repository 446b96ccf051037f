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
        quarters = [byte // 4 + _ZERO + (byte % 4 if number == 0 else 0) for number in range(4)]
        while _PUNCTUATION.intersection(quarters):
            for pair in (0, 2):
                if _PUNCTUATION.intersection(quarters[pair : pair + 2]):
                    quarters[pair] += 1
                    quarters[pair + 1] -= 1
        for number, value in enumerate(quarters):
            letters[4 * number + place] = chr(value)
    return "".join(letters[-1:] + letters[:-1])


def renew(cards: Cards, content: Any) -> None:
    """Make those of DATASUM and CHECKSUM anew that the header has; `content` is the padded data."""
    if "DATASUM" in cards:
        cards.set("DATASUM", quoted(str(ones_sum(content))), "data unit checksum")
    if "CHECKSUM" in cards:
        cards.set("CHECKSUM", quoted("0" * 16), "HDU checksum")
        cards.set("CHECKSUM", quoted(encode(ones_sum(cards.block(), content))))
