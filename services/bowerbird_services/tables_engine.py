"""The engine of the platform: the store's catalogue by the access decision, ADQL translated, computed by the back end."""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

import pyarrow as pa
from bowerbird_config.identity import Identity

from bowerbird_services.cone import ConeSearch
from bowerbird_services.crossmatches import Crossmatch
from bowerbird_services.engine import Interrupted, QueryFault, Unreadable, Uploads
from bowerbird_services.identity import Records
from bowerbird_services.store import backend
from bowerbird_services.store.catalogues import SeenCatalogue, TableStore
from bowerbird_services.tables import Catalogue, Column, Table

_logger = logging.getLogger("bowerbird.services.tables")


class Translated(backend.Runnable, Protocol):
    """A query that was understood."""

    @property
    def columns(self) -> Sequence[Column]:
        """What is known of each column of the result."""


Faults = Callable[[backend.QueryFailed, Sequence[Table]], QueryFault]
# (text, catalogue, limit, uploads) -> what to compute; QueryFault where the text cannot be understood.
Translate = Callable[[str, Catalogue, int | None, Catalogue], Translated]


@dataclass(frozen=True, slots=True)
class _Cone:
    """A cone as a query; `translated` makes its SQL."""

    cone: ConeSearch
    columns: Sequence[Column]
    translated: Callable[[], Translated]

    @property
    def tables(self) -> Sequence[Table]:
        return (self.cone.table,)

    @property
    def crossmatches(self) -> Sequence[Crossmatch]:
        return ()

    @property
    def sql(self) -> str:
        return self.translated().sql


class TablesEngine:
    """Answers over the tables that were ingested."""

    def __init__(self, records: Records, store: TableStore, computing: backend.Backend, translate: Translate) -> None:
        self._records = records
        self._store = store
        self._backend = computing
        self._translate = translate
        self._told: set[Path] = set()

    def catalogue(self, identity: Identity, at: datetime) -> SeenCatalogue:
        """Return the tables that this identity may read at that time."""
        return self._store.catalogue(self._records.platform, identity, at)

    def answer(self, adql: str, catalogue: Catalogue, *, limit: int | None, uploads: Uploads) -> "TablesAnswer":
        """Return the answer to a query."""
        query = self._translate(adql, catalogue, limit, Catalogue(upload.table for upload in uploads.values()))
        given = catalogue.given(query.tables) if isinstance(catalogue, SeenCatalogue) else {}
        given |= {upload.table.view: upload.rows for upload in uploads.values()}
        return self._begun(query, given)

    def cone(self, search: ConeSearch, adql: str, catalogue: Catalogue) -> "TablesAnswer":
        """Return the answer to a cone; its text is translated only where the back end wants it."""
        table, limit = search.table, search.limit
        if catalogue.get(table.full_name) is not table:  # it has changed, or may not be seen any more
            return self.answer(adql, catalogue, limit=limit, uploads={})
        columns = tuple(column for name, _ in search.outputs for column in [table.column(name)] if column is not None)
        return self._begun(_Cone(search, columns, lambda: self._translate(adql, catalogue, limit, Catalogue(()))), {})

    def _begun(self, query: Translated, given: Mapping[str, pa.Table]) -> "TablesAnswer":
        try:
            result = self._backend.run(query, given)
        except backend.QueryFailed as error:
            raise self._fault(error, query.tables) from error
        return TablesAnswer(result, tuple(query.columns), tuple(query.tables), self._fault)

    def damage(self) -> str | None:
        """Return how many tables have lost their rows; None where all are whole."""
        damaged, known = self._store.damaged()
        self._log(damaged)
        return f"the rows of {len(damaged)} of {known} tables are damaged or not there; all others can be asked" if damaged else None

    def _log(self, damaged: Iterable[Table]) -> None:
        """Name each damaged table to the admins, once for each making of it."""
        for table in damaged:
            if not self._told.issuperset(table.files):
                self._told.update(table.files)
                _logger.warning("the rows of %s are damaged or not there; it is made again from its release", table.full_name)

    def _fault(self, error: backend.QueryFailed, tables: Sequence[Table]) -> QueryFault:
        """Return why a query over these tables failed. A back end need not notice what became of a file: it is looked at."""
        if isinstance(error, backend.Interrupted):
            return Interrupted(str(error))
        broken = self._store.damaged_of(tables) or (tables if isinstance(error, backend.Unreadable) else ())
        if not broken:
            return QueryFault(str(error))
        self._log(broken)
        names = ", ".join(table.full_name for table in broken if table.files)
        return Unreadable(f"the rows of {names} cannot be read now; other tables can. Try again later, or tell the admins of the platform")


class TablesAnswer:
    """The rows of one query."""

    def __init__(self, result: backend.Result, columns: tuple[Column, ...], tables: tuple[Table, ...], fault: Faults) -> None:
        self._result = result
        self._fault = fault
        self.columns = columns
        self.tables = tables

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Yield the rows."""
        try:
            yield from self._result.batches()
        except backend.QueryFailed as error:
            raise self._fault(error, self.tables) from error

    def interrupt(self) -> None:
        """Stop the query soon."""
        self._result.interrupt()

    def __enter__(self) -> Self:
        self._result.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._result.__exit__(kind, error, trace)
