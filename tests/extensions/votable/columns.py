"""Columns of every datatype and shape, as a writer takes them and as they are to be read back."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from bowerbird.votable import Field, Header, Info, VOTable, Writer
from bowerbird.votable.ragged import Array

FLOATS = [0.1, -2.5, np.nan, np.inf, -np.inf]


def objects(*values: Any) -> Array:
    """An array of exactly these objects."""
    made = np.empty(len(values), dtype=object)
    for index, value in enumerate(values):
        made[index] = value
    return made


def every_column() -> list[tuple[Field, Array]]:
    """Five rows of each datatype, scalar and array."""
    dice = np.random.default_rng(7)
    return [
        (Field("boolean", "boolean"), np.array([True, False, True, True, False])),
        (Field("bit", "bit"), np.array([True, False, True, True, False])),
        (Field("bits", "bit", "11"), dice.random((5, 11)) < 0.5),
        (Field("byte", "unsignedByte"), np.array([0, 1, 127, 128, 255], "u1")),
        (Field("short", "short"), np.array([-(2**15), -1, 0, 1, 2**15 - 1], "i2")),
        (Field("int", "int"), np.array([-(2**31), -1, 0, 1, 2**31 - 1], "i4")),
        (Field("long", "long"), np.array([-(2**63), 2**53 + 1, -(2**53) - 1, 1, 2**63 - 1], "i8")),
        (Field("float", "float", unit="mag"), np.array(FLOATS, "f4")),
        (Field("double", "double", unit="deg", ucd="pos.eq.ra", description="a & b < c"), np.array(FLOATS)),
        (Field("complex", "floatComplex"), np.array([1 + 2j, 0, -1j, 0.1, 5], "c8")),
        (Field("doublecomplex", "doubleComplex"), np.array([1 + 2j, 0, -1j, 0.1, 5], "c16")),
        (Field("ints", "int", "3"), np.arange(15, dtype="i4").reshape(5, 3)),
        (Field("matrix", "double", "3x2"), dice.normal(size=(5, 2, 3))),
        (Field("booleans", "boolean", "2"), dice.random((5, 2)) < 0.5),
        (Field("letter", "char"), np.array(["a", "b", "c", "<", "&"])),
        (Field("fixed", "char", "8"), np.array(["abc", "12345678", "x y", "a<b", "\"&'"])),
        (Field("text", "char", "*"), np.array(["a", "three words here", "<&>", "ab", "0"], dtype=object)),
        (Field("limited", "char", "12*"), np.array(["a", "bc", "def", "ghij", "klmnopqrstuv"])),
        (Field("unicode", "unicodeChar", "*"), np.array(["α Cen", "x", "naïve", "β", "日本"], dtype=object)),
        (Field("unicode4", "unicodeChar", "4"), np.array(["α", "x", "naïv", "β", "日本"])),
        (Field("variable", "double", "*"), objects(*(np.arange(n, dtype="f8") for n in (1, 3, 2, 5, 1)))),
        (Field("shorts", "short", "4*"), objects(*(np.arange(n, dtype="i2") for n in (1, 3, 2, 4, 1)))),
    ]


def same(ours: Any, theirs: Any) -> bool:
    """Whether two cells are the same: NaN is NaN, an array is its elements, nothing is nothing."""
    if ours is np.ma.masked or theirs is np.ma.masked or ours is None or theirs is None:
        return (ours is np.ma.masked or ours is None) and (theirs is np.ma.masked or theirs is None)
    if isinstance(ours, str) or isinstance(theirs, str):
        return str(ours) == str(theirs)
    mine, others = np.ma.asarray(ours), np.ma.asarray(theirs)
    if mine.shape != others.shape or (np.ma.getmaskarray(mine) != np.ma.getmaskarray(others)).any():
        return False
    if mine.dtype.kind in "US":
        return bool((mine.filled("") == others.filled("")).all())
    kept = ~np.ma.getmaskarray(mine)
    return np.array_equal(np.ma.getdata(mine)[kept], np.ma.getdata(others)[kept], equal_nan=mine.dtype.kind in "fc")


def assert_same_column(name: str, ours: Any, theirs: Any) -> None:
    """Compare cell by cell and say where the first difference is."""
    assert len(ours) == len(theirs), name
    for row, (mine, other) in enumerate(zip(ours, theirs, strict=True)):
        assert same(mine, other), f"{name}, row {row}: {mine!r} and {other!r}"


def document(
    fields: Sequence[Field], columns: Sequence[Any], serialization: Any = "BINARY2", infos: Sequence[Info] = (), step: int = 2
) -> bytes:
    """Write a document in batches."""
    writer = Writer(Header(fields, infos=infos), serialization)
    size = len(columns[0])
    pieces = [writer.rows([column[at : at + step] for column in columns]) for at in range(0, size, step)]
    return b"".join([writer.start(), *pieces, writer.end()])


def column_of(votable: VOTable, name: str) -> Any:
    """A column of the first table."""
    return votable.table[name]
