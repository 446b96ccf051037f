"""Bytes of BINARY2 and BINARY as columns."""

import itertools
import struct
from collections.abc import Sequence
from typing import Any

import numpy as np

from bowerbird.errors import VOTableError
from bowerbird.votable import texts
from bowerbird.votable.field import Field
from bowerbird.votable.layout import COUNT, Layout
from bowerbird.votable.ragged import Array, Ragged, offsets, places, window

_NULL_LETTERS = b"?\x00 "
_TRUE_LETTERS = b"TtYy1"
_FALSE_LETTERS = b"FfNn0"


class Rows:
    """Takes bytes as they come and gives whole rows as columns."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._waiting = bytearray()
        self._count = struct.Struct(">I").unpack_from
        widths = [dtype.itemsize for dtype in layout.stretches]
        self._steps = [(width, layout.fields[index]) for width, index in zip(widths, layout.variable, strict=False)]
        self._tail = widths[-1]

    def add(self, piece: bytes) -> None:
        """Take bytes."""
        self._waiting += piece

    def __len__(self) -> int:
        return len(self._waiting)

    def take(self) -> tuple[int, list[Array]]:
        """Return how many rows are whole, and their columns."""
        if not self._layout.fields:
            raise VOTableError("a table without fields has rows")
        starts = self._scan() if self._steps else None
        size, end = self._whole(starts)
        if not size:
            return 0, []
        buffer = np.frombuffer(bytes(memoryview(self._waiting)[:end]), dtype="u1")
        del self._waiting[:end]
        return size, columns(self._layout, buffer, size, starts)

    def end(self) -> None:
        """Raise when a row is cut off."""
        if self._waiting:
            raise VOTableError(f"the rows are cut off or damaged: {len(self._waiting)} bytes after the last whole row")

    def _whole(self, starts: Array | None) -> tuple[int, int]:
        if starts is not None:
            return len(starts) - 1, int(starts[-1, 0])
        size = len(self._waiting) // self._tail
        return size, size * self._tail

    def _scan(self) -> Array:
        """Return where each stretch of each row starts, and in one more line where the rows end.

        A row's place is known only from the lengths in the row before, so this is the one loop over rows.
        """
        buffer, count, tail = self._waiting, self._count, self._tail
        steps = [(width, field.wire.itemsize, field.datatype == "bit") for width, field in self._steps]
        found: list[int] = []
        note, size, start = found.append, len(self._waiting), 0
        try:
            while True:
                at = start
                note(at)
                for width, unit, packed in steps:
                    at += width
                    (elements,) = count(buffer, at - 4)
                    at += -(-elements // 8) if packed else elements * unit
                    note(at)
                if at + tail > size:
                    break
                start = at + tail
        except struct.error:
            pass  # the next row is not whole yet
        line = len(steps) + 1
        kept = _lines_before(found, start, line)
        made = np.zeros((kept + 1, line), dtype=np.int64)
        made[:-1] = np.array(found[: kept * line], dtype=np.int64).reshape(kept, line)
        made[-1, 0] = start
        return made


def _lines_before(found: list[int], start: int, line: int) -> int:
    """Return how many whole lines stand before the row that starts at `start`, the last that was begun."""
    kept = len(found) // line
    while kept and found[(kept - 1) * line] >= start:
        kept -= 1
    return kept


def columns(layout: Layout, buffer: Array, size: int, starts: Array | None) -> list[Array]:
    """Return the columns of whole rows."""
    stretches = [_stretch(buffer, dtype, size, None if starts is None else starts[:-1, n]) for n, dtype in enumerate(layout.stretches)]
    flags = stretches[0]["flags"] if layout.flag_bytes else None
    made = []
    for index, field in enumerate(layout.fields):
        nulls = _flagged(flags, index)
        if field.shape.variable:
            number = layout.variable.index(index)
            if starts is None:
                raise VOTableError(f"column {field.name!r} has cells of different lengths")
            at = starts[:-1, number] + layout.stretches[number].itemsize
            made.append(variable(field, cells(field, buffer, at, stretches[number][COUNT]), nulls, nan_is_null=not layout.flagged))
        else:
            values = stretches[layout.stretch_of[index]][str(index)]
            made.append(fixed(field, values, nulls, nan_is_null=not layout.flagged))
    return made


def _stretch(buffer: Array, dtype: np.dtype[Any], size: int, at: Array | None) -> Array:
    if not dtype.itemsize:
        return np.zeros(size, dtype=dtype)
    if at is None:
        return buffer.view(dtype)
    return window(buffer, dtype.itemsize)[at].view(dtype)


def _flagged(flags: Array | None, index: int) -> Array | None:
    if flags is None:
        return None
    nulls: Array = (flags[:, index // 8] & (128 >> index % 8)) != 0
    return nulls if nulls.any() else None


def masked(values: Array, mask: Array | None) -> Array:
    """Return a masked array; a mask of rows masks the whole cell."""
    if mask is not None and values.ndim > mask.ndim:
        mask = np.broadcast_to(mask.reshape(len(mask), *(1 for _ in values.shape[1:])), values.shape).copy()
    return np.ma.MaskedArray(values, np.ma.nomask if mask is None or not mask.any() else mask)


def fixed(field: Field, values: Array, nulls: Array | None, *, nan_is_null: bool) -> Array:
    """Return cells of one shape as numpy has them."""
    if field.is_text:
        letters = np.ascontiguousarray(values, dtype=field.wire.newbyteorder("="))
        found = texts.decode_padded(field, letters.reshape(-1, 1) if not field.shape.fixed else letters)
        return masked(found, _empty(found, nulls) if nan_is_null and found.ndim == 1 else nulls)
    if field.datatype == "bit":
        if not field.shape.fixed:
            return masked(values[:, 0] != 0, nulls)  # some have the one bit at another place
        bits = np.unpackbits(np.ascontiguousarray(values), axis=1, count=field.shape.elements)
        return masked(bits.astype(bool).reshape(len(values), *field.shape.fixed), nulls)
    made, mask = numbers(field, values, nan_is_null=nan_is_null)
    return masked(made, _both(mask, nulls))


def _empty(found: Array, nulls: Array | None) -> Array:
    empty: Array = found == ""
    return empty if nulls is None else empty | nulls


def _both(mask: Array | None, nulls: Array | None) -> Array | None:
    if mask is None or nulls is None:
        return nulls if mask is None else mask
    return mask | nulls.reshape(len(nulls), *(1 for _ in mask.shape[1:]))


def numbers(field: Field, values: Array, *, nan_is_null: bool) -> tuple[Array, Array | None]:
    """Return elements as numpy has them, and which are null by their value."""
    if field.datatype == "boolean":
        return _logical(field, values)
    made = values.astype(field.native)
    if field.null is not None and field.is_integer:
        return made, made == field.null
    if nan_is_null and field.native.kind in "fc":
        return made, np.isnan(made)
    return made, None


def _logical(field: Field, values: Array) -> tuple[Array, Array | None]:
    true, null = (np.isin(values, np.frombuffer(letters, "u1")) for letters in (_TRUE_LETTERS, _NULL_LETTERS))
    known = true | null | np.isin(values, np.frombuffer(_FALSE_LETTERS, "u1"))
    if not known.all():
        raise VOTableError(f"column {field.name!r}: {chr(int(values[~known][0]))!r} is no boolean")
    return true, null


def cells(field: Field, buffer: Array, at: Array, counts: Array) -> Ragged:
    """Return the elements of cells of different lengths; of bits, the bytes they are packed in."""
    elements = counts.astype(np.int64)
    flat = buffer[places(at, -(-elements // 8) if field.datatype == "bit" else elements * field.wire.itemsize)]
    return Ragged.of_counts(flat.view(field.wire), elements)


def variable(field: Field, found: Ragged, nulls: Array | None, *, nan_is_null: bool) -> Array:
    """Return cells of different lengths as numpy has them: text as text, anything else as an array of arrays."""
    if field.datatype == "bit":
        return _bits(field, found.values, found.counts, nulls)
    if not field.is_text or field.shape.fixed:
        return split(field, found.values, found.counts, nulls, nan_is_null=nan_is_null)
    letters = found.values.astype(field.wire.newbyteorder("="), copy=False)
    strings = texts.decode(field, Ragged(letters, found.offsets))
    return masked(strings, _empty(strings, nulls) if nan_is_null else nulls)


def split(field: Field, flat: Array, counts: Array, nulls: Array | None, *, nan_is_null: bool) -> Array:
    """Return cells of different lengths as an array of arrays."""
    step = max(field.shape.elements, 1)
    if (counts % step).any():
        raise VOTableError(
            f"column {field.name!r}: a cell has {int(counts[counts % step != 0][0])} elements, arraysize is {field.arraysize}"
        )
    if field.is_text:
        values: Array = texts.decode_padded(field, flat.reshape(-1, field.shape.fixed[-1]))
        step, inner = field.shape.fixed[-1], field.shape.fixed[:-1]
    else:
        values, mask = numbers(field, flat, nan_is_null=nan_is_null)
        values = masked(values, mask) if mask is not None and mask.any() else values
        step, inner = 1, field.shape.fixed
    ends = (offsets(counts) // step).tolist()
    return masked(cut(values, ends, inner), nulls)


def cut(values: Array, ends: Sequence[int], inner: tuple[int, ...]) -> Array:
    """Return the pieces of an array, each with its inner axes."""
    pieces = [values[start:end].reshape(-1, *inner) if inner else values[start:end] for start, end in itertools.pairwise(ends)]
    made = np.empty(len(pieces), dtype=object)
    for row, piece in enumerate(pieces):
        made[row] = piece
    return made


def _bits(field: Field, packed: Array, counts: Array, nulls: Array | None) -> Array:
    bits = np.unpackbits(packed).astype(bool)
    starts = offsets(-(-counts // 8) * 8)[:-1].tolist()
    made = np.empty(len(counts), dtype=object)
    for row, (start, count) in enumerate(zip(starts, counts.tolist(), strict=True)):
        made[row] = bits[start : start + count].reshape(-1, *field.shape.fixed)
    return masked(made, nulls)
