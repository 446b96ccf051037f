"""Directory groups: distinguished names (RFC 4514) or plain names -> the groups that teams are made of."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

# One value of an RDN: escaped pairs, escaped bytes, or anything that is not special.
_PART = re.compile(r"\s*([A-Za-z][A-Za-z0-9-]*|[0-9]+(?:\.[0-9]+)*)\s*=\s*((?:\\.|[^\\,+;])*)", re.DOTALL)
_ESCAPE = re.compile(r"(?:\\[0-9A-Fa-f]{2})+|\\(.)", re.DOTALL)
_SPACES = re.compile(r"\s+")

Rdn = frozenset[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class DistinguishedName:
    """A parsed name: one set of (type, value) for each level, compared as directories compare, without regard to case."""

    levels: tuple[Rdn, ...]

    @property
    def common_names(self) -> frozenset[str]:
        """The CN values of the first level, folded."""
        return frozenset(value for kind, value in self.levels[0] if kind == "cn")


def fold(name: str) -> str:
    """Return a name as directories compare it: no case, single spaces."""
    return _SPACES.sub(" ", name).strip().casefold()


def _unescape(value: str) -> str:
    def plain(match: re.Match[str]) -> str:
        if match[1] is not None:
            return match[1]
        return bytes.fromhex(match[0].replace("\\", "")).decode("utf-8", "replace")

    return _ESCAPE.sub(plain, value)


def _value(raw: str) -> str:
    # Blanks around a value do not belong to it unless they are escaped; folding makes both the same.
    return fold(_unescape(raw))


def parse_dn(text: str) -> DistinguishedName | None:
    """Return the distinguished name that a text is, or None where it is a plain name."""
    levels: list[Rdn] = []
    parts: list[tuple[str, str]] = []
    at = 0
    while True:
        match = _PART.match(text, at)
        if match is None:
            return None
        parts.append((match[1].lower(), _value(match[2])))
        at = match.end()
        if at < len(text) and text[at] == "+":
            at += 1
            continue
        levels.append(frozenset(parts))
        parts = []
        if at == len(text):
            return DistinguishedName(tuple(levels))
        at += 1


def _holds(wanted: str, values: frozenset[str], names: frozenset[DistinguishedName]) -> bool:
    distinguished = parse_dn(wanted)
    if distinguished is not None:
        return distinguished in names
    return fold(wanted) in values


def held(wanted: Iterable[str], directory_values: Iterable[str]) -> tuple[str, ...]:
    """Return those of the wanted groups, as the platform file spells them, that the directory's values give.

    A wanted distinguished name is matched whole; a wanted plain name is matched by a plain value or by the CN of a
    distinguished one.
    """
    values = tuple(directory_values)
    parsed = [(value, parse_dn(value)) for value in values]
    names = frozenset(dn for _, dn in parsed if dn is not None)
    plain = frozenset(fold(value) for value, dn in parsed if dn is None)
    common = frozenset(name for dn in names for name in dn.common_names)
    return tuple(group for group in wanted if _holds(group, plain | common, names))
