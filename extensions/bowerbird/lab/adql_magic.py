"""`%%adql`: a cell that is a query, its rows in a variable, an error underlined where it is."""

import argparse
import re
import shlex
import sys
from collections.abc import Mapping
from typing import Any, Never

import bowerbird
from bowerbird.errors import QueryRefused

_PLACE = re.compile(r"line (\d+), column (\d+)")
_USAGE = "%%adql [NAME] [--service URL] [--limit ROWS] [--background] [--upload NAME ...]"


class _Options(argparse.ArgumentParser):
    """Refuses with a sentence, and ends no kernel."""

    def error(self, message: str) -> Never:
        """Raise what is wrong."""
        raise ValueError(f"{message}; it is {_USAGE}")


def options(line: str) -> argparse.Namespace:
    """Return what the first line of the cell asks for; ValueError says how it is written."""
    parser = _Options(prog="%%adql", usage=_USAGE, add_help=False)
    parser.add_argument("name", nargs="?", default="")
    parser.add_argument("--service")
    parser.add_argument("--limit", type=int)
    parser.add_argument("--background", action="store_true")
    parser.add_argument("--upload", action="append", default=[])
    asked = parser.parse_args(shlex.split(line))
    if asked.name and not asked.name.isidentifier():
        raise ValueError(f"{asked.name!r} is no name of a variable; it is {_USAGE}")
    return asked


def underlined(query: str, message: str) -> str:
    """Return the line of the query that a message names, with its column marked; empty where it names none."""
    found = _PLACE.search(message)
    lines = query.splitlines()
    if found is None or not 1 <= int(found[1]) <= len(lines):
        return ""
    line, column = lines[int(found[1]) - 1], int(found[2])
    # A tab before the mark stays one, so that the mark stands below its letter.
    before = "".join(letter if letter == "\t" else " " for letter in line[: column - 1])
    return f"{line}\n{before}^"


def tables(names: list[str], variables: Mapping[str, Any]) -> dict[str, Any]:
    """Return the tables of the notebook that go along; ValueError names one that is not there."""
    missing = [name for name in names if name not in variables]
    if missing:
        raise ValueError(f"--upload {missing[0]}: there is no variable {missing[0]} in this notebook")
    return {name: variables[name] for name in names}


def adql(shell: Any, line: str, cell: str) -> Any:
    """Run a cell; its rows are shown, and are in the variable that it names."""
    asked = options(line)
    given = tables(asked.upload, shell.user_ns)
    try:
        rows = bowerbird.query(cell, given, asked.service, limit=asked.limit, background=asked.background)
    except QueryRefused as refused:
        marked = underlined(cell, refused.trouble)
        if marked:
            print(marked, file=sys.stderr)
        raise
    if asked.name:
        shell.user_ns[asked.name] = rows
    from bowerbird.lab.result_table import ResultTable  # noqa: PLC0415  # a query that fails needs no widget

    return ResultTable(rows, name=asked.name or "table")


def register(shell: Any) -> None:
    """Give a shell the magic."""

    def magic(line: str, cell: str) -> Any:
        return adql(shell, line, cell)

    shell.register_magic_function(magic, "cell", "adql")
