"""What is known of each part of a query once it is checked: its SQL, what its values mean, where they come from. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from bowerbird.votable.field import Datatype

from bowerbird_services.cone import ConeSearch
from bowerbird_services.tables import Column, Table

WHOLE = frozenset({Datatype.UNSIGNED_BYTE, Datatype.SHORT, Datatype.INT, Datatype.LONG})
NUMBERS = WHOLE | {Datatype.FLOAT, Datatype.DOUBLE}
TEXTS = frozenset({Datatype.CHAR, Datatype.UNICODE_CHAR})


@dataclass(frozen=True, slots=True)
class Shape:
    """A region as it is written: `kind` is a function of ADQL, or REGION where only its values tell; `parts` its numbers."""

    kind: str
    parts: tuple["Expression", ...] = ()


# The names of the two columns that are the main position of each row.
Position = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Match:
    """That two positions lie within `radius` degrees, in a form a join can use; `closed` where those at the radius do."""

    left: Shape
    right: Shape
    radius: float
    closed: bool = True


@dataclass(frozen=True, slots=True)
class Expression:
    """A value: its SQL and the column that it would be in a result.

    `sources` are the aliases of the tables that it reads. `constant` is its number where it is one. `predicate` is the
    condition that a function returns as 0 or 1; `match` what of a condition a join can use.
    """

    sql: str
    column: Column
    sources: frozenset[str] = frozenset()
    constant: float | None = None
    shape: Shape | None = None
    predicate: str | None = None
    match: Match | None = None
    distance: tuple[Shape, Shape] | None = None
    is_condition: bool = False
    aggregates: bool = False
    direct: tuple["Source", Column] | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """A position of each row of a source, as SQL, and the radius of the match whose cells it stands in."""

    ra: str
    dec: str
    radius: float


@dataclass(slots=True, eq=False)
class Source:
    """One table, subquery or named query in FROM. Its rows have a column for each of `cells`, and are copied for each of `replicas`.

    Where `position` names two columns, the rows have HEALPIX_COLUMN too, which is theirs. The query reads the columns `used`.
    """

    alias: str
    name: str
    sql: str
    columns: tuple[Column, ...]
    table: Table | None = None
    rows: int | None = None
    position: Position | None = None
    cells: list[Place] = field(default_factory=list)
    replicas: list[Place] = field(default_factory=list)
    used: set[str] = field(default_factory=set)

    def find(self, name: str, *, delimited: bool) -> Column | None:
        """Return the column of that name: exactly where it is delimited, without case where it is not."""
        for column in self.columns:
            if column.name == name or (not delimited and column.name.lower() == name.lower()):
                return column
        return None


@dataclass(frozen=True, slots=True)
class Placed:
    """A source that is a table, and which of its columns are the position that is matched."""

    source: Source
    table: Table
    position: Position


@dataclass(frozen=True, slots=True)
class Pairing:
    """Two sources whose pairs within `radius` degrees are found together: rows that came with the query, and a table's."""

    given: Placed
    stored: Placed
    radius: float


@dataclass(slots=True)
class Scope:
    """What names mean inside one SELECT: its sources, the columns that a join merged, and the SELECT around it.

    FROM is `on` conditions of its joins over its sources, or over the pairs of a `pairing`.
    """

    sources: list[Source] = field(default_factory=list)
    merged: dict[str, Expression] = field(default_factory=dict)
    named: dict[str, "Named"] = field(default_factory=dict)
    outer: "Scope | None" = None
    outputs: dict[str, Expression] = field(default_factory=dict)
    of_two_tables: bool = False
    on: list[str] = field(default_factory=list)
    pairing: Pairing | None = None

    def query(self, name: str) -> "Named | None":
        """Return the named query (WITH) that is visible here."""
        scope: Scope | None = self
        while scope is not None:
            if name.lower() in scope.named:
                return scope.named[name.lower()]
            scope = scope.outer
        return None


@dataclass(frozen=True, slots=True)
class Named:
    """A query of WITH: the identifier that stands for it, its columns, and its position as `Source` has it."""

    identifier: str
    columns: tuple[Column, ...]
    position: Position | None = None


@dataclass(frozen=True, slots=True)
class Selected:
    """A query that was checked: its SQL, the columns of its rows, its position as `Source` has it; `cone` where it is one alone."""

    sql: str
    columns: tuple[Column, ...]
    position: Position | None = None
    cone: ConeSearch | None = None


def quoted(name: str) -> str:
    """Return a name as DuckDB's delimited identifier."""
    return '"' + name.replace('"', '""') + '"'


def text(value: str) -> str:
    """Return DuckDB's literal of a text."""
    return "'" + value.replace("'", "''") + "'"


def number(value: float) -> str:
    """Return DuckDB's literal of a double."""
    return f"({value!r}::DOUBLE)" if value < 0 else f"{value!r}::DOUBLE"


def together(parts: Sequence[Expression]) -> frozenset[str]:
    """Return all the sources that some values read."""
    return frozenset().union(*(part.sources for part in parts)) if parts else frozenset()
