"""Pairs of rows by position: the order of the sky is merged with the cells that circles touch, one group of rows after another."""

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from bowerbird_services.crossmatches import Crossmatch
from bowerbird_services.sky_order import reach
from bowerbird_services.store.backend import UNREADABLE, Unreadable
from bowerbird_services.store.cells import Cells, touched
from bowerbird_services.store.parquet_groups import Groups, ParquetGroups
from bowerbird_services.store.taken import taken
from bowerbird_services.tables import HEALPIX_COLUMN

# So many pairs are looked at and handed over at once.
_MOST_PAIRS = 1 << 18
# So many groups are begun beside the one that is waited for.
_AHEAD = 4


@dataclass(frozen=True, slots=True)
class _Group:
    """A group of rows of one file, which has some."""

    groups: Groups
    number: int

    @property
    def rows(self) -> int:
        return int(self.groups.rows[self.number])

    @property
    def first(self) -> int:
        return int(self.groups.low[self.number])

    @property
    def last(self) -> int:
        return int(self.groups.high[self.number])


class Pairs:
    """The relation of a crossmatch: computed while it is read, each time anew, by whoever takes an Arrow stream."""

    def __init__(self, match: Crossmatch, given: pa.Table, kept: ParquetGroups, pool: ThreadPoolExecutor) -> None:
        """Keep what is matched; groups of rows are looked at in the threads of `pool`. Unreadable where a file is damaged."""
        files = [kept.of(path) for path in match.stored.table.files]
        self._match = match
        self._kept = kept
        self._pool = pool
        self._reach = reach(match.radius)
        self._ra, self._dec = (_degrees(given[name]) for name in (match.given.ra, match.given.dec))
        self._groups = [_Group(groups, number) for groups in files for number in np.flatnonzero(groups.rows).tolist()]
        self._ours = [given.schema.field(name) for name in match.given.columns]
        self._theirs = [_field(files, name) for name in dict.fromkeys([*match.stored.columns, HEALPIX_COLUMN])]
        self._given = {field.name: given[field.name].combine_chunks() for field in self._ours}
        self._schema = pa.schema([(match.given.alias, pa.struct(self._ours)), (match.stored.alias, pa.struct(self._theirs))])

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """Return a stream of the pairs (Arrow's PyCapsule interface)."""
        return pa.RecordBatchReader.from_batches(self._schema, self._batches()).__arrow_c_stream__(requested_schema)

    def _batches(self) -> Iterator[pa.RecordBatch]:
        """Yield the pairs of all groups; the first of those that come next are computed meanwhile."""
        cells = touched(self._ra, self._dec, self._reach, self._density())
        waiting: deque[tuple[Iterator[pa.RecordBatch], Future[pa.RecordBatch | None]]] = deque()
        try:
            for group, low, high in _near(self._groups, cells):
                found = self._found(group, cells, low, high)
                waiting.append((found, self._pool.submit(next, found, None)))
                if len(waiting) > _AHEAD:
                    yield from _all(*waiting.popleft())
            while waiting:
                yield from _all(*waiting.popleft())
        finally:
            # Whoever leaves leaves nothing running.
            wait([first for _, first in waiting if not first.cancel()])

    def _density(self) -> float:
        """Return how many rows the table has for each cell of its order, where it has any."""
        rows = sum(group.rows for group in self._groups)
        return rows / max(1, sum(group.last - group.first for group in self._groups))

    def _found(self, group: _Group, cells: Cells, low: int, high: int) -> Iterator[pa.RecordBatch]:
        """Yield the pairs with rows of a group, of the circles that may reach there."""
        groups, number_of_it = group.groups, group.number
        order = self._kept.places(groups, number_of_it)
        dec = _degrees(*self._kept.read(groups, number_of_it, [self._match.stored.dec]))
        begin = np.searchsorted(order, cells.first[low:high])
        some = np.flatnonzero(order[np.minimum(begin, len(order) - 1)] < cells.after[low:high])
        count = np.zeros(len(begin), np.int64)
        count[some] = np.searchsorted(order, cells.after[low:high][some]) - begin[some]
        names = [field.name for field in self._theirs]
        for part in _parts(some, count[some]):
            number = count[part]
            ours = np.repeat(cells.row[low:high][part], number)
            theirs = np.arange(len(ours)) + np.repeat(begin[part] - (np.cumsum(number) - number), number)
            near = np.abs(self._dec[ours] - dec[theirs]) <= self._reach
            if near.any():
                read = self._kept.read(groups, number_of_it, names, keep=self._kept.fits(groups, len(names) + 1))
                rows = dict(zip(names, read, strict=True))
                pair = _taken(self._given, self._ours, ours[near]), _taken(rows, self._theirs, theirs[near])
                yield pa.RecordBatch.from_arrays(list(pair), schema=self._schema)


def _degrees(column: pa.Array | pa.ChunkedArray) -> np.ndarray:
    """Return numbers; NaN where there is none."""
    return np.asarray(column.to_numpy(zero_copy_only=False), float)


def _field(files: Sequence[Groups], name: str) -> pa.Field:
    kinds = {groups.types.get(name) for groups in files}
    kind = kinds.pop() if len(kinds) == 1 else None
    if kind is None:  # the files are not as the table says
        raise Unreadable(UNREADABLE)
    return pa.field(name, kind)


def _near(groups: Sequence[_Group], cells: Cells) -> Iterator[tuple[_Group, int, int]]:
    """Yield the groups that cells reach, with the first of those and the one after the last."""
    for group in groups:
        low, high = np.searchsorted(cells.after, group.first, "right"), np.searchsorted(cells.first, group.last, "right")
        if low < high:
            yield group, int(low), int(high)


def _parts(which: np.ndarray, counts: np.ndarray) -> Iterator[np.ndarray]:
    """Yield what is counted in parts of about _MOST_PAIRS together."""
    ends = np.cumsum(counts) // _MOST_PAIRS
    return (part for part in np.split(which, np.flatnonzero(np.diff(ends)) + 1) if len(part))


def _all(found: Iterator[pa.RecordBatch], first: "Future[pa.RecordBatch | None]") -> Iterator[pa.RecordBatch]:
    batch = first.result()
    while batch is not None:
        yield batch
        batch = next(found, None)


def _taken(columns: Mapping[str, pa.Array], fields: Sequence[pa.Field], rows: np.ndarray) -> pa.StructArray:
    return pa.StructArray.from_arrays([taken(columns[field.name], rows) for field in fields], fields=list(fields))
