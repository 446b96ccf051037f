"""A table in a VOTable, read forwards a part at a time."""

import gzip
import io
import zlib
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import IO, Self

import pyarrow as pa
from bowerbird.errors import VOTableError
from bowerbird.votable import Field, Reader, Table
from bowerbird.votable.field import TEXTS

from bowerbird_services.ingest.source import BATCH_ROWS, BadSource, Described, one_of
from bowerbird_services.store.columns import ARROW, arrow_array, arrow_schema, kept_as
from bowerbird_services.tables import Column

_GZIP = b"\x1f\x8b"


class VOTableSource:
    """One table of a VOTable."""

    def __init__(self, path: Path, part: int | str | None) -> None:
        self._file = _opened(path)
        try:
            self._parts = _parts(self._file)
            self._first = _wanted(self._parts, part)
            header = self._first.header
            columns = tuple(_column(field, number) for number, field in enumerate(header.fields, 1))
        except BadSource:
            self._file.close()
            raise
        self.described = Described(columns, header.description or "")

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Yield the rows; see `Source.batches`."""
        columns, table = self.described.columns, self._first
        schema = arrow_schema(columns)
        while table.index == self._first.index:
            arrays = [arrow_array(values, column) for values, column in zip(table.columns, columns, strict=True)]
            yield from pa.Table.from_arrays(arrays, schema=schema).to_batches(BATCH_ROWS)
            following = next(self._parts, None)
            if following is None:
                return
            table = following

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._file.close()


def _opened(path: Path) -> IO[bytes]:
    with path.open("rb") as file:
        packed = file.read(len(_GZIP)) == _GZIP
    return io.BufferedReader(gzip.open(path)) if packed else path.open("rb")


def _parts(file: IO[bytes]) -> Iterator[Table]:
    try:
        yield from Reader(file)
    except (VOTableError, EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise BadSource(f"is no whole VOTable ({error})") from error


def _wanted(parts: Iterator[Table], part: int | str | None) -> Table:
    """Return the first rows of the table that is asked for; BadSource where it is not there."""
    names: list[str] = []
    for table in parts:
        if table.index < len(names):
            continue  # more rows of a table that nobody asked for
        names.append(table.header.name or table.header.id or "")
        if part is None or part == len(names) or (isinstance(part, str) and part.lower() == names[-1].lower()):
            return table
    one_of(part, names)
    raise BadSource("has no table in it")


def _column(field: Field, number: int) -> Column:
    name = field.name or field.id or f"col{number}"
    datatype = kept_as(field.datatype)
    if datatype not in ARROW:
        raise BadSource(f"has the column {name!r} of the datatype {field.datatype}, which a table here cannot have")
    size = "*" if datatype in TEXTS else None if field.arraysize == "1" else field.arraysize
    return Column(
        name,
        datatype,
        size,
        field.xtype,
        ucd=field.ucd,
        utype=field.utype,
        description=field.description or "",
        raw_unit=field.unit or None,
    )
