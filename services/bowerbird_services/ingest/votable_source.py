"""A table in a VOTable, whole in memory."""

import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import pyarrow as pa
from astropy.io.votable import parse
from bowerbird.votable.field import TEXTS, Datatype

from bowerbird_services.ingest.source import BATCH_ROWS, BadSource, Described, one_of
from bowerbird_services.store.columns import ARROW, arrow_type
from bowerbird_services.tables import Column


class VOTableSource:
    """One table of a VOTable."""

    def __init__(self, path: Path, part: int | str | None) -> None:
        try:
            with warnings.catch_warnings(action="ignore"):
                whole = parse(path, verify="ignore", unit_format="vounit")
        except Exception as error:  # the parser lets any error of XML, numpy and zlib through
            raise BadSource("is no whole VOTable") from error
        tables = list(whole.iter_tables())
        table = tables[one_of(part, [table.name or table.ID or "" for table in tables])]
        self._array = table.array
        self.described = Described(tuple(_column(field) for field in table.fields), str(table.description or ""))

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Yield the rows; see `Source.batches`."""
        names = self._array.dtype.names
        schema = pa.schema([(column.name, arrow_type(column)) for column in self.described.columns])
        for start in range(0, len(self._array), BATCH_ROWS):
            rows = self._array[start : start + BATCH_ROWS]
            arrays = [_arrow(rows[name], column) for name, column in zip(names, self.described.columns, strict=True)]
            yield pa.RecordBatch.from_arrays(arrays, schema=schema)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        pass


def _column(field: Any) -> Column:
    name = str(field.name or field.ID)
    if field.datatype == "bit":
        datatype = Datatype.BOOLEAN
    elif field.datatype in ARROW:
        datatype = Datatype(field.datatype)
    else:
        raise BadSource(f"has the column {name!r} of the datatype {field.datatype}, which a table here cannot have")
    column = Column(
        name, datatype, field.arraysize, field.xtype, ucd=field.ucd, utype=field.utype, description=str(field.description or "")
    )
    unit = str(field.unit) if field.unit is not None else None
    return replace(column, raw_unit=unit or None, arraysize="*" if datatype in TEXTS else column.arraysize)


def _arrow(values: Any, column: Column) -> pa.Array:
    kind = arrow_type(column)
    if column.datatype in TEXTS:
        return pa.array([_text(value) for value in values], kind)
    if values.dtype == object or values.ndim > 1:
        return pa.array([np.ma.asarray(value).reshape(-1).tolist() for value in values], kind)
    return pa.array(np.asarray(values.data), mask=np.ma.getmaskarray(values)).cast(kind)


def _text(value: Any) -> str | None:
    if value is None or value is np.ma.masked:
        return None
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
