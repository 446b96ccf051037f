"""What a query of a service may name: its tables, their columns, its functions; each with a few words."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from bowerbird.vo.tap import TAP, Question

_MOST_TABLES = 20_000
_MOST_COLUMNS = 5000


@dataclass(frozen=True, slots=True)
class Word:
    """A name, and what to say of it: a unit and a description, or the form of a function."""

    name: str
    note: str = ""


@dataclass(slots=True)
class Vocabulary:
    """What is known of one service; columns are asked for table by table, since some services have half a million."""

    tables: tuple[Word, ...] = ()
    functions: tuple[Word, ...] = ()
    columns: dict[str, tuple[Word, ...]] = field(default_factory=dict)

    def name_of(self, table: str) -> str | None:
        """Return the name of a table as the service spells it."""
        return next((word.name for word in self.tables if word.name.lower() == table.lower()), None)


async def vocabulary(tap: TAP, seconds: float) -> Vocabulary:
    """Return the tables and the functions of a service; ServiceError where it does not tell."""
    adql = f"SELECT TOP {_MOST_TABLES} table_name, description FROM TAP_SCHEMA.tables"  # noqa: S608  # a number of ours
    rows = await _rows(tap, adql, seconds)
    return Vocabulary(
        tuple(Word(name, note) for name, note in rows), tuple(Word(_name(form), note) for form, note in await tap.functions())
    )


async def columns(tap: TAP, table: str, seconds: float) -> tuple[Word, ...]:
    """Return the columns of a table as the service names it."""
    quoted = table.replace("'", "''")
    adql = (
        f"SELECT TOP {_MOST_COLUMNS} column_name, unit, description FROM TAP_SCHEMA.columns "  # noqa: S608  # quoted
        f"WHERE table_name = '{quoted}'"
    )
    return tuple(Word(name, " · ".join(part for part in (unit, note) if part)) for name, unit, note in await _rows(tap, adql, seconds))


async def _rows(tap: TAP, adql: str, seconds: float) -> list[tuple[str, ...]]:
    answer = await tap.ask(Question(adql, keep=False), seconds=seconds)
    with answer.file:
        return list(zip(*(_texts(column) for column in answer.votable.table.columns), strict=True))


def _texts(column: Any) -> Iterable[str]:
    return ["" if value is None else " ".join(str(value).split()) for value in column.tolist()]


def _name(form: str) -> str:
    return form.partition("(")[0].strip()
