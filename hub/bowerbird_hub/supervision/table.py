"""What `up` shows: a live table of parts on a terminal, a line for each change elsewhere."""

import os
import shutil
import sys
from dataclasses import dataclass
from typing import Protocol, TextIO

import click

_COLOURS = {"ready": "green", "refused": "red", "restarting": "yellow", "missing": "yellow"}


# Lines that are written cannot be widened later; this is the longest name of a part.
_WIDTH = len("demo releases")


@dataclass(frozen=True, slots=True)
class Row:
    """One part, and what is to be said of it; `state` is its first word."""

    name: str
    state: str
    rest: str = ""

    def line(self, width: int, *, coloured: bool) -> str:
        """Return the row as a line, the name filled up to that width."""
        state = click.style(self.state, fg=_COLOURS[self.state]) if coloured and self.state in _COLOURS else self.state
        return f"  {self.name:<{width}}  {state} {self.rest}".rstrip()


class Display(Protocol):
    """Where progress is shown."""

    def show(self, row: Row) -> None:
        """Show a part's row, in the place of its last one."""

    def say(self, text: str) -> None:
        """Show a sentence."""


class Lines:
    """A line for each change: for logs, pipes and services."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._shown: dict[str, Row] = {}

    def show(self, row: Row) -> None:
        """Show a part's row where it says something new."""
        if self._shown.get(row.name) != row:
            self._shown[row.name] = row
            self._write(row.line(max(_WIDTH, *map(len, self._shown)), coloured=False))

    def say(self, text: str) -> None:
        """Show a sentence."""
        self._write(text)

    def _write(self, text: str) -> None:
        print(text, file=self._out, flush=True)


class Table:
    """Rows that are written over in place, on a terminal."""

    def __init__(self, out: TextIO, columns: int) -> None:
        self._out = out
        self._columns = columns
        self._rows: dict[str, Row] = {}
        self._drawn = 0

    def show(self, row: Row) -> None:
        """Show a part's row in its place."""
        self._rows[row.name] = row
        self._draw()

    def say(self, text: str) -> None:
        """Show a sentence below the table, which begins anew after it."""
        self._rows.clear()
        self._drawn = 0
        print(text, file=self._out, flush=True)

    def _draw(self) -> None:
        width = max(map(len, self._rows))
        up = f"\x1b[{self._drawn}A" if self._drawn else ""
        lines = [self._line(row, width) for row in self._rows.values()]
        self._drawn = len(lines)
        print(up + "".join(f"\x1b[2K{line}\n" for line in lines), end="", file=self._out, flush=True)

    def _line(self, row: Row, width: int) -> str:
        # A line that wraps would be two to write over; what is cut off here stands in `status` and in the log.
        room = max(10, self._columns - width - len(row.state) - 6)
        cut = row.rest if len(row.rest) <= room else row.rest[: room - 1] + "…"
        return Row(row.name, row.state, cut).line(width, coloured="NO_COLOR" not in os.environ)


def display_on(out: TextIO = sys.stdout) -> Display:
    """Return the display that fits where the output goes."""
    if not out.isatty() or os.environ.get("TERM") == "dumb":
        return Lines(out)
    return Table(out, shutil.get_terminal_size().columns)
