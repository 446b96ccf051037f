"""A table of the notebook as a VOTable that a service takes."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from bowerbird.errors import BadArgument
from bowerbird.votable import Field, Header, Writer
from bowerbird.votable.field import INTEGERS, NATIVE
from bowerbird.votable.ragged import Array

if TYPE_CHECKING:
    from astropy.table import Table

Made = TypeVar("Made", bound="Table")

_DATATYPES = {(NATIVE[name].kind, NATIVE[name].itemsize): name for name in (*INTEGERS, "boolean", "float", "double")}
_WIDER = {("i", 1): "i2", ("u", 2): "i4", ("u", 4): "i8", ("u", 8): "i8", ("f", 2): "f4"}


def documents(tables: Mapping[str, Any]) -> dict[str, bytes]:
    """Return the VOTables of tables by name; ValueError says which is none, and why."""
    if not isinstance(tables, Mapping):
        raise BadArgument(f"tables are given by name, like {{'mine': table}}, not as this {type(tables).__name__}")
    return {name: _named(name, table) for name, table in tables.items()}


def _named(name: str, table: Any) -> bytes:
    try:
        return document(table)
    except BadArgument as error:
        raise BadArgument(f"{name}: {error}") from None


def document(table: Any) -> bytes:
    """Return the VOTable (BINARY2) of an astropy, Arrow or pandas table, of a dict of columns, or of pyvo's results."""
    fields, columns = [], []
    for name, column in _columns(table):
        field, values = _field(name, column)
        fields.append(field)
        columns.append(values)
    writer = Writer(Header(fields))
    return writer.start() + writer.rows(columns) + writer.end()


def _columns(table: Any) -> list[tuple[str, Any]]:
    from astropy.table import Table  # noqa: PLC0415  # slow to import

    if not isinstance(table, Table):
        table = as_table(table, Table)
    return [(name, table[name]) for name in table.colnames]


def as_table(given: Any, kind: type[Made]) -> Made:
    """Return what is given, such as `document` takes, as a table of astropy of that kind; ValueError where it is none."""
    told = f"this {type(given).__name__} is no table; give one of astropy, Arrow or pandas, or a dict of columns that are equally long"
    if given is None:  # which astropy takes for a table without columns
        raise BadArgument(told)
    if hasattr(given, "to_table"):
        given = given.to_table()
    if hasattr(given, "column_names") and hasattr(given, "schema"):
        given = {name: _of_arrow(given.column(name)) for name in given.column_names}
    if hasattr(given, "itertuples"):
        given = kind.from_pandas(given)
    try:
        made: Made = kind(given)
    except (ValueError, TypeError, KeyError):  # as astropy has them
        raise BadArgument(told) from None
    return made


def _of_arrow(column: Any) -> Array:
    values = column.to_numpy()
    hidden = column.is_null().to_numpy()
    if not hidden.any() or values.dtype.kind not in "f":
        return np.ma.masked_array(values, hidden) if hidden.any() else values
    kind = str(column.type)
    whole = column.fill_null(0).to_numpy() if kind.startswith(("int", "uint")) else values
    return np.ma.masked_array(whole, hidden)


def _field(name: str, column: Any) -> tuple[Field, Any]:
    if hasattr(column, "ra") and hasattr(column, "icrs"):
        raise BadArgument(f"column {name!r} holds sky positions; give right ascension and declination as columns of their own")
    unit = getattr(column, "unit", None)
    plain = getattr(column, "value", column)
    mask = getattr(plain, "mask", None)
    values = np.asarray(getattr(plain, "unmasked", np.ma.getdata(plain)))
    kind = (values.dtype.kind, values.dtype.itemsize)
    if kind == ("u", 8) and values.size and values.max() > np.iinfo("i8").max:
        raise BadArgument(f"column {name!r} has values beyond 2^63, which no VOTable can hold")
    values = values.astype(_WIDER.get(kind, values.dtype), copy=False)
    unit_text = unit.to_string("vounit") if unit is not None and hasattr(unit, "to_string") else None
    if values.dtype.kind in "OUS":
        texts = [None if hidden else _text(one) for one, hidden in zip(values.tolist(), _mask(mask, values), strict=True)]
        return Field(name, "unicodeChar", "*"), texts
    datatype = _DATATYPES.get((values.dtype.kind, values.dtype.itemsize))
    if datatype is None or values.ndim > 1:
        raise BadArgument(f"column {name!r} ({values.dtype}, {values.ndim} axes) cannot be uploaded; leave it out")
    made = np.ma.masked_array(values, mask) if mask is not None and np.any(mask) else values
    return Field(name, datatype, unit=unit_text), made


def _mask(mask: Any, values: Array) -> list[bool]:
    return [False] * len(values) if mask is None else np.broadcast_to(mask, values.shape).tolist()


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, float):
        return None
    return value.decode() if isinstance(value, bytes) else str(value)
