"""A FIELD: its datatype and the shape of its cells (VOTable 1.4, sections 2.1 and 2.2)."""

import math
import re
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from typing import Any

import numpy as np

from bowerbird.errors import VOTableError


class Datatype(StrEnum):
    """A primitive of VOTable."""

    BOOLEAN = "boolean"
    BIT = "bit"
    UNSIGNED_BYTE = "unsignedByte"
    SHORT = "short"
    INT = "int"
    LONG = "long"
    CHAR = "char"
    UNICODE_CHAR = "unicodeChar"
    FLOAT = "float"
    DOUBLE = "double"
    FLOAT_COMPLEX = "floatComplex"
    DOUBLE_COMPLEX = "doubleComplex"


# The elements of each datatype as they travel, and as numpy has them here.
WIRE: dict[str, np.dtype[Any]] = {
    Datatype.BOOLEAN: np.dtype("u1"),
    Datatype.BIT: np.dtype("u1"),
    Datatype.UNSIGNED_BYTE: np.dtype("u1"),
    Datatype.SHORT: np.dtype(">i2"),
    Datatype.INT: np.dtype(">i4"),
    Datatype.LONG: np.dtype(">i8"),
    Datatype.CHAR: np.dtype("u1"),
    Datatype.UNICODE_CHAR: np.dtype(">u2"),
    Datatype.FLOAT: np.dtype(">f4"),
    Datatype.DOUBLE: np.dtype(">f8"),
    Datatype.FLOAT_COMPLEX: np.dtype(">c8"),
    Datatype.DOUBLE_COMPLEX: np.dtype(">c16"),
}
NATIVE: dict[str, np.dtype[Any]] = {name: wire.newbyteorder("=") for name, wire in WIRE.items()} | {
    Datatype.BOOLEAN: np.dtype(bool),
    Datatype.BIT: np.dtype(bool),
    Datatype.CHAR: np.dtype("U1"),
    Datatype.UNICODE_CHAR: np.dtype("U1"),
}
TEXTS = frozenset({Datatype.CHAR, Datatype.UNICODE_CHAR})
INTEGERS = frozenset({Datatype.UNSIGNED_BYTE, Datatype.SHORT, Datatype.INT, Datatype.LONG})

_ARRAYSIZE = re.compile(r"(?:\d+x)*(?:\d+\*?|\*)")
# A cell of fixed size above this is an attack or an error, not a table (bytes).
_WIDEST = 1 << 28


@dataclass(frozen=True, slots=True)
class Shape:
    """The shape of a cell as numpy orders axes: the last varies fastest. The first is open where `variable`."""

    fixed: tuple[int, ...]
    variable: bool = False
    longest: int | None = None

    @property
    def elements(self) -> int:
        """How many elements a cell has, or how many one step of the open axis has."""
        return math.prod(self.fixed)


@lru_cache(maxsize=1024)
def shape(arraysize: str | None) -> Shape:
    """Return the shape that an arraysize means: "1" is a scalar, as services that write it mean it."""
    if not arraysize or arraysize == "1":
        return Shape(())
    if not _ARRAYSIZE.fullmatch(arraysize):
        raise VOTableError(f"arraysize {arraysize!r} is none: a number, '*', or several joined with 'x', of which the last may be open")
    *inner, last = arraysize.split("x")
    sizes = tuple(_size(text) for text in reversed(inner))
    if not last.endswith("*"):
        made = Shape((_size(last), *sizes))
    else:
        made = Shape(sizes, variable=True, longest=_size(last[:-1]) if last != "*" else None)
    if made.elements > _WIDEST:
        raise VOTableError(f"arraysize {arraysize!r} is larger than this reader takes")
    return made


def _size(text: str) -> int:
    if len(text) > len(str(_WIDEST)):
        raise VOTableError(f"arraysize {text!r} is larger than this reader takes")
    return int(text)


@dataclass(frozen=True, slots=True)
class Field:
    """One column. `null` is the integer that stands for a missing element where a serialization has no other way."""

    name: str
    datatype: str
    arraysize: str | None = None
    xtype: str | None = None
    unit: str | None = None
    ucd: str | None = None
    utype: str | None = None
    description: str = ""
    null: int | None = None
    id: str | None = None
    ref: str | None = None
    shape: Shape = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.datatype not in WIRE:
            raise VOTableError(f"column {self.name!r} has the datatype {self.datatype!r}; VOTable has {', '.join(WIRE)}")
        object.__setattr__(self, "shape", shape(self.arraysize))
        if self.null is not None and self.datatype in INTEGERS:
            limits = np.iinfo(NATIVE[self.datatype])
            if not limits.min <= self.null <= limits.max:
                raise VOTableError(f"column {self.name!r}: null value {self.null} is no {self.datatype}")

    @property
    def is_text(self) -> bool:
        """Whether its elements are characters."""
        return self.datatype in TEXTS

    @property
    def is_integer(self) -> bool:
        """Whether its elements are integers."""
        return self.datatype in INTEGERS

    @property
    def wire(self) -> np.dtype[Any]:
        """An element as it travels."""
        return WIRE[self.datatype]

    @property
    def native(self) -> np.dtype[Any]:
        """An element as numpy has it here."""
        return NATIVE[self.datatype]

    def nbytes(self, elements: int) -> int:
        """Return how many bytes that many elements take: bits are packed."""
        return -(-elements // 8) if self.datatype == "bit" else elements * self.wire.itemsize
