"""What was read: tables with their columns, and the document around them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from bowerbird.errors import VOTableError
from bowerbird.votable.field import Field
from bowerbird.votable.header import Coosys, Group, Header, Info, Link, Param, Timesys
from bowerbird.votable.ragged import Array

if TYPE_CHECKING:
    from astropy.table import QTable
    from astropy.table import Table as AstropyTable


@dataclass(frozen=True, slots=True)
class Table:
    """A TABLE: its header, and a masked array for each field. `index` is its place in the document."""

    header: Header
    columns: Sequence[Array]
    index: int = 0

    @property
    def fields(self) -> Sequence[Field]:
        """Its fields."""
        return self.header.fields

    @property
    def names(self) -> list[str]:
        """The names of its columns: of several alike, the later ones get a number."""
        made: list[str] = []
        for number, one in enumerate(self.fields, 1):
            name = one.name or one.id or f"col{number}"
            made.append(name if name not in made else f"{name}_{number}")
        return made

    def __len__(self) -> int:
        return len(self.columns[0]) if self.columns else 0

    def __getitem__(self, name: str) -> Array:
        names = self.names
        if name not in names:
            raise KeyError(f"no column {name!r}; there are {', '.join(names)}")
        return self.columns[names.index(name)]

    def __iter__(self) -> Iterator[Array]:
        return iter(self.columns)

    def to_table(self) -> "AstropyTable":
        """Return an astropy Table: masked where there are nulls; a unit that astropy does not know keeps its text."""
        from bowerbird.votable import astropy_table  # noqa: PLC0415  # astropy's tables: half a second that a server does not need

        return astropy_table.table(self)

    def to_qtable(self) -> "QTable":
        """Return an astropy QTable: what has a unit is a Quantity, integers stay integers; of an unknown unit the text is kept."""
        from bowerbird.votable import astropy_table  # noqa: PLC0415  # as above

        return astropy_table.qtable(self)

    @property
    def meta(self) -> dict[str, Any]:
        """What is said of it, for the meta of an astropy Table."""
        told = {"name": self.header.name, "description": self.header.description, "id": self.header.id, "utype": self.header.utype}
        meta: dict[str, Any] = {key: value for key, value in told.items() if value}
        listed = {"infos": self.header.infos, "params": self.header.params, "coosys": self.header.coosys, "timesys": self.header.timesys}
        return meta | {key: list(value) for key, value in listed.items() if value}


@dataclass(frozen=True, slots=True)
class VOTable:
    """A document: its tables, and what is said around them."""

    tables: tuple[Table, ...] = ()
    infos: tuple[Info, ...] = ()
    params: tuple[Param, ...] = ()
    coosys: tuple[Coosys, ...] = ()
    timesys: tuple[Timesys, ...] = ()
    groups: tuple[Group, ...] = ()
    links: tuple[Link, ...] = ()
    description: str = ""
    version: str | None = None
    resource_types: tuple[str, ...] = field(default=())

    @property
    def status(self) -> str:
        """The last QUERY_STATUS (an error in the middle comes after an OK), or OK where there is none."""
        said = [info.value.strip().upper() for info in self.infos if info.name == "QUERY_STATUS"]
        for worst in ("ERROR", "OVERFLOW"):
            if worst in said:
                return worst
        return said[-1] if said else "OK"

    @property
    def message(self) -> str:
        """What stands beside that status."""
        said = [info for info in self.infos if info.name == "QUERY_STATUS" and info.value.strip().upper() == self.status]
        return said[-1].text.strip() if said else ""

    @property
    def overflow(self) -> bool:
        """Whether there would have been more rows."""
        return self.status == "OVERFLOW"

    @property
    def table(self) -> Table:
        """The one table, or the first; raises VOTableError with the service's words where it answered with an error."""
        if self.status == "ERROR":
            raise VOTableError(f"the service answered with an error: {self.message or 'it does not say which'}")
        if not self.tables:
            raise VOTableError("the document has no table")
        return self.tables[0]

    def to_table(self) -> "AstropyTable":
        """Return the first table as an astropy Table."""
        return self._told().to_table()

    def to_qtable(self) -> "QTable":
        """Return the first table as an astropy QTable."""
        return self._told().to_qtable()

    def _told(self) -> Table:
        """Return the first table with what is said around it, for its meta."""
        table = self.table
        return replace(table, header=replace(table.header, infos=self.infos, params=self.params, coosys=self.coosys, timesys=self.timesys))
