"""The one error of a query that cannot be translated."""

from collections.abc import Iterable
from difflib import get_close_matches


class ADQLError(ValueError):
    """A query that is no ADQL or asks for what is not there: one sentence, its place in the text (from 1) and a suggestion."""

    def __init__(self, message: str, line: int = 1, column: int = 1, suggestion: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.line = line
        self.column = column
        self.suggestion = suggestion

    def __str__(self) -> str:
        hint = f" Did you mean {self.suggestion}?" if self.suggestion else ""
        return f"line {self.line}, column {self.column}: {self.message}.{hint}"


class Unfit(ValueError):
    """A function was given what it does not take; the text is a sentence whose place the caller knows."""


def nearest(name: str, names: Iterable[str]) -> str | None:
    """Return the name that looks most like what was written."""
    known = {known.lower(): known for known in names}
    found = get_close_matches(name.lower(), known, n=1, cutoff=0.6)
    return known[found[0]] if found else None
