"""An answer as a VOTable 1.4, by the engine that notebooks use too."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Literal

import pyarrow as pa
from bowerbird.votable import Field, Header, Info, Service, VOTableError, Writer

from bowerbird_services.engine import QueryFault
from bowerbird_services.frames import systems, times
from bowerbird_services.rows import fitted, numpy_columns, schema_of
from bowerbird_services.tables import Column, Table

Serialization = Literal["BINARY2", "BINARY", "TABLEDATA"]

# BINARY has no flags: of each integer type the value that stands for null, as STIL chooses it too.
_NULLS = {"unsignedByte": 255, "short": -(1 << 15), "int": -(1 << 31), "long": -(1 << 63)}


@dataclass(frozen=True, slots=True, eq=False)
class _Kind:
    """What answers have in common; two are the same where they were made of the very same objects, which is found out at once."""

    columns: Sequence[Column]
    tables: tuple[Table, ...]
    serialization: Serialization
    # The names of the columns that services take values from.
    taken: tuple[str, ...] = ()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Kind) and self._key == other._key

    def __hash__(self) -> int:
        return hash(self._key)

    @property
    def _key(self) -> tuple[object, ...]:
        return (id(self.columns), self.serialization, self.taken, *map(id, self.tables))


@lru_cache(maxsize=64)
def _head(kind: _Kind) -> tuple[pa.Schema, Header]:
    """Return the rows' schema, and the header without what differs from answer to answer."""
    columns = kind.columns
    nulls = _NULLS if kind.serialization == "BINARY" else {}
    coosys, place_of = systems(columns, kind.tables)
    timesys, time_of = times(columns)
    system_of = {**place_of, **time_of}
    fields = tuple(_field(column, system_of.get(column), nulls) for column in columns)
    for name in kind.taken:
        place = next(number for number, column in enumerate(columns) if column.name == name)
        fields = (*fields[:place], replace(fields[place], id=name), *fields[place + 1 :])
    return schema_of(columns), Header(fields, coosys=coosys, timesys=timesys)


class VOTableWriter:
    """Writes rows as they come; the last word of an overflow or a failure is an INFO after them (DALI 1.1, section 4.4)."""

    def __init__(
        self,
        columns: Sequence[Column],
        infos: Sequence[tuple[str, str]],
        serialization: Serialization,
        tables: Sequence[Table] = (),
        services: Sequence[Service] = (),
    ) -> None:
        taken = tuple(given.field.ref for service in services for given in service.inputs if given.field.ref)
        self._schema, header = _head(_Kind(columns, tuple(tables), serialization, taken))
        self._services = services
        told = (Info("QUERY_STATUS", "OK"), *(Info(name, value) for name, value in infos))
        self._fields = header.fields
        self._writer = Writer(replace(header, infos=told), serialization)

    def start(self) -> bytes:
        """Return everything before the rows."""
        return self._writer.start()

    def rows(self, batch: pa.RecordBatch) -> bytes:
        """Return some rows."""
        columns = [_shaped(field, cells) for field, cells in zip(self._fields, numpy_columns(fitted(batch, self._schema)), strict=True)]
        try:
            return self._writer.rows(columns)
        except VOTableError as error:
            # What one serialization has no way to write, another has.
            raise QueryFault(f"{error}; ask for another format, such as RESPONSEFORMAT=votable/td") from error

    def end(self, overflow: bool) -> Iterable[bytes]:
        """Yield what stands after the rows."""
        yield self._writer.end((Info("QUERY_STATUS", "OVERFLOW"),) if overflow else (), self._services)

    def failed(self, message: str) -> bytes | None:
        """Return the end of an answer that broke off."""
        return self._writer.end((Info("QUERY_STATUS", "ERROR", message),))


def _shaped(field: Field, cells: Any) -> Any:
    """Return cells as the field's arraysize has them: a batch has the elements of each one behind the other."""
    shape = field.shape
    if field.is_text or shape.variable or not shape.fixed:
        return cells
    for place, cell in enumerate(cells):
        cells[place] = cell.reshape(shape.fixed) if cell.size else None
    return cells


def _field(column: Column, system: str | None, nulls: Mapping[str, int]) -> Field:
    return Field(
        column.name,
        column.datatype.value,
        column.arraysize,
        xtype=column.xtype,
        unit=column.unit,
        ucd=column.ucd,
        utype=column.utype,
        description=column.description,
        null=nulls.get(column.datatype.value),
        ref=system,
    )
