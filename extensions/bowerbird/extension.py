"""An image HDU as an extension of a file with others (FITS 4.0, sections 4.4.1.2 and 7.1), whatever it was in its own."""

from typing import Any

from bowerbird.fits_cards import Cards, quoted
from bowerbird.fits_checksum import renewed

# What only a primary HDU has, and what an extension is told anew.
_OTHERWISE = ("SIMPLE", "XTENSION", "EXTEND", "NEXTEND", "PCOUNT", "GCOUNT", "EXTNAME", "EXTVER")


def primary(block: bytes | None, extensions: int) -> bytes:
    """Return a primary HDU without data over so many extensions: one of those cards, or the least there is."""
    cards = Cards.from_block(block) if block else Cards([])
    for keyword, value in (("SIMPLE", "T"), ("BITPIX", "8"), ("NAXIS", "0"), ("EXTEND", "T")):
        if keyword not in cards:
            cards.set(keyword, value)
    if "NEXTEND" in cards:
        cards.set("NEXTEND", str(extensions))
    return renewed(cards, b"")


def extension(block: bytes, name: str, version: int, content: Any = b"") -> bytes:
    """Return the header of an image as that of an extension, with the checksums, if it has them, of its padded data."""
    own = Cards.from_block(block)
    name, axes = own.text("EXTNAME") or name, own.integer("NAXIS")
    for keyword in _OTHERWISE:
        own.remove(keyword)
    cards = Cards([])
    cards.set("XTENSION", quoted("IMAGE"), "an image")
    # These stand in this order, and before all others.
    shape = ("BITPIX", "NAXIS", *(f"NAXIS{axis}" for axis in range(1, axes + 1)))
    cards.move(own, shape)
    cards.set("PCOUNT", "0")
    cards.set("GCOUNT", "1")
    cards.set("EXTNAME", quoted(name))
    cards.set("EXTVER", str(version), "number of the region")
    cards.move(own)
    return renewed(cards, content)
