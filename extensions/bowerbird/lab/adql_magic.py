"""`%%adql`: a cell that is a query, its rows in a variable, an error underlined where it is."""

import argparse
import re
import shlex
import sys
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Never

from IPython.display import display

from bowerbird import catalogues
from bowerbird.errors import BadArgument, QueryRefused
from bowerbird.lab import row_estimate
from bowerbird.lab.query_progress import Watch
from bowerbird.vo.tap import Question
from bowerbird.vo.uploads import documents

_PLACE = re.compile(r"line (\d+), column (\d+)")
_USAGE = "%%adql [NAME] [--service URL] [--limit ROWS] [--background] [--fresh] [--upload NAME ...]"
# A job may take as long as its service lets it: the person sees it, and can stop it.
_SECONDS = 24 * 3600.0


class _Options(argparse.ArgumentParser):
    """Refuses with a sentence, and ends no kernel."""

    def error(self, message: str) -> Never:
        """Raise what is wrong."""
        raise BadArgument(f"{message}; it is {_USAGE}")


def options(line: str) -> argparse.Namespace:
    """Return what the first line of the cell asks for; ValueError says how it is written."""
    parser = _Options(prog="%%adql", usage=_USAGE, add_help=False)
    parser.add_argument("name", nargs="?", default="")
    parser.add_argument("--service")
    parser.add_argument("--limit", type=int)
    parser.add_argument("--background", action="store_true")
    parser.add_argument("--fresh", action="store_true")
    parser.add_argument("--upload", action="append", default=[])
    asked = parser.parse_args(shlex.split(line))
    if asked.name and not asked.name.isidentifier():
        raise BadArgument(f"{asked.name!r} is no name of a variable; it is {_USAGE}")
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
        raise BadArgument(f"--upload {missing[0]}: there is no variable {missing[0]} in this notebook")
    return {name: variables[name] for name in names}


def adql(shell: Any, line: str, cell: str) -> Any:
    """Run a cell; its rows are shown, and are in the variable that it names."""
    asked = options(line)
    given = documents(tables(asked.upload, shell.user_ns))
    question = Question(cell, given, asked.limit, asked.background, keep=not asked.fresh)
    watch = Watch(display)
    try:
        _say_how_many(question, asked.service)
        with _warnings_as_sentences():
            rows = catalogues.asked(question, asked.service, _SECONDS, "qtable", follow=watch.follow, look=watch.look)
    except QueryRefused as refused:
        marked = underlined(cell, refused.trouble)
        if marked:
            print(marked, file=sys.stderr)
        raise
    finally:
        watch.end()
    if asked.name:
        shell.user_ns[asked.name] = rows
    from bowerbird.lab.result_table import ResultTable  # noqa: PLC0415  # a query that fails needs no widget

    return ResultTable(rows, name=asked.name or "table")


@contextmanager
def _warnings_as_sentences() -> Iterator[None]:
    """Print a warning as its sentence: the line that it would point at is no line of the cell."""
    with warnings.catch_warnings(record=True) as caught:
        yield
    for one in caught:
        print(f"{one.category.__name__}: {one.message}", file=sys.stderr)


def _say_how_many(question: Question, service: str | None) -> None:
    if question.limit is not None:
        return

    def count(adql: str) -> int:
        counted = catalogues.asked(replace(question, adql=adql), service, row_estimate.SECONDS, "table")
        return int(counted["rows_found"][0])

    said = row_estimate.warning(question.adql, count)
    if said:
        print(said)
