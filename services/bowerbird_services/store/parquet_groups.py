"""Columns of single row groups of Parquet files, with what is known of the files and the columns that were read last in memory."""

import os
import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

_KEPT_BYTES = 48 << 20
# Of more than that, what is known of a file takes too much memory and time to be kept for each of many files.
_MOST_FOOTER_BYTES = 1 << 20
_MOST_FOOTERS = 32
_MAGIC = b"PAR1"

# When a file was written, its size and its inode.
_Stamp = tuple[int, int, int]
_Key = tuple[Path, _Stamp, int, str]


class NotForGroups(Exception):
    """A file that is not to be read by the group: it says too little of its groups, or too much."""


@dataclass(frozen=True, slots=True)
class Groups:
    """The row groups of one file as it was written at `stamp`; `low` and `high` are the bounds of its order in each."""

    path: Path
    stamp: _Stamp
    metadata: pq.FileMetaData
    schema: pa.Schema
    low: np.ndarray
    high: np.ndarray


class ParquetGroups:
    """Reads groups of files that are sorted by one column; safe to use from many threads."""

    def __init__(self, order: str, kept_bytes: int = _KEPT_BYTES) -> None:
        """Keep the name of the column that files are sorted by, and how much of what was read last is kept."""
        self._order = order
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
        """Return the groups of a file; NotForGroups where they are of no use, OSError or ArrowException where it is damaged."""
        stat = path.stat()
        stamp = (stat.st_mtime_ns, stat.st_size, stat.st_ino)
        with self._lock:
            known = self._files.get(path)
            if known is not None and known.stamp == stamp:
                self._files.move_to_end(path)
                return known
        found = _groups(path, stamp, self._order)
        with self._lock:
            self._files[path] = found
            while len(self._files) > _MOST_FOOTERS:
                self._files.popitem(last=False)
        return found

    def read(self, groups: Groups, number: int, names: Sequence[str]) -> list[pa.Array]:
        """Return columns of one group, each whole."""
        keys = {name: (groups.path, groups.stamp, number, name) for name in names}
        found: dict[str, pa.Array] = {}
        with self._lock:
            for name, key in keys.items():
                if key in self._kept:
                    self._kept.move_to_end(key)
                    found[name] = self._kept[key]
        absent = [name for name in keys if name not in found]
        if absent:
            with pq.ParquetFile(groups.path, metadata=groups.metadata) as file:
                rows = file.read_row_group(number, absent, use_threads=False)
            read = {name: rows.column(name).combine_chunks() for name in absent}
            found |= read
            self._keep({keys[name]: array for name, array in read.items()})
        return [found[name] for name in names]

    def _keep(self, arrays: dict[_Key, pa.Array]) -> None:
        with self._lock:
            for key, array in arrays.items():
                if key not in self._kept:
                    self._kept[key] = array
                    self._size += array.nbytes
            while self._size > self._most:
                self._size -= self._kept.popitem(last=False)[1].nbytes


def _groups(path: Path, stamp: _Stamp, order: str) -> Groups:
    with path.open("rb") as file:
        file.seek(-8, os.SEEK_END)
        footer, magic = int.from_bytes(file.read(4), "little"), file.read(4)
    if magic == _MAGIC and footer > _MOST_FOOTER_BYTES:
        raise NotForGroups
    metadata = pq.read_metadata(path)
    schema = metadata.schema.to_arrow_schema()
    places = [place for place in range(metadata.num_columns) if metadata.schema.column(place).path == order]
    if len(places) != 1 or schema.field(order).type != pa.int64():
        raise NotForGroups
    low, high = [], []
    for number in range(metadata.num_row_groups):
        group = metadata.row_group(number)
        told = group.column(places[0]).statistics
        if told is not None and told.has_min_max:
            low.append(told.min)
            high.append(told.max)
        elif told is not None and told.has_null_count and told.null_count == group.num_rows:
            low.append(1)  # no row of it has a place in the order
            high.append(0)
        else:
            raise NotForGroups
    return Groups(path, stamp, metadata, schema, np.array(low, np.int64), np.array(high, np.int64))
