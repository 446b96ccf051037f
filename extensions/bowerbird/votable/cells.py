"""What a writer is given for a column, as elements of its field: checked, so that nothing is lost on the way."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from bowerbird.errors import VOTableError
from bowerbird.votable import texts
from bowerbird.votable.field import Field
from bowerbird.votable.ragged import Array, Ragged

_TRUE, _FALSE, _UNKNOWN = ord("T"), ord("F"), ord("?")


@dataclass(frozen=True, slots=True)
class Cells:
    """The elements of a column: one row of `values` a cell, or with `counts` all cells one behind the other.

    Booleans are their letters, bits and numbers are themselves, text is its elements. `nulls` tells the missing cells.
    """

    values: Array
    nulls: Array | None = None
    counts: Array | None = None

    def __len__(self) -> int:
        return len(self.values) if self.counts is None else len(self.counts)


def cells(field: Field, column: Any) -> Cells:
    """Return a column that was given as the cells of a field."""
    if not isinstance(column, Ragged):
        column = _as_array(field, column)
    shape = field.shape
    if field.is_text and len(shape.fixed) + shape.variable <= 1:
        return _string_cells(field, column)
    if shape.variable:
        return _variable_cells(field, column)
    if isinstance(column, Ragged):
        raise VOTableError(f"column {field.name!r} has cells of one length ({field.arraysize or 1}), and was given others")
    return _fixed_cells(field, column)


def _as_array(field: Field, column: Any) -> Any:
    if isinstance(column, np.ndarray):
        return column
    if isinstance(column, list | tuple) and (field.is_text or field.shape.variable or any(value is None for value in column)):
        return texts.objects(list(column))
    return np.asanyarray(column)


def _string_cells(field: Field, column: Any) -> Cells:
    if not isinstance(column, Ragged) and column.ndim != 1:
        raise VOTableError(f"column {field.name!r} has one string a row, and was given an array of shape {column.shape}")
    ragged = texts.encode(field, column)
    if not field.shape.variable:
        width = field.shape.elements
        made = texts.padded(field, ragged, width)
        return Cells(made if field.shape.fixed else made[:, 0], ragged.nulls)
    longest = field.shape.longest
    if longest is not None and ragged.counts.max(initial=0) > longest:
        raise VOTableError(f"column {field.name!r}: a value has {ragged.counts.max()} characters, its arraysize is {field.arraysize}")
    return Cells(ragged.values, ragged.nulls, ragged.counts)


def _fixed_cells(field: Field, column: Array) -> Cells:
    nulls = None
    if np.ma.getdata(column).dtype == object:
        column, nulls = _from_objects(field, column)
    plain: Array = np.ma.getdata(column)
    mask: Any = np.ma.getmask(column)
    wanted = field.shape.fixed[:-1] if field.is_text else field.shape.fixed
    if plain.shape[1:] != wanted:
        raise VOTableError(f"column {field.name!r} has cells of shape {plain.shape[1:]}, its arraysize {field.arraysize} means {wanted}")
    if mask is not np.ma.nomask and np.any(mask):
        whole = mask.reshape(len(plain), -1).all(axis=1) if plain.ndim > 1 and plain.size else mask
        nulls = whole if nulls is None else nulls | whole
        return Cells(elements(field, plain, mask, whole), nulls)
    return Cells(elements(field, plain, None, None), nulls)


def _from_objects(field: Field, column: Array) -> tuple[Array, Array]:
    """Return objects as numbers, and where there was none."""
    values = column.tolist()
    mask = np.ma.getmaskarray(column)
    nulls = np.fromiter((value is None or value is np.ma.masked for value in values), bool, len(values))
    nulls |= mask.reshape(len(values), -1).all(axis=1) if len(values) else False
    empty = np.zeros(field.shape.fixed if not field.is_text else field.shape.fixed[:-1], dtype=field.native)
    given = [empty if null else value for value, null in zip(values, nulls.tolist(), strict=True)]
    try:
        made = np.array(given) if given else np.zeros((0, *empty.shape), field.native)
    except (ValueError, OverflowError) as error:
        raise VOTableError(f"column {field.name!r}: its cells have several shapes, and arraysize is {field.arraysize or 1}") from error
    if made.dtype == object:
        raise VOTableError(f"column {field.name!r}: its values are not all {field.datatype}")
    shaped = nulls.reshape(len(nulls), *(1 for _ in made.shape[1:]))
    return np.ma.masked_array(made, np.broadcast_to(shaped, made.shape)), nulls


def _variable_cells(field: Field, column: Any) -> Cells:
    """Return arrays of different lengths; a cell is an array whose inner axes are as arraysize says."""
    inner = field.shape.elements
    if isinstance(column, Ragged):
        counts = column.counts * (len(column.values) // max(int(column.offsets[-1]), 1) and column.values[0].size)
        return Cells(elements(field, column.values.reshape(-1), None, None), column.nulls, counts)
    rows = [_one(field, cell) for cell in (column if column.ndim == 1 else list(column))]
    nulls = np.fromiter((row is None for row in rows), bool, len(rows))
    if np.ma.getmask(column) is not np.ma.nomask and column.ndim == 1:
        nulls |= np.ma.getmaskarray(column)
    given = [np.zeros(0, field.wire) if row is None or null else row for row, null in zip(rows, nulls.tolist(), strict=True)]
    counts = np.fromiter((row.size for row in given), np.int64, len(given))
    wrong = next((row for row in given if row.size % max(inner, 1)), None)
    if wrong is not None:
        raise VOTableError(f"column {field.name!r}: a cell has {wrong.size} elements, arraysize is {field.arraysize}")
    values = np.concatenate([row.reshape(-1) for row in given]) if given else np.zeros(0, field.wire)
    return Cells(values, nulls if nulls.any() else None, counts)


def _one(field: Field, cell: Any) -> Array | None:
    """Return the elements of one cell of a variable length."""
    if cell is None or cell is np.ma.masked:
        return None
    made = np.ma.asanyarray(cell) if isinstance(cell, np.ma.MaskedArray) else np.asarray(cell)
    plain: Array = np.ma.getdata(made)
    mask: Any = np.ma.getmask(made)
    if not plain.size:
        return np.zeros(0, field.wire)
    return elements(field, plain, None if mask is np.ma.nomask else mask, None)


def elements(field: Field, plain: Array, mask: Array | None, whole: Array | None) -> Array:
    """Return values as elements of the field; what is masked gets the word that stands for it."""
    if field.is_text:
        width = field.shape.fixed[-1]
        flat = texts.padded(field, texts.encode(field, plain.reshape(-1)), width)
        return flat.reshape(*plain.shape, width)
    if field.datatype == "boolean":
        made = np.where(_logical(field, plain), np.uint8(_TRUE), np.uint8(_FALSE))
        return made if mask is None else np.where(mask, np.uint8(_UNKNOWN), made)
    values = _logical(field, plain).view("u1") if field.datatype == "bit" else _number(field, plain, mask)
    return values if mask is None or not mask.any() else _filled(field, values, mask, whole)


def _logical(field: Field, plain: Array) -> Array:
    if plain.dtype == bool:
        return np.ascontiguousarray(plain)
    if plain.dtype.kind in "iu" and not ((plain != 0) & (plain != 1)).any():
        return plain.astype(bool)
    raise VOTableError(f"column {field.name!r} is {field.datatype}, and was given {plain.dtype}")


def _number(field: Field, plain: Array, mask: Array | None) -> Array:
    target = field.native
    whole_numbers = field.is_integer and plain.dtype.kind in "iu"
    if plain.dtype.kind not in "iufc" or not (whole_numbers or np.can_cast(plain.dtype, target, "same_kind")):
        raise VOTableError(f"column {field.name!r} is {field.datatype}, and was given {plain.dtype}")
    if field.is_integer and not np.can_cast(plain.dtype, target, "safe") and plain.size:
        limits = np.iinfo(target)
        kept = plain if mask is None else plain[~mask]
        if kept.size and (int(kept.min()) < limits.min or int(kept.max()) > limits.max):
            raise VOTableError(f"column {field.name!r}: a value is beyond {field.datatype}'s range {limits.min} to {limits.max}")
    return plain


def _filled(field: Field, values: Array, mask: Array, whole: Array | None) -> Array:
    if field.native.kind in "fc":
        return np.where(mask, field.native.type(np.nan), values)
    if field.null is not None and field.datatype != "bit":
        return np.where(mask, field.native.type(field.null), values)
    in_null_cell = mask if whole is None else mask & ~whole.reshape(len(mask), *(1 for _ in mask.shape[1:]))
    if (whole is None and mask.any()) or in_null_cell.any():
        raise VOTableError(f"column {field.name!r} misses elements within an array: its field needs a null value that stands for them")
    return np.where(mask, values.dtype.type(0), values)
