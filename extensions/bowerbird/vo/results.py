"""What a service answered, in the spool, and the forms that it is given in."""

import tempfile
from dataclasses import dataclass
from functools import cached_property
from typing import IO, TYPE_CHECKING, Any

from bowerbird.errors import BadArgument, NotATable, Overflow, QueryRefused, VOTableError
from bowerbird.spaced import spaced
from bowerbird.votable import VOTable, read
from bowerbird.warned import warn

if TYPE_CHECKING:
    import pyarrow as pa
    from astropy.table import QTable
    from astropy.table import Table as AstropyTable

_IN_MEMORY_BYTES = 8 << 20
_PAGE = (b"<!doctype html", b"<html")
_LOOK_BYTES = 512
# An INFO of our own services.
_OPEN = ("ACCESS", "public")
_EDITION = "EDITION"
_FORMS = ("qtable", "table", "arrow", "pyvo")


def check_form(form: str) -> None:
    """Raise BadArgument for a form that rows are not given in."""
    if form not in _FORMS:
        raise BadArgument(f"form is {form!r}; it is 'qtable', 'table', 'arrow' or 'pyvo'")


def spool() -> IO[bytes]:
    """Return a file for an answer: in memory while it is small, then on disk without a name."""
    return tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY_BYTES)  # who takes the answer closes it


@dataclass(frozen=True)
class Answer:
    """The answer of a service; read once, when it is first looked at. `private` is one that may be for who asked alone."""

    service: str
    query: str
    file: IO[bytes]
    private: bool = False

    @cached_property
    def votable(self) -> VOTable:
        """The whole document; raises NotATable or QueryRefused with the service's words."""
        self.file.seek(0)
        beginning = self.file.read(_LOOK_BYTES).lstrip()
        self.file.seek(0)
        if beginning.lower().startswith(_PAGE):
            way_out = "check the address, which may lead to a sign-in page"
            raise NotATable(self.service, "answered with a page for people, not with a table", way_out, self.query)
        try:
            found = read(self.file)
        except VOTableError as error:
            way_out = "ask again; if it comes again, tell its administrator"
            raise NotATable(self.service, f"answered with what is no whole VOTable ({error})", way_out, self.query) from error
        if found.status == "ERROR":
            raise QueryRefused(self.service, found.message, query=self.query)
        return found

    @property
    def overflow(self) -> bool:
        """Whether there would have been more rows."""
        return self.votable.overflow

    @property
    def open_to_all(self) -> bool:
        """Whether all of it may be kept: nobody signed in for it, or the service says that everybody may read it."""
        return not self.overflow and (not self.private or any((one.name, one.value) == _OPEN for one in self.votable.infos))

    @property
    def editions(self) -> dict[str, str]:
        """Of which edition each table was that the rows come from, where the service says so."""
        said = (one.value.rpartition(" ") for one in self.votable.infos if one.name == _EDITION)
        return {table: edition for table, _, edition in said if table}

    def warn(self) -> None:
        """Warn where rows are missing."""
        if self.overflow:
            rows = spaced(len(self.votable.table))
            warn(f"{self.service} cut the answer off at {rows} rows; ask for more with limit=, or for fewer in the query", Overflow)

    def to(self, form: str) -> Any:
        """Return the rows in a form that `check_form` knows."""
        return getattr(self, f"to_{form}")()

    def to_table(self) -> "AstropyTable":
        """Return an astropy Table."""
        return self._marked(self.votable.to_table())

    def to_qtable(self) -> "QTable":
        """Return an astropy QTable; its meta says service, query and whether it overflowed."""
        return self._marked(self.votable.to_qtable())

    def to_arrow(self) -> "pa.Table":
        """Return an Arrow table; nulls are nulls, unit, UCD and description are metadata of its fields."""
        import pyarrow as pa  # noqa: PLC0415  # only who asks for Arrow needs it

        table = self.votable.table
        arrays, fields = [], []
        for name, field, column in zip(table.names, table.fields, table.columns, strict=True):
            values = _arrow(column)
            told = {key: value for key, value in (("unit", field.unit), ("ucd", field.ucd), ("description", field.description)) if value}
            arrays.append(values)
            fields.append(pa.field(name, values.type, metadata=told or None))
        return pa.Table.from_arrays(arrays, schema=pa.schema(fields))

    def to_pyvo(self) -> Any:
        """Return pyvo's TAPResults of the same document."""
        from astropy.io.votable import parse  # noqa: PLC0415  # slow to import
        from pyvo.dal import TAPResults  # noqa: PLC0415  # as above

        _ = self.votable
        self.file.seek(0)
        return TAPResults(parse(self.file), url=self.service)

    def _marked(self, table: Any) -> Any:
        table.meta.update(service=self.service, query=self.query, overflow=self.overflow)
        return table


def _arrow(column: Any) -> Any:
    import numpy as np  # noqa: PLC0415  # with pyarrow
    import pyarrow as pa  # noqa: PLC0415  # only who asks for Arrow needs it

    mask: Any = np.ma.getmaskarray(column)
    if column.ndim > 1 or column.dtype.kind == "O":
        hidden = mask.reshape(len(mask), -1).all(axis=1) if mask.ndim > 1 else mask
        plain = np.ma.getdata(column)
        return pa.array(
            [
                None if gone else cell if isinstance(cell, str) else np.asarray(cell).tolist()
                for cell, gone in zip(plain, hidden, strict=True)
            ]
        )
    return pa.array(np.ma.getdata(column), mask=mask)
