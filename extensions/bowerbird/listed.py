"""Axes whose values stand one by one in a table of the file: the algorithm -TAB of FITS 4.0, section 8.2, and paper III, section 6.

wcslib is not given them: where a header and its table do not fit, it writes beside its own memory, and the process ends.
"""

from typing import Any, Final

import numpy as np
from astropy.io import fits

from bowerbird.errors import NotCuttable
from bowerbird.fits_cards import Cards

_ALGORITHM: Final = "-TAB"
# The table reaches half a step beyond its first and last value; the rest is the noise of the arithmetic.
_BEYOND: Final = 0.5 + 1e-9
_TWO: Final = 2


def is_listed(cards: Cards, axis: int | str) -> bool:
    """Tell whether the values of an axis (from 1, as in CTYPEia of a header) stand in a table."""
    return _type(cards, axis).endswith(_ALGORITHM)


def unlisted(cards: Cards) -> Cards:
    """Return a header whose listed axes count the places in their tables, and are of no type, in all descriptions."""
    axes = [keyword[5:] for keyword in cards.keywords() if keyword.startswith("CTYPE")]
    listed_axes = [axis for axis in axes if is_listed(cards, axis)]
    if not listed_axes:
        return cards
    changed = cards.copy()
    for axis in listed_axes:
        changed.remove(f"CTYPE{axis}")
        changed.remove(f"CUNIT{axis}")
    return changed


def unlisted_header(header: fits.Header) -> fits.Header:
    """Return the same of a header as astropy holds it: one that it understands without the tables."""
    cards = Cards.from_block(header.tostring().encode("ascii"))
    plain = unlisted(cards)
    return header if plain is cards else fits.Header.fromstring(plain.block())


def type_of(cards: Cards, number: int) -> str:
    """Return the type of a listed axis as one that is not listed has it."""
    return _type(cards, number).removesuffix(_ALGORITHM).rstrip("-")


def _type(cards: Cards, axis: int | str) -> str:
    return (cards.text(f"CTYPE{axis}") or "").strip().upper()


def listed(cards: Cards, number: int, file: fits.HDUList, places: Any) -> Any:
    """Return the values at places of an axis as the header counts them, between two of the table by a straight line; NaN beyond it.

    NotCuttable where several axes share the table's values; many errors are possible where it is not as the header says.
    """
    table = file[(cards.text(f"PS{number}_0") or "", cards.integer(f"PV{number}_1", 1))]
    values = _row(table, cards.text(f"PS{number}_1") or "")
    if values.ndim > _TWO or values.size != len(values) or cards.number(f"PV{number}_3") not in (None, 1):
        raise NotCuttable(f"the table of axis {number} gives values of several axes together; nothing can be cut along one of them")
    index = cards.text(f"PS{number}_2")
    if index:
        places = _along(_row(table, index).ravel(), len(values), places)
    found = _along_straight(values.ravel(), places - 1)
    return np.where((places >= 1 - _BEYOND) & (places <= len(values) + _BEYOND), found, np.nan)


def _row(table: Any, column: str) -> Any:
    return np.asarray(table.data[column][0], dtype="f8")


def _along(index: Any, count: int, places: Any) -> Any:
    """Return where, counted from 1, an index that only rises or only falls has its places."""
    steps = np.diff(index)
    if len(index) != count or not len(steps) or not ((steps > 0).all() or (steps < 0).all()):
        raise NotCuttable("the index of a table of coordinates neither rises nor falls all along, from its first value to the last")
    sign = np.sign(steps[0])
    before = np.clip(np.searchsorted(sign * index, sign * places, side="right") - 1, 0, len(steps) - 1)
    return 1 + before + (places - index[before]) / steps[before]


def _along_straight(values: Any, places: Any) -> Any:
    """Return the values at places from 0; beyond both ends the straight line goes on."""
    if len(values) == 1:
        return np.full(np.shape(places), values[0])
    before = np.clip(np.nan_to_num(np.floor(places)), 0, len(values) - _TWO).astype(np.int64)
    return values[before] + (places - before) * (values[before + 1] - values[before])
