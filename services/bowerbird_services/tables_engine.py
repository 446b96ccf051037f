"""The engine of the platform: the store's catalogue by the access decision, ADQL translated, computed by the back end."""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from types import TracebackType
from typing import Protocol, Self

import pyarrow as pa
from bowerbird_config.identity import Identity

from bowerbird_services.engine import Interrupted, QueryFault, Uploads
from bowerbird_services.identity import Records
from bowerbird_services.store import backend
from bowerbird_services.store.catalogues import SeenCatalogue, TableStore
from bowerbird_services.tables import Catalogue, Column, Table


class Translated(backend.Runnable, Protocol):
    """A query that was understood."""

    @property
    def columns(self) -> Sequence[Column]:
        """What is known of each column of the result."""


# (text, catalogue, limit, uploads) -> what to compute; QueryFault where the text cannot be understood.
Translate = Callable[[str, Catalogue, int | None, Catalogue], Translated]


class TablesEngine:
    """Answers over the tables that were ingested."""

    def __init__(self, records: Records, store: TableStore, computing: backend.Backend, translate: Translate) -> None:
        self._records = records
        self._store = store
        self._backend = computing
        self._translate = translate

    def catalogue(self, identity: Identity, at: datetime) -> SeenCatalogue:
        """Return the tables that this identity may read at that time."""
        return self._store.catalogue(self._records.platform, identity, at)

    def answer(self, adql: str, catalogue: Catalogue, *, limit: int | None, uploads: Uploads) -> "TablesAnswer":
        """Return the answer to a query."""
        query = self._translate(adql, catalogue, limit, Catalogue(upload.table for upload in uploads.values()))
        given = catalogue.given(query.tables) if isinstance(catalogue, SeenCatalogue) else {}
        given |= {upload.table.view: upload.rows for upload in uploads.values()}
        try:
            result = self._backend.run(query, given)
        except backend.QueryFailed as error:
            raise QueryFault(str(error)) from error
        return TablesAnswer(result, tuple(query.columns), tuple(query.tables))


class TablesAnswer:
    """The rows of one query."""

    def __init__(self, result: backend.Result, columns: tuple[Column, ...], tables: tuple[Table, ...]) -> None:
        self._result = result
        self.columns = columns
        self.tables = tables

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Yield the rows."""
        try:
            yield from self._result.batches()
        except backend.Interrupted as error:
            raise Interrupted(str(error)) from error
        except backend.QueryFailed as error:
            raise QueryFault(str(error)) from error

    def interrupt(self) -> None:
        """Stop the query soon."""
        self._result.interrupt()

    def __enter__(self) -> Self:
        self._result.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._result.__exit__(kind, error, trace)
