"""Cells of different lengths, side by side in one array; and bytes moved from and to many places at once."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

Array: TypeAlias = np.ndarray[Any, Any]


@dataclass(frozen=True, slots=True)
class Ragged:
    """A column whose cells differ in length: row n is `values[offsets[n]:offsets[n + 1]]`.

    Text is its UTF-8 bytes. `nulls` is true where a cell is missing.
    """

    values: Array
    offsets: Array
    nulls: Array | None = None

    @classmethod
    def of_counts(cls, values: Array, counts: Array, nulls: Array | None = None) -> "Ragged":
        """Make it from the length of each cell."""
        return cls(values, offsets(counts), nulls)

    @property
    def counts(self) -> Array:
        """How long each cell is."""
        return np.diff(self.offsets)

    def __len__(self) -> int:
        return len(self.offsets) - 1


def offsets(counts: Array) -> Array:
    """Return where each cell starts, and at the end where the last ends."""
    made = np.zeros(len(counts) + 1, dtype=np.int64)
    np.cumsum(counts, out=made[1:])
    return made


def window(buffer: Array, width: int) -> Array:
    """Return a view of bytes in which item n is the `width` bytes from byte n on: to index it moves records."""
    return np.ndarray((max(len(buffer) - width + 1, 0),), dtype=f"V{width}", buffer=buffer, strides=(1,))


def places(starts: Array, lengths: Array) -> Array:
    """Return the index of every byte of the pieces that start at `starts`."""
    ends = np.cumsum(lengths)
    return np.repeat(starts - ends + lengths, lengths) + np.arange(ends[-1] if len(ends) else 0)


def filled(lengths: Array, width: int) -> Array:
    """Return which places of a table `width` wide are taken when each row is filled from the left."""
    made: Array = np.arange(width) < np.asarray(lengths)[:, None]
    return made


def stack(chunks: Iterable[Array]) -> Array:
    """Join the chunks of a column."""
    found = list(chunks)
    concatenate: Any = np.ma.concatenate
    made: Array = found[0] if len(found) == 1 else concatenate(found)
    return made
