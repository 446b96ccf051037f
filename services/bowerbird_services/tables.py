"""What the services know of a table: its columns, its positions, whose it is, and where its rows lie. Pure."""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from bowerbird.votable.field import Datatype


@dataclass(frozen=True, slots=True)
class TimeFrame:
    """What times of a column are counted by, in the words of VOTable 1.4 (section 3.5).

    `origin` is where numbers begin: MJD-origin, JD-origin or a Julian date; years and timestamps have none.
    """

    scale: str
    place: str
    origin: str | None = None


@dataclass(frozen=True, slots=True)
class Column:
    """One column, as VODataService 1.2 and a VOTable FIELD describe it. `unit` is a VOUnit; `raw_unit` what the source said."""

    name: str
    datatype: Datatype
    arraysize: str | None = None
    xtype: str | None = None
    unit: str | None = None
    ucd: str | None = None
    utype: str | None = None
    description: str = ""
    raw_unit: str | None = None
    principal: bool = True
    indexed: bool = False
    std: bool = False
    time: TimeFrame | None = None


@dataclass(frozen=True, slots=True)
class Position:
    """Which columns of a table are its main position (degrees), in which frame, and at which epoch (a Julian year)."""

    ra: str
    dec: str
    frame: str = "ICRS"
    epoch: float | None = None
    pm_ra: str | None = None
    pm_dec: str | None = None


# Nested HEALPix index at order 29 of the main position: rows are sorted by it, and no client sees it.
HEALPIX_COLUMN = "_healpix"
HEALPIX_ORDER = 29


@dataclass(frozen=True, slots=True)
class Table:
    """One table that can be queried, as `schema.name`.

    `release` is (collection, release); None where it is everybody's, as TAP_SCHEMA is. A table with a `position` has
    HEALPIX_COLUMN in its Parquet `files` beside `columns`.
    """

    schema: str
    name: str
    columns: tuple[Column, ...]
    description: str = ""
    title: str = ""
    utype: str | None = None
    release: tuple[str, str] | None = None
    position: Position | None = None
    files: tuple[Path, ...] = ()
    rows: int = 0

    @property
    def full_name(self) -> str:
        """Its name in a query."""
        return f"{self.schema}.{self.name}"

    @property
    def view(self) -> str:
        """The one identifier, to be delimited, by which a back end's SQL names the table."""
        return self.full_name.lower()

    @property
    def edition(self) -> str:
        """What changes when its rows or what is said of them do: each making of a table has files of names of their own."""
        return hashlib.sha256("/".join(file.name for file in self.files).encode()).hexdigest()[:16]

    def column(self, name: str) -> Column | None:
        """Return the column of that name as ADQL compares names: without case."""
        return next((column for column in self.columns if column.name.lower() == name.lower()), None)


class Catalogue:
    """The tables that one identity may see, by name without case."""

    def __init__(self, tables: Iterable[Table]) -> None:
        self._tables = {table.full_name.lower(): table for table in tables}

    def __iter__(self) -> Iterator[Table]:
        return iter(self._tables.values())

    def __len__(self) -> int:
        return len(self._tables)

    def get(self, full_name: str) -> Table | None:
        """Return the table of that qualified name."""
        return self._tables.get(full_name.lower())

    def refusal(self, full_name: str) -> str | None:
        """Return why a table of that name is refused, where more is known than that it is not there."""
