"""How a row lies in BINARY and BINARY2: stretches of fixed width, each but the last ending in the length of what follows."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from bowerbird.errors import VOTableError
from bowerbird.votable.field import Field

# A row wider than this is an attack or an error (bytes).
_WIDEST = 1 << 28
COUNT = "count"


@dataclass(frozen=True)
class Layout:
    """The layout of the rows of some fields; `flagged` for BINARY2, whose rows begin with a bit for each field."""

    fields: tuple[Field, ...]
    flagged: bool

    @cached_property
    def flag_bytes(self) -> int:
        """How many bytes of null flags a row begins with."""
        return -(-len(self.fields) // 8) if self.flagged else 0

    @cached_property
    def variable(self) -> tuple[int, ...]:
        """Which fields have cells of different lengths."""
        return tuple(index for index, field in enumerate(self.fields) if field.shape.variable)

    @cached_property
    def stretches(self) -> tuple[np.dtype[Any], ...]:
        """The stretches of fixed width: one more than there are variable fields. Fields are named by their index."""
        made: list[np.dtype[Any]] = []
        current: list[tuple[Any, ...]] = [("flags", "u1", (self.flag_bytes,))] if self.flag_bytes else []
        for index, field in enumerate(self.fields):
            if field.shape.variable:
                made.append(_dtype([*current, (COUNT, ">u4")]))
                current = []
            else:
                current.append((str(index), *wire(field)))
        return (*made, _dtype(current))

    @cached_property
    def stretch_of(self) -> dict[int, int]:
        """In which stretch each field of fixed width is."""
        return {int(name): number for number, dtype in enumerate(self.stretches) for name in dtype.names or () if name.isdigit()}


def _dtype(parts: Sequence[tuple[Any, ...]]) -> np.dtype[Any]:
    made = np.dtype(list(parts))
    if made.itemsize > _WIDEST:
        raise VOTableError("a row is wider than this reader takes")
    return made


def wire(field: Field) -> tuple[np.dtype[Any], tuple[int, ...]]:
    """Return the elements and the shape of a cell of fixed width, as it travels."""
    if field.datatype == "bit":
        return field.wire, (field.nbytes(field.shape.elements),)
    return field.wire, field.shape.fixed


def layout(fields: Sequence[Field], serialization: str) -> Layout:
    """Return the layout of rows."""
    return Layout(tuple(fields), serialization == "BINARY2")
