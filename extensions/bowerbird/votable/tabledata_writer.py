"""Rows as the XML of TABLEDATA."""

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

from bowerbird.errors import VOTableError
from bowerbird.votable import markup, texts
from bowerbird.votable.cells import Cells
from bowerbird.votable.field import Field
from bowerbird.votable.ragged import Array, Ragged, offsets

_INFINITE = {"nan": "NaN", "inf": "+Inf", "-inf": "-Inf"}


def plain_texts(field: Field, column: Any) -> list[str] | None:
    """Return texts as they stand in the rows; None where they have to be looked at one by one."""
    shape = field.shape
    of_any_length = field.is_text and shape.variable and not shape.fixed and shape.longest is None
    if not of_any_length or not isinstance(column, np.ndarray) or column.dtype != object or column.ndim != 1:
        return None
    if isinstance(column, np.ma.MaskedArray):
        return None
    found = ["" if text is None else text for text in column.tolist()]
    try:
        joined = "".join(found)
    except TypeError:
        return None
    return found if joined.isascii() and markup.is_plain(joined) else None


def rows(fields: Sequence[Field], columns: Sequence[Cells | list[str]]) -> bytes:
    """Return rows; a missing cell is an empty one. What stands as text among the columns was made by `plain_texts`."""
    if not columns:
        return b""
    made = [
        column if isinstance(column, list) else _nulled(_written(field, column), column)
        for field, column in zip(fields, columns, strict=True)
    ]
    lines = map("</TD><TD>".join, zip(*made, strict=True))
    return "".join([f"<TR><TD>{line}</TD></TR>\n" for line in lines]).encode()


def _nulled(cells: list[str], column: Cells) -> list[str]:
    if column.nulls is not None:
        for row in np.flatnonzero(column.nulls).tolist():
            cells[row] = ""
    return cells


def _written(field: Field, column: Cells) -> list[str]:
    if field.is_text:
        return [markup.text(string) for string in _strings(field, column)]
    words = element_words(field, column.values.reshape(-1))
    if column.counts is not None:
        ends = offsets(column.counts).tolist()
        return [" ".join(words[start:end]) for start, end in itertools.pairwise(ends)]
    step = field.shape.elements
    return words if not field.shape.fixed else [" ".join(words[row * step : row * step + step]) for row in range(len(column))]


def _strings(field: Field, column: Cells) -> list[str]:
    """Return text; the strings of an array stand one behind the other, each as long as the first axis says, save the last."""
    if column.counts is None and len(field.shape.fixed) <= 1:
        found = texts.decode_padded(field, column.values.reshape(len(column), -1))
        return [str(string) for string in found.tolist()]
    if len(field.shape.fixed) + field.shape.variable <= 1:
        ragged = Ragged.of_counts(column.values, _counts(field, column))
        return [str(string) for string in texts.decode(field, ragged).tolist()]
    width = field.shape.fixed[-1]
    single = [string.ljust(width) for string in texts.decode_padded(field, column.values.reshape(-1, width)).tolist()]
    steps = offsets(_counts(field, column) // width).tolist() if column.counts is not None else _even(len(single), len(column))
    return ["".join(single[start:end]) for start, end in itertools.pairwise(steps)]


def _counts(field: Field, column: Cells) -> Array:
    if column.counts is None:
        raise VOTableError(f"column {field.name!r} has cells of different lengths")
    return column.counts


def _even(total: int, rows: int) -> list[int]:
    return [total // rows * row for row in range(rows + 1)] if rows else [0]


def element_words(field: Field, values: Array) -> list[str]:
    """Return numbers, bits and booleans as words, with all their digits."""
    kind = field.native.kind
    if field.datatype == "boolean":
        return [chr(letter) for letter in values.tolist()]
    if kind == "c":
        half = Field(field.name, "float" if field.datatype == "floatComplex" else "double")
        parts = element_words(half, np.ascontiguousarray(values, dtype=field.native).view(half.native))
        return [f"{real} {imaginary}" for real, imaginary in zip(parts[::2], parts[1::2], strict=True)]
    if kind == "f":
        return _floats(field, values)
    return list(map(str, values.astype("i8").tolist()))


def _floats(field: Field, values: Array) -> list[str]:
    """Return the shortest words that are read back as the same numbers."""
    native = values.astype(field.native)
    words = list(map(repr, native.tolist())) if native.dtype.itemsize == np.dtype("f8").itemsize else native.astype("U").tolist()
    for index in np.flatnonzero(~np.isfinite(native)).tolist():
        words[index] = _INFINITE[words[index]]
    return words
