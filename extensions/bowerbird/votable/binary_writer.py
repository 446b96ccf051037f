"""Rows as bytes of BINARY2 and BINARY."""

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

from bowerbird.errors import VOTableError
from bowerbird.votable.cells import Cells
from bowerbird.votable.field import Field
from bowerbird.votable.layout import COUNT, Layout
from bowerbird.votable.ragged import Array, offsets, places, window

_MOST_ELEMENTS = (1 << 31) - 1


def rows(layout: Layout, columns: Sequence[Cells]) -> memoryview:
    """Return the bytes of rows."""
    size = len(columns[0]) if columns else 0
    if not layout.flagged:
        for field, column in zip(layout.fields, columns, strict=True):
            check_nulls(field, column)
    stretches = [np.zeros(size, dtype=dtype) for dtype in layout.stretches]
    if layout.flagged and columns:
        stretches[0]["flags"] = _flags(columns, size)
    for index, stretch in layout.stretch_of.items():
        stretches[stretch][str(index)] = _fixed(layout.fields[index], columns[index])
    if not layout.variable:
        return _bytes(stretches[0])
    return _interleaved(layout, columns, stretches, size)


def check_nulls(field: Field, column: Cells) -> None:
    """Refuse what BINARY has no word for, instead of losing it."""
    if column.nulls is not None and column.nulls.any() and column.counts is None and _has_no_null(field):
        raise VOTableError(f"column {field.name!r} has nulls: in BINARY its field needs a null value; BINARY2 needs none")


def _has_no_null(field: Field) -> bool:
    return field.datatype == "bit" or (field.is_integer and field.null is None)


def _flags(columns: Sequence[Cells], size: int) -> Array:
    made = np.zeros((size, -(-len(columns) // 8)), dtype="u1")
    for index, column in enumerate(columns):
        if column.nulls is not None:
            made[:, index // 8] |= np.where(column.nulls, np.uint8(128 >> index % 8), np.uint8(0))
    return made


def _fixed(field: Field, column: Cells) -> Array:
    if field.datatype != "bit":
        return column.values
    return np.packbits(column.values.reshape(len(column), field.shape.elements), axis=1)


def _interleaved(layout: Layout, columns: Sequence[Cells], stretches: Sequence[Array], size: int) -> memoryview:
    """Lay stretches and cells of different lengths one behind the other: where each goes is known from all lengths."""
    moved: list[tuple[Array, Array]] = []
    for number, index in enumerate(layout.variable):
        counts, flat, lengths = _variable(layout.fields[index], columns[index])
        stretches[number][COUNT] = counts
        moved.append((flat, lengths))
    widths = sum(stretch.dtype.itemsize for stretch in stretches)
    ends = offsets(sum((lengths for _, lengths in moved), np.full(size, widths)))
    made = np.empty(int(ends[-1]), dtype="u1")
    at = ends[:-1].copy()
    for stretch, (flat, lengths) in zip(stretches, moved, strict=False):
        _put(made, at, stretch)
        at += stretch.dtype.itemsize
        made[places(at, lengths)] = flat
        at += lengths
    _put(made, at, stretches[-1])
    return _bytes(made)


def _bytes(made: Array) -> memoryview:
    flat: Any = made.view("u1")
    return memoryview(flat)


def _put(made: Array, at: Array, stretch: Array) -> None:
    width = stretch.dtype.itemsize
    if width and len(stretch):
        window(made, width)[at] = stretch.view(f"V{width}")


def _variable(field: Field, column: Cells) -> tuple[Array, Array, Array]:
    """Return what stands in the count, the bytes of all cells, and how many bytes each has."""
    elements = column.counts
    if elements is None:
        raise VOTableError(f"column {field.name!r} has cells of different lengths")
    if elements.max(initial=0) > _MOST_ELEMENTS:
        raise VOTableError(f"column {field.name!r}: a cell is longer than a VOTable holds")
    # The count is of characters, bits or numbers: of all elements of the cell (VOTable 1.4, section 5.4).
    if field.datatype != "bit":
        flat = np.ascontiguousarray(column.values, dtype=field.wire).view("u1").reshape(-1)
        return elements, flat, elements * field.wire.itemsize
    starts = offsets(elements)
    packed = [np.packbits(column.values[start:end]) for start, end in itertools.pairwise(starts)]
    return elements, np.concatenate(packed) if packed else np.zeros(0, "u1"), -(-elements // 8)
