"""Completion in a cell of `%%adql`: tables, columns and functions, each with a few words. Where a service is silent, so is this."""

import re
import shlex
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from bowerbird.errors import ServiceError
from bowerbird.lab.adql_words import FUNCTIONS, KEYWORDS
from bowerbird.vo.loop import LOOP
from bowerbird.vo.session import session
from bowerbird.vo.vocabulary import Vocabulary, Word, columns, vocabulary

_TYPED = re.compile(r"(?:(?P<table>[\w.]+)\.)?(?P<word>\w*)$")
_TABLE, _ALIAS = r"(?P<table>\w+(?:\.\w+)*)(?![\w.])", r"(?!(?:FROM|JOIN|WHERE|ON|USING|AS|GROUP|ORDER)\b)(?P<alias>\w+)"
_NAMED = re.compile(rf"\b(?:FROM|JOIN|,)\s+{_TABLE}(?:\s+(?:AS\s+)?{_ALIAS})?", re.IGNORECASE)
_UPLOAD = "tap_upload"
# Who types waits no longer than this; a service that gave no answer is left alone for a while.
_PATIENCE_SECONDS = 2.0
_SILENCE_SECONDS = 60.0
_KEEP_SECONDS = 900.0
_LONGEST_NOTE = 60
_NOTHING = Vocabulary()


class Words:
    """The vocabularies of services that were asked, by address."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._known: dict[str, tuple[float, Vocabulary]] = {}

    def of(self, service: str | None) -> Vocabulary:
        """Return what is known of a service; nothing where it does not answer."""
        key = service or ""
        until, known = self._known.get(key, (0.0, _NOTHING))
        if self._clock() < until:
            return known
        try:
            known, keep = LOOP.run(vocabulary(session().tap(service), _PATIENCE_SECONDS)), _KEEP_SECONDS
        except (ServiceError, ValueError):
            keep = _SILENCE_SECONDS
        self._known[key] = (self._clock() + keep, known)
        return known

    def columns(self, service: str | None, table: str) -> tuple[Word, ...]:
        """Return the columns of a table; none where it is not known, or the service does not answer."""
        known = self.of(service)
        name = known.name_of(table)
        if name is None:
            return ()
        if name not in known.columns:
            try:
                known.columns[name] = LOOP.run(columns(session().tap(service), name, _PATIENCE_SECONDS))
            except (ServiceError, ValueError):
                return ()
        return known.columns[name]


def proposals(cell: str, typed: str, words: Words, variables: Mapping[str, Any]) -> tuple[str, list[tuple[str, Word]]]:
    """Return the piece before the cursor that is being written, and what it may become: kind and word. `typed` ends at the cursor."""
    first, _, query = cell.lstrip().partition("\n")
    service = _service(first)
    found = _TYPED.search(typed)
    table, word = (found["table"], found["word"]) if found else (None, "")
    named = {(match["alias"] or match["table"]).lower(): match["table"] for match in _NAMED.finditer(query)}
    named |= {name.lower(): name for name in list(named.values())}

    def of(name: str) -> list[tuple[str, Word]]:
        if name.lower().startswith(f"{_UPLOAD}."):
            return [("column", one) for one in _own(variables.get(name.partition(".")[2]))]
        return [("column", one) for one in words.columns(service, name)]

    if table is not None and table.lower() in named:
        return word, _beginning(of(named[table.lower()]), word)
    tables = [("table", one) for one in words.of(service).tables]
    if table is not None:
        whole = f"{table}.{word}"
        return whole, _beginning(tables, whole)
    columns_ = [one for name in dict.fromkeys(named.values()) for one in of(name)]
    functions = [("function", Word(name, note)) for name, note in FUNCTIONS.items()]
    functions += [("function", one) for one in words.of(service).functions]
    keywords = [("keyword", Word(name)) for name in KEYWORDS]
    return word, _beginning([*columns_, *tables, *functions, *keywords], word)


def _service(first_line: str) -> str | None:
    try:
        parts = shlex.split(first_line)
        return parts[parts.index("--service") + 1]
    except (ValueError, IndexError):
        return None


def _own(table: Any) -> Iterator[Word]:
    """Yield the columns of a table of the notebook."""
    for name in getattr(table, "colnames", None) or getattr(table, "column_names", None) or getattr(table, "columns", None) or ():
        unit = getattr(table[name], "unit", None)
        yield Word(str(name), str(unit or ""))


def _beginning(offered: list[tuple[str, Word]], start: str) -> list[tuple[str, Word]]:
    found = {word.name.lower(): (kind, word) for kind, word in reversed(offered) if word.name.lower().startswith(start.lower())}
    return [found[key] for key in reversed(found)]


def beside(kind: str, word: Word) -> str:
    """Return what stands beside a proposal."""
    note = word.note if len(word.note) <= _LONGEST_NOTE else f"{word.note[: _LONGEST_NOTE - 1]}…"
    return f"{kind} {note}".strip()
