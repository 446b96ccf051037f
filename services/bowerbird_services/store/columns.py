"""Columns between VOTable's types and Arrow's."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import pyarrow as pa
from bowerbird.votable.field import TEXTS, Datatype

from bowerbird_services.tables import Column

# What a table may have: complex numbers have no counterpart, and bits become booleans.
ARROW = {
    Datatype.BOOLEAN: pa.bool_(),
    Datatype.UNSIGNED_BYTE: pa.uint8(),
    Datatype.SHORT: pa.int16(),
    Datatype.INT: pa.int32(),
    Datatype.LONG: pa.int64(),
    Datatype.FLOAT: pa.float32(),
    Datatype.DOUBLE: pa.float64(),
    Datatype.CHAR: pa.string(),
    Datatype.UNICODE_CHAR: pa.string(),
}


def kept_as(datatype: str) -> Datatype:
    """Return the type that values of a VOTable have in a table: bits, as which astropy writes booleans, are booleans again."""
    return Datatype.BOOLEAN if datatype == Datatype.BIT else Datatype(datatype)


def string(name: str, description: str) -> Column:
    """Return a column of texts that a standard defines."""
    return Column(name, Datatype.CHAR, "*", description=description, std=True)


def is_array(column: Column) -> bool:
    """Tell whether each cell holds several values; a text is one value."""
    return column.datatype not in TEXTS and column.arraysize not in {None, "", "1"}


def arrow_type(column: Column) -> pa.DataType:
    """Return the type of a column's values: texts are one value, other arrays are lists."""
    plain = ARROW[column.datatype]
    return pa.list_(plain) if is_array(column) else plain


def arrow_schema(columns: Iterable[Column]) -> pa.Schema:
    """Return the schema of rows with these columns."""
    return pa.schema([(column.name, arrow_type(column)) for column in columns])


def datatype_of(kind: pa.DataType) -> tuple[Datatype, str | None]:
    """Return datatype and arraysize for an Arrow type; ValueError where VOTable has none."""
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return datatype_of(kind.value_type)[0], "*"
    if pa.types.is_fixed_size_list(kind):
        return datatype_of(kind.value_type)[0], str(kind.list_size)
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return Datatype.UNICODE_CHAR, "*"
    if pa.types.is_dictionary(kind):
        return datatype_of(kind.value_type)
    if kind in _SCALARS:
        return _SCALARS[kind], None
    if pa.types.is_date(kind) or pa.types.is_timestamp(kind):
        return Datatype.CHAR, "*"
    raise ValueError(f"values of the type {kind} have no counterpart in a VOTable")


# Small signed and large unsigned integers are kept in the next type that holds them all.
_SCALARS = {
    pa.bool_(): Datatype.BOOLEAN,
    pa.int8(): Datatype.SHORT,
    pa.uint8(): Datatype.UNSIGNED_BYTE,
    pa.int16(): Datatype.SHORT,
    pa.uint16(): Datatype.INT,
    pa.int32(): Datatype.INT,
    pa.uint32(): Datatype.LONG,
    pa.int64(): Datatype.LONG,
    pa.uint64(): Datatype.LONG,
    pa.float16(): Datatype.FLOAT,
    pa.float32(): Datatype.FLOAT,
    pa.float64(): Datatype.DOUBLE,
}


def arrow_array(values: np.ndarray[Any, Any], column: Column) -> pa.Array:
    """Return a column of a VOTable as it was read; nulls are masked there."""
    kind = arrow_type(column)
    if column.datatype in TEXTS:
        mask = np.ma.getmaskarray(values) if isinstance(values, np.ma.MaskedArray) else None
        texts = [None if value is None else str(value) for value in np.ma.getdata(values)]
        return pa.array(texts, pa.string(), mask=mask)
    if pa.types.is_list(kind):
        return pa.array([_elements(cell) for cell in values], kind)
    if values.dtype == object:
        return pa.array(list(np.ma.filled(values, None)), kind)
    mask = np.ma.getmaskarray(values) if isinstance(values, np.ma.MaskedArray) else None
    plain = np.ma.getdata(values)
    # Arrow takes numbers in this machine's order only.
    return pa.array(plain.astype(plain.dtype.newbyteorder("=")), mask=mask).cast(kind)


def _elements(cell: Any) -> list[Any] | None:
    """Return the elements of a cell; None of one that has none that is known."""
    if cell is None or (np.size(cell) and np.ma.getmaskarray(cell).all()):
        return None
    found: list[Any] = np.ma.asarray(cell).reshape(-1).tolist()
    return found
