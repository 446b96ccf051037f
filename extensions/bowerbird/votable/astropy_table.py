"""What was read, as astropy's Table and QTable."""

import warnings
from typing import Any

import numpy as np
from astropy import units
from astropy.table import Column, MaskedColumn, QTable
from astropy.table import Table as AstropyTable
from astropy.units import Quantity, UnrecognizedUnit
from astropy.utils.masked import Masked

from bowerbird.votable.field import Field
from bowerbird.votable.ragged import Array
from bowerbird.votable.table import Table

# In this order: the standard of today, and what tables before VOTable 1.4 were to use.
_UNIT_FORMATS = ("vounit", "cds")


def table(source: Table) -> AstropyTable:
    """Return a Table."""
    return AstropyTable([_column(*one) for one in _named(source)], meta=source.meta, copy=False)


def qtable(source: Table) -> QTable:
    """Return a QTable."""
    return QTable([_quantity(*one) for one in _named(source)], meta=source.meta, copy=False)


def unit(text: str | None) -> Any:
    """Return the unit that a text means, or None when it means none."""
    if not text or not text.strip():
        return None
    for format in _UNIT_FORMATS:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # deprecated spellings are still units
            try:
                return units.Unit(text.strip(), format=format)
            except (ValueError, TypeError):
                continue
    return None


def _named(table: Table) -> list[tuple[str, Field, Array]]:
    return list(zip(table.names, table.fields, table.columns, strict=True))


def _column(name: str, field: Field, values: Array) -> Any:
    told = {key: value for key, value in (("ucd", field.ucd), ("utype", field.utype), ("xtype", field.xtype)) if value}
    meaning = unit(field.unit) or (UnrecognizedUnit(field.unit.strip()) if field.unit and field.unit.strip() else None)
    hidden = np.ma.getmask(values) is not np.ma.nomask
    kind = MaskedColumn if hidden else Column
    return kind(
        values if hidden else np.ma.getdata(values), name=name, unit=meaning, description=field.description or None, meta=told, copy=False
    )


def _quantity(name: str, field: Field, values: Array) -> Any:
    made = _column(name, field, values)
    meaning = unit(field.unit)
    if meaning is None or values.dtype.kind not in "iufc":
        if made.unit is not None:
            made.meta["unit"] = field.unit
            made.unit = None
        return made
    hidden = np.ma.getmask(values) is not np.ma.nomask
    plain = np.ma.getdata(values)
    quantity = Masked(Quantity)(Masked(plain, mask=np.ma.getmaskarray(values)), meaning, dtype=plain.dtype, copy=False) if hidden else None
    if quantity is None:
        quantity = Quantity(plain, meaning, dtype=plain.dtype, copy=False)
    quantity.info.name, quantity.info.description, quantity.info.meta = name, field.description or None, made.meta
    return quantity
