"""Small cones read from the sorted Parquet files themselves: the groups whose order fits, and of their rows those within the radius.

What a general database spends on such a question is planning, ten times as long as its rows take. The rows are the same
ones: they pass the same ranges of the order and the formula of ADQL's translation, and where rounding could decide it is
computed as there.
"""

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import numpy as np
import pyarrow as pa

from bowerbird_services import sky_order
from bowerbird_services.cone import ConeSearch
from bowerbird_services.store.backend import STOPPED, TOO_LONG, Interrupted, OutOfTime
from bowerbird_services.store.parquet_groups import Groups, ParquetGroups
from bowerbird_services.store.taken import taken
from bowerbird_services.tables import HEALPIX_COLUMN

# Groups times columns: with more of them, a database that computes in several threads is faster.
_MOST_READ = 96
_ROUNDING = 1e-12


@dataclass(frozen=True, slots=True)
class _Piece:
    """Groups of one file that a cone may have rows in."""

    groups: Groups
    numbers: tuple[int, ...]


class ConeReader:
    """Reads cones; safe to use from many threads."""

    def __init__(self, files: ParquetGroups) -> None:
        self._files = files

    def open(self, search: ConeSearch, seconds: float | None = None) -> "ConeResult | None":
        """Return the rows of a cone; None where it is none to be read like this. QueryFailed where a file is damaged."""
        position = search.table.position
        ranges = sky_order.of_circle(search.ra, search.dec, search.radius)
        if position is None or ranges is None or not search.table.files:
            return None
        files = []
        for path in search.table.files:
            groups = self._files.light(path)
            if groups is None:
                return None
            files.append(groups)
        pieces = [_Piece(groups, _fitting(groups, ranges)) for groups in files]
        names = {HEALPIX_COLUMN, position.ra, position.dec, *(name for name, _ in search.outputs)}
        if sum(len(piece.numbers) for piece in pieces) * len(names) > _MOST_READ:
            return None
        fields = _fields(files, search)
        return ConeResult(self._files, pieces, ranges, search, fields, seconds) if fields else None


def _fitting(groups: Groups, ranges: sky_order.Ranges) -> tuple[int, ...]:
    fits = np.zeros(len(groups.low), bool)
    for low, high in ranges:
        fits |= (groups.low <= high) & (groups.high >= low)
    return tuple(np.flatnonzero(fits).tolist())


def _fields(files: list[Groups], search: ConeSearch) -> pa.Schema | None:
    """Return the columns of the answer; None where a file has them otherwise, or values that have to be understood first."""
    position = search.table.position
    assert position is not None  # noqa: S101  whoever calls has looked
    names = (position.ra, position.dec, *(name for name, _ in search.outputs))
    kinds = {tuple(groups.types.get(name) for name in names) for groups in files}
    if len(kinds) != 1:
        return None
    found = kinds.pop()
    if not all(kind is not None and _is_plain(kind) for kind in found):
        return None
    return pa.schema([pa.field(name, kind) for (_, name), kind in zip(search.outputs, found[2:], strict=True)])


def _is_plain(kind: pa.DataType) -> bool:
    # Other types come from a database as another type than they are kept in.
    kinds = (pa.types.is_integer, pa.types.is_floating, pa.types.is_boolean, pa.types.is_string)
    return any(bool(is_kind(kind)) for is_kind in kinds)


class ConeResult:
    """The rows of one cone, group by group."""

    def __init__(  # all of one cone
        self,
        files: ParquetGroups,
        pieces: list[_Piece],
        ranges: sky_order.Ranges,
        search: ConeSearch,
        schema: pa.Schema,
        seconds: float | None,
    ) -> None:
        self._files, self._pieces, self._search = files, pieces, search
        self._first, self._last = np.array(ranges, np.int64).reshape(-1, 2).T
        self._end = None if seconds is None else time.monotonic() + seconds
        self._stopped = False
        self.schema = schema

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Yield the rows; see `Result.batches`."""
        room = self._search.limit
        for piece in self._pieces:
            for number in piece.numbers:
                if room == 0:
                    return
                self._go_on()
                batch = self._batch(piece.groups, number, room)
                if batch is not None:
                    room = None if room is None else room - batch.num_rows
                    yield batch
        self._go_on()

    def _go_on(self) -> None:
        if self._stopped:
            raise Interrupted(STOPPED)
        if self._end is not None and time.monotonic() > self._end:
            raise OutOfTime(TOO_LONG)

    def _batch(self, groups: Groups, number: int, most: int | None) -> pa.RecordBatch | None:
        position = self._search.table.position
        assert position is not None  # noqa: S101  `open` has looked
        near = self._near(self._files.places(groups, number))
        if not len(near):
            return None
        ra, dec = (_numbers(array, near) for array in self._files.read(groups, number, [position.ra, position.dec]))
        rows = near[within(ra, dec, self._search)][:most]
        if not len(rows):
            return None
        arrays = self._files.read(groups, number, [name for name, _ in self._search.outputs])
        return pa.RecordBatch.from_arrays([taken(array, rows) for array in arrays], schema=self.schema)

    def _near(self, places: np.ndarray) -> np.ndarray:
        """Return the rows of a group that lie in the ranges."""
        starts, ends = np.searchsorted(places, self._first), np.searchsorted(places, self._last, "right")
        return np.concatenate([np.arange(start, end) for start, end in zip(starts.tolist(), ends.tolist(), strict=True)])

    def interrupt(self) -> None:
        """Stop the query; whoever waits for rows gets Interrupted after the group that is read now."""
        self._stopped = True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stopped = True


def _numbers(array: pa.Array, rows: np.ndarray) -> np.ndarray:
    """Return some of a column's numbers; NaN where there is none."""
    filled = array.cast(pa.float64()).fill_null(math.nan) if array.null_count else array
    return np.asarray(filled.to_numpy(zero_copy_only=False)[rows], float)


def within(ra: np.ndarray, dec: np.ndarray, search: ConeSearch) -> np.ndarray:
    """Return which positions lie in the circle: `adql_haversine` of `adql.macros` against the radius."""
    limit = math.pow(math.sin(math.radians(search.radius) / 2), 2)
    across, along = np.radians(search.ra - ra) / 2, np.radians(search.dec - dec) / 2
    middle = np.radians(search.dec + dec) / 2
    found = (np.cos(across) * np.sin(along)) ** 2 + (np.sin(across) * np.cos(middle)) ** 2
    inside: np.ndarray = found <= limit if search.closed else found < limit
    # numpy's sines differ in their last digit from those of the C library, which the database computes with.
    for row in np.flatnonzero(np.abs(found - limit) <= _ROUNDING * limit).tolist():
        exact = _haversine(float(ra[row]), float(dec[row]), search)
        inside[row] = exact <= limit if search.closed else exact < limit
    return inside


def _haversine(ra: float, dec: float, search: ConeSearch) -> float:
    across, along, middle = (math.radians(angle) / 2 for angle in (search.ra - ra, search.dec - dec, search.dec + dec))
    return math.pow(math.cos(across) * math.sin(along), 2) + math.pow(math.sin(across) * math.cos(middle), 2)
