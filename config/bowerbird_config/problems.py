"""What is wrong with a platform file: where, what, and the remedy."""

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

# The way to a part of a file: keys of mappings and numbers in lists.
Steps = tuple[str | int, ...]

_SHOWN = 12
_COMPARED = 500


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """A line of a file, counted from 1."""

    file: Path
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing to mend."""

    place: Place
    what: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.place}: {self.what}; {self.remedy}"


@dataclass(frozen=True, slots=True)
class Finding:
    """Something wrong at a part of a file, whose line is not known yet."""

    steps: Steps
    what: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.what}; {self.remedy}"


class ConfigError(Exception):
    """A platform file is wrong; `problems` says all that is."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(map(str, self.problems)))


def nearest(name: str, defined: Iterable[str]) -> str | None:
    """Return the defined name that was probably meant; None where none is near."""
    names = list(defined)
    if len(names) > _COMPARED:  # comparing costs more than it helps
        return None
    folded = {n.casefold(): n for n in names}
    return next((folded[n] for n in get_close_matches(name.casefold(), folded, n=1)), None)


def choose_from(name: str, defined: Iterable[str], title: str = "defined") -> str:
    """Return the remedy for a name that is not among the defined ones."""
    names = list(defined)
    if not names:
        return f"{title}: none"
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    listing = f"{title}: {', '.join(repr(n) for n in names[:_SHOWN])}{more}"
    meant = nearest(name, names)
    return f"did you mean {meant!r}? {listing[0].upper()}{listing[1:]}" if meant else listing
