"""Groups of rows of Parquet files: where on the sky each lies, and its columns, of which those that were read last are kept."""

import threading
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from bowerbird_services.tables import HEALPIX_COLUMN, HEALPIX_ORDER

BEYOND = 12 << 2 * HEALPIX_ORDER
_KEPT_BYTES = 48 << 20
_KNOWN_FILES = 64


@dataclass(frozen=True, slots=True)
class Group:
    """A group of rows, and the first and last place that they have in the order of the sky."""

    file: Path
    number: int
    rows: int
    first: int
    last: int


# Files of tables are never written again under their name.
@lru_cache(maxsize=_KNOWN_FILES)
def _metadata(file: Path) -> pq.FileMetaData:
    return pq.read_metadata(file)


@lru_cache(maxsize=_KNOWN_FILES)
def _groups(file: Path) -> tuple[Group, ...]:
    metadata = _metadata(file)
    column = metadata.schema.names.index(HEALPIX_COLUMN)
    found = []
    for number in range(metadata.num_row_groups):
        group = metadata.row_group(number)
        told = group.column(column).statistics
        first, last = (told.min, told.max) if told is not None and told.has_min_max else (0, BEYOND)
        if group.num_rows:
            found.append(Group(file, number, group.num_rows, first, last))
    return tuple(found)


def groups(files: Sequence[Path]) -> list[Group]:
    """Return the groups of rows of a table that has positions."""
    return [group for file in files for group in _groups(file)]


def schema(files: Sequence[Path]) -> pa.Schema:
    """Return the columns of a table."""
    return _metadata(files[0]).schema.to_arrow_schema()


class RowGroups:
    """Reads columns of groups of rows, from any thread; at most `kept_bytes` of them are kept."""

    def __init__(self, kept_bytes: int = _KEPT_BYTES) -> None:
        self._kept: OrderedDict[tuple[Path, int, str], pa.Array] = OrderedDict()
        self._most = kept_bytes
        self._bytes = 0
        # Guards what is kept; never held while a file is read.
        self._lock = threading.Lock()

    def columns(self, group: Group, names: Iterable[str], *, keep: bool = True) -> dict[str, pa.Array]:
        """Return columns by their names; with `keep` they are kept."""
        wanted = list(dict.fromkeys(names))
        found = self._known(group, wanted)
        absent = [name for name in wanted if name not in found]
        if absent:
            with pq.ParquetFile(group.file, metadata=_metadata(group.file)) as file:
                rows = file.read_row_group(group.number, columns=absent, use_threads=False)
            read = {name: rows[name].combine_chunks() for name in absent}
            found |= read
            if keep:
                self._keep(group, read)
        return found

    def fits(self, group: Group, columns: int) -> bool:
        """Tell whether so many columns of numbers of all of a group's file fit well into what is kept."""
        return columns * 8 * int(_metadata(group.file).num_rows) <= self._most

    def _known(self, group: Group, names: Iterable[str]) -> dict[str, pa.Array]:
        with self._lock:
            found = {}
            for name in names:
                key = (group.file, group.number, name)
                if key in self._kept:
                    self._kept.move_to_end(key)
                    found[name] = self._kept[key]
            return found

    def _keep(self, group: Group, read: dict[str, pa.Array]) -> None:
        with self._lock:
            for name, array in read.items():
                key = (group.file, group.number, name)
                if key not in self._kept:
                    self._kept[key] = array
                    self._bytes += array.nbytes
            while self._bytes > self._most:
                self._bytes -= self._kept.popitem(last=False)[1].nbytes
