"""Pairs of rows by position: the order of the sky is merged with the cells that circles touch, one group of rows after another."""

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bowerbird_services.crossmatches import Crossmatch
from bowerbird_services.sky_order import reach
from bowerbird_services.store import row_groups
from bowerbird_services.store.cells import Cells, touched
from bowerbird_services.store.row_groups import BEYOND, Group, RowGroups
from bowerbird_services.tables import HEALPIX_COLUMN

# So many pairs are looked at and handed over at once.
_MOST_PAIRS = 1 << 18
_THREADS = 2
_AHEAD = 2 * _THREADS


class Pairs:
    """The relation of a crossmatch: computed while it is read, each time anew, by whoever takes an Arrow stream."""

    def __init__(self, match: Crossmatch, given: pa.Table, kept: RowGroups) -> None:
        files = match.stored.table.files
        self._match = match
        self._kept = kept
        self._reach = reach(match.radius)
        self._ra, self._dec = (_degrees(given[name]) for name in (match.given.ra, match.given.dec))
        self._groups = row_groups.groups(files)
        told = row_groups.schema(files)
        self._ours = [given.schema.field(name) for name in match.given.columns]
        self._theirs = [told.field(name) for name in dict.fromkeys([*match.stored.columns, HEALPIX_COLUMN])]
        self._given = {field.name: given[field.name].combine_chunks() for field in self._ours}
        self._schema = pa.schema([(match.given.alias, pa.struct(self._ours)), (match.stored.alias, pa.struct(self._theirs))])

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """Return a stream of the pairs (Arrow's PyCapsule interface)."""
        return pa.RecordBatchReader.from_batches(self._schema, self._batches()).__arrow_c_stream__(requested_schema)

    def _batches(self) -> Iterator[pa.RecordBatch]:
        cells = touched(self._ra, self._dec, self._reach, self._density())
        with ThreadPoolExecutor(_THREADS, thread_name_prefix="crossmatch") as pool:
            yield from self._merged(cells, pool)

    def _merged(self, cells: Cells, pool: ThreadPoolExecutor) -> Iterator[pa.RecordBatch]:
        """Yield the pairs of all groups; the first of those that come next are computed meanwhile."""
        waiting: deque[tuple[Iterator[pa.RecordBatch], Future[pa.RecordBatch | None]]] = deque()
        try:
            for group, low, high in _near(self._groups, cells):
                found = self._found(group, cells, low, high)
                waiting.append((found, pool.submit(next, found, None)))
                if len(waiting) > _AHEAD:
                    yield from _all(*waiting.popleft())
            while waiting:
                yield from _all(*waiting.popleft())
        finally:
            for _, first in waiting:
                first.cancel()

    def _density(self) -> float:
        """Return how many rows the table has for each cell of its order, where it has any."""
        rows = sum(group.rows for group in self._groups)
        return rows / max(1, sum(group.last - group.first for group in self._groups))

    def _found(self, group: Group, cells: Cells, low: int, high: int) -> Iterator[pa.RecordBatch]:
        """Yield the pairs with rows of a group, of the circles that may reach there."""
        placed = self._kept.columns(group, (HEALPIX_COLUMN, self._match.stored.dec))
        order, dec = _order(placed[HEALPIX_COLUMN]), _degrees(placed[self._match.stored.dec])
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
                rows = self._kept.columns(group, names, keep=self._kept.fits(group, len(names) + 1))
                pair = _taken(self._given, self._ours, ours[near]), _taken(rows, self._theirs, theirs[near])
                yield pa.RecordBatch.from_arrays(list(pair), schema=self._schema)


def _degrees(column: pa.Array | pa.ChunkedArray) -> np.ndarray:
    """Return numbers; NaN where there is none."""
    return np.asarray(column.to_numpy(zero_copy_only=False), float)


def _order(column: pa.Array) -> np.ndarray:
    """Return places in the order of the sky; rows without a position stand last."""
    known = pc.fill_null(column, BEYOND) if column.null_count else column
    return np.asarray(known.to_numpy())


def _near(groups: Sequence[Group], cells: Cells) -> Iterator[tuple[Group, int, int]]:
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
    return pa.StructArray.from_arrays([_of_rows(columns[field.name], rows) for field in fields], fields=list(fields))


def _of_rows(column: pa.Array, rows: np.ndarray) -> pa.Array:
    # numpy has few numbers sooner than Arrow begins.
    if column.null_count or not (pa.types.is_integer(column.type) or pa.types.is_floating(column.type)):
        return column.take(pa.array(rows))
    return pa.array(column.to_numpy()[rows])
