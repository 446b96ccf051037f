"""What the protocols ask of the tables behind them: what somebody sees, and a query's answer as it comes."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType
from typing import Protocol, Self

import pyarrow as pa
from bowerbird_config.identity import Identity

from bowerbird_services.cone import ConeSearch
from bowerbird_services.tables import Catalogue, Column, Table

UPLOAD_SCHEMA = "TAP_UPLOAD"


class QueryFault(Exception):
    """A query that has no answer; its text is for whoever asked."""


class Interrupted(QueryFault):
    """A query that was told to stop."""


class Unreadable(QueryFault):
    """The rows of a table are there and cannot be read now; whoever asked did nothing wrong."""


@dataclass(frozen=True, slots=True)
class Upload:
    """A table that came with a query; `table.schema` is UPLOAD_SCHEMA."""

    table: Table
    rows: pa.Table


Uploads = Mapping[str, Upload]


class Answer(Protocol):
    """The rows of one query, while they are computed. Leaving it ends the query."""

    @property
    def columns(self) -> tuple[Column, ...]:
        """What is known of each column."""

    @property
    def tables(self) -> tuple[Table, ...]:
        """The tables that the rows come from."""

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Yield the rows; Interrupted where somebody stops it, QueryFault where they cannot be computed."""

    def interrupt(self) -> None:
        """Stop the query soon, from whichever thread."""

    def __enter__(self) -> Self: ...

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None: ...


class Engine(Protocol):
    """The tables and what computes over them; every call may take long and runs in a thread."""

    def catalogue(self, identity: Identity, at: datetime) -> Catalogue:
        """Return the tables that this identity may read at that time."""

    def damage(self) -> str | None:
        """Return that some tables have lost rows, in words that name none; None where all are whole."""

    def answer(self, adql: str, catalogue: Catalogue, *, limit: int | None, uploads: Uploads) -> Answer:
        """Return the answer, at most `limit` rows of it; QueryFault where the text cannot be understood."""

    def cone(self, search: ConeSearch, adql: str, catalogue: Catalogue) -> Answer:
        """Return the answer to a cone that `adql` says too: the same rows, without a text that has to be understood."""
