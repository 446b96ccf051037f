"""Columns of single groups of rows of Parquet files in the order of the sky, with what was read last in memory.

Cones and crossmatches read through one of these, so that both together keep what one may.
"""

import os
import threading
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from bowerbird_services.store.backend import UNREADABLE, Unreadable
from bowerbird_services.tables import HEALPIX_COLUMN, HEALPIX_ORDER

# What stands for no place: it lies behind all places, as rows without one do.
BEYOND = 12 << 2 * HEALPIX_ORDER
_KEPT_BYTES = 64 << 20
# Of more than that, what is known of a file takes too much memory and time to be kept for each of many files.
_MOST_FOOTER_BYTES = 1 << 20
_MOST_FOOTERS = 32
_MAGIC = b"PAR1"

# When a file was written, its size and its inode.
_Stamp = tuple[int, int, int]
_Key = tuple[Path, _Stamp, int, str]


@dataclass(frozen=True, slots=True)
class Groups:
    """The groups of one file as it was written at `stamp`: how many rows each has, and the bounds of their places in the order of the sky.

    A group without a place lies beyond all places; one whose places nobody wrote down may have any. `types` has the
    columns whose name is there once.
    """

    path: Path
    stamp: _Stamp
    metadata: pq.FileMetaData
    types: Mapping[str, pa.DataType]
    rows: np.ndarray
    low: np.ndarray
    high: np.ndarray


class ParquetGroups:
    """Reads groups of files; safe to use from many threads."""

    def __init__(self, kept_bytes: int = _KEPT_BYTES) -> None:
        """Keep how much of what was read last is kept."""
        self._most = kept_bytes
        # Guards what is kept; never held while a file is read, so that two threads may read the same once too often.
        self._lock = threading.Lock()
        self._files: OrderedDict[Path, Groups] = OrderedDict()
        self._kept: OrderedDict[_Key, pa.Array] = OrderedDict()
        self._size = 0

    @property
    def kept_bytes(self) -> int:
        """How much of what was read is kept now."""
        return self._size

    def of(self, path: Path) -> Groups:
        """Return the groups of a file; Unreadable where it is damaged or not in the order of the sky."""
        with _damage_told():
            stamp, known = self._known(path)
            if known is not None:
                return known
            found = _groups(path, stamp)
            if _is_light(path):
                self._keep_footer(found)
        return found

    def light(self, path: Path) -> Groups | None:
        """Return the groups of a file, as `of` does; None where it takes long to find out, each time again."""
        with _damage_told():
            known = self._known(path)[1]
            return known or (self.of(path) if _is_light(path) else None)

    def _known(self, path: Path) -> tuple[_Stamp, Groups | None]:
        stat = path.stat()
        stamp = (stat.st_mtime_ns, stat.st_size, stat.st_ino)
        with self._lock:
            known = self._files.get(path)
            if known is None or known.stamp != stamp:
                return stamp, None
            self._files.move_to_end(path)
            return stamp, known

    def _keep_footer(self, groups: Groups) -> None:
        with self._lock:
            self._files[groups.path] = groups
            while len(self._files) > _MOST_FOOTERS:
                self._files.popitem(last=False)

    def read(self, groups: Groups, number: int, names: Sequence[str], *, keep: bool = True) -> list[pa.Array]:
        """Return columns of one group, each whole; with `keep` they are kept. Unreadable where the file is damaged."""
        keys = {name: (groups.path, groups.stamp, number, name) for name in names}
        found: dict[str, pa.Array] = {}
        with self._lock:
            for name, key in keys.items():
                if key in self._kept:
                    self._kept.move_to_end(key)
                    found[name] = self._kept[key]
        absent = [name for name in keys if name not in found]
        if absent:
            read = _read(groups, number, absent)
            found |= read
            if keep:
                self._keep({keys[name]: array for name, array in read.items()})
        return [found[name] for name in names]

    def places(self, groups: Groups, number: int) -> np.ndarray:
        """Return the places of a group's rows, ascending; BEYOND for those without one."""
        (order,) = self.read(groups, number, [HEALPIX_COLUMN])
        return np.asarray((order.fill_null(BEYOND) if order.null_count else order).to_numpy())

    def fits(self, groups: Groups, columns: int) -> bool:
        """Tell whether so many columns of numbers of a whole file fit well into what is kept."""
        return columns * 8 * int(groups.metadata.num_rows) <= self._most

    def _keep(self, arrays: dict[_Key, pa.Array]) -> None:
        with self._lock:
            for key, array in arrays.items():
                if key not in self._kept:
                    self._kept[key] = array
                    self._size += array.nbytes
            while self._size > self._most:
                self._size -= self._kept.popitem(last=False)[1].nbytes


@contextmanager
def _damage_told() -> Iterator[None]:
    try:
        yield
    except (OSError, pa.ArrowException) as error:
        raise Unreadable(UNREADABLE) from error


def _read(groups: Groups, number: int, names: list[str]) -> dict[str, pa.Array]:
    with _damage_told(), pq.ParquetFile(groups.path, metadata=groups.metadata) as file:
        rows = file.read_row_group(number, names, use_threads=False)
    return {name: rows.column(name).combine_chunks() for name in names}


def _is_light(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(-8, os.SEEK_END)
        footer, magic = int.from_bytes(file.read(4), "little"), file.read(4)
    # What is no Parquet file is found out soon.
    return magic != _MAGIC or footer <= _MOST_FOOTER_BYTES


def _groups(path: Path, stamp: _Stamp) -> Groups:
    metadata = pq.read_metadata(path)
    schema = metadata.schema.to_arrow_schema()
    types = {field.name: field.type for field in schema if schema.names.count(field.name) == 1}
    places = [place for place in range(metadata.num_columns) if metadata.schema.column(place).path == HEALPIX_COLUMN]
    if len(places) != 1 or types.get(HEALPIX_COLUMN) != pa.int64():
        raise Unreadable(UNREADABLE)
    rows, bounds = [], []
    for number in range(metadata.num_row_groups):
        group = metadata.row_group(number)
        rows.append(group.num_rows)
        bounds.append(_bounds(group, places[0]))
    low, high = np.array(bounds, np.int64).reshape(-1, 2).T
    return Groups(path, stamp, metadata, types, np.array(rows, np.int64), low, high)


def _bounds(group: pq.RowGroupMetaData, column: int) -> tuple[int, int]:
    told = group.column(column).statistics
    if told is None:
        return 0, BEYOND
    if told.has_min_max:
        return told.min, told.max
    none_has_a_place = told.has_null_count and told.null_count == group.num_rows
    return (BEYOND, BEYOND) if none_has_a_place else (0, BEYOND)
