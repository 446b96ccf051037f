"""The header of an HDU as the 80-byte cards of the FITS standard (4.0, section 4): every card that is not changed stays as it is."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Self

BLOCK = 2880
CARD = 80
END = b"END".ljust(CARD)
_VALUE = re.compile(rb"\s*(?:'((?:[^']|'')*)'|([^/]*))")
_VALUE_INDICATOR = b"= "
# The columns of a value in fixed format, and the room that a card has behind its keyword.
WIDTH = 20
ROOM = 70
_FREE_TEXT = (b"COMMENT", b"HISTORY", b"", b"CONTINUE", b"HIERARCH")


class Cards:
    """The cards of one header, without END; where a keyword stands twice, the first counts."""

    def __init__(self, cards: list[bytes], places: dict[bytes, int] | None = None) -> None:
        self._cards = cards
        self._places = _places(cards) if places is None else places

    @classmethod
    def from_block(cls, block: bytes) -> Self:
        """Split a header block; what follows its END card is left out."""
        cards = [block[at : at + CARD] for at in range(0, len(block), CARD)]
        return cls(cards[: cards.index(END)] if END in cards else cards)

    def copy(self) -> Self:
        """Return cards that can be changed without changing these."""
        return type(self)(list(self._cards), dict(self._places))

    def __len__(self) -> int:
        return len(self._cards)

    def __contains__(self, keyword: str) -> bool:
        return keyword.encode() in self._places

    def keywords(self) -> Iterator[str]:
        """Yield the keywords that have a value, each once."""
        return (keyword.decode("ascii", "replace") for keyword in self._places if keyword not in _FREE_TEXT)

    def text(self, keyword: str) -> str | None:
        """Return a value as it is written, a string without its quotes; None where there is none."""
        place = self._places.get(keyword.encode())
        if place is None or self._cards[place][8:10] != _VALUE_INDICATOR:
            return None
        return _value(self._cards[place])

    def number(self, keyword: str) -> Decimal | None:
        """Return a value as the decimal number that is written; None where there is none."""
        text = self.text(keyword)
        if text is None:
            return None
        try:
            return Decimal(text.upper().replace("D", "E"))
        except InvalidOperation:
            return None

    def integer(self, keyword: str, default: int = 0) -> int:
        """Return a whole number, or the default where there is none."""
        number = self.number(keyword)
        return default if number is None or not number.is_finite() else int(number)

    def true(self, keyword: str) -> bool:
        """Return whether a logical value is T."""
        return self.text(keyword) == "T"

    def set(self, keyword: str, value: str, comment: str = "") -> None:
        """Write a value, spelt as FITS spells it; a card that is there keeps its place, and its comment unless one is given."""
        place = self._places.get(keyword.encode())
        if place is None:
            self._places[keyword.encode()] = len(self._cards)
            self._cards.append(_card(keyword, value, comment.encode()))
        else:
            self._cards[place] = _card(keyword, value, comment.encode() or _comment(self._cards[place]))

    def remove(self, keyword: str) -> None:
        """Take a card out, if it is there."""
        place = self._places.get(keyword.encode())
        if place is not None:
            del self._cards[place]
            self._places = _places(self._cards)

    def move(self, others: "Cards", keywords: Sequence[str] | None = None) -> None:
        """Take cards out of others and add them as they are, in the order of their keywords; without these all, as they stand."""
        if keywords is None:
            moved, left = others._cards, []
        else:
            places = [others._places[keyword.encode()] for keyword in keywords]
            moved, left = [others._cards[place] for place in places], [one for at, one in enumerate(others._cards) if at not in set(places)]
        self._cards += moved
        self._places = _places(self._cards)
        others._cards, others._places = left, _places(left)

    def add_history(self, text: str) -> None:
        """Add a HISTORY line, on as many cards as it needs."""
        self._cards += history(text)

    def slot(self, keyword: str, comment: bytes) -> "Slot":
        """Return the place of a card that is there, with a comment."""
        return Slot(CARD * self._places[keyword.encode()], keyword.ljust(8).encode() + _VALUE_INDICATOR, _behind(comment))

    def block(self) -> bytes:
        """Return the header as it stands in a file, END and padding included."""
        used = b"".join(self._cards) + END
        return used.ljust(-(-len(used) // BLOCK) * BLOCK)


@dataclass(frozen=True, slots=True)
class Slot:
    """The place of a card in a block, where values are written again and again."""

    at: int
    before: bytes
    behind: bytes

    def card(self, value: str) -> bytes:
        """Return the card with a value, spelt as FITS spells it."""
        return (self.before + _aligned(value).encode() + self.behind)[:CARD].ljust(CARD)


def history(text: str) -> list[bytes]:
    """Return the cards of a HISTORY line."""
    line = text.encode("ascii", "backslashreplace")
    width = CARD - 8
    return [b"HISTORY " + line[at : at + width].ljust(width) for at in range(0, len(line), width)]


def _places(cards: list[bytes]) -> dict[bytes, int]:
    places: dict[bytes, int] = {}
    for place, card in enumerate(cards):
        places.setdefault(card[:8].rstrip(), place)
    return places


def fixed(number: Decimal) -> str:
    """Spell a real number; all its digits are kept."""
    text = f"{number:f}"
    if len(text) > WIDTH:
        text = str(number)
    return text if "." in text or "E" in text else f"{text}."


def quoted(text: str) -> str:
    """Spell a string value."""
    return "'{}'".format(text.replace("'", "''").ljust(8))


def _card(keyword: str, value: str, comment: bytes) -> bytes:
    return Slot(0, keyword.ljust(8).encode() + _VALUE_INDICATOR, _behind(comment)).card(value)


def _aligned(value: str) -> str:
    return value.ljust(WIDTH) if value.startswith("'") else value.rjust(WIDTH)


def _behind(comment: bytes) -> bytes:
    return b" / " + comment if comment else b""


# Where many cutouts are made of one image, the same cards are read again and again.
@lru_cache(maxsize=1024)
def _value(card: bytes) -> str | None:
    found = _VALUE.match(card[10:])
    if found is None:
        return None
    string, bare = found.groups()
    value = string.replace(b"''", b"'").rstrip() if string is not None else bare.strip()
    return value.decode("latin-1") or None


@lru_cache(maxsize=1024)
def _comment(card: bytes) -> bytes:
    found = _VALUE.match(card[10:])
    rest = card[10 + found.end() :] if found else b""
    return rest.partition(b"/")[2].strip()
