"""What every back end gives: the rows of one query, as they come, which anybody may stop from another thread."""

from collections.abc import Iterator, Mapping, Sequence
from types import TracebackType
from typing import Protocol, Self

import pyarrow as pa

from bowerbird_services.cone import ConeSearch
from bowerbird_services.crossmatches import Crossmatch
from bowerbird_services.tables import Table

# What whoever asked is told, whichever back end found it.
UNREADABLE = "the rows of a table cannot be read now; try again later, or tell the admins"
STOPPED = "the query was stopped"
TOO_LONG = "the query took longer than a query may; ask for less at once, or as an asynchronous job"


class QueryFailed(Exception):
    """A query has no answer; the text is for whoever asked and names no file of ours."""


class Unreadable(QueryFailed):
    """Rows of a table that the query names cannot be read."""


class Interrupted(QueryFailed):
    """A query was told to stop."""


class OutOfTime(Interrupted):
    """A query took longer than it may."""


class Runnable(Protocol):
    """A query that was translated: SQL that names each of `tables` and `crossmatches` by its `view`, as one delimited identifier."""

    @property
    def sql(self) -> str:
        """The SQL of this kind of back end."""

    @property
    def tables(self) -> Sequence[Table]:
        """The tables that it reads."""

    @property
    def crossmatches(self) -> Sequence[Crossmatch]:
        """The pairs that it reads."""

    @property
    def cone(self) -> ConeSearch | None:
        """The same as the SQL where that is a cone around a place and nothing else; a back end need not look at it."""


class Result(Protocol):
    """The rows of one query, once. Leaving it ends the query and forgets what was uploaded for it."""

    @property
    def schema(self) -> pa.Schema:
        """The names and Arrow types of the columns."""

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Yield the rows. Interrupted or OutOfTime where it was stopped, QueryFailed where a row cannot be computed."""

    def interrupt(self) -> None:
        """Stop the query soon; from any thread, also when it has ended."""

    def __enter__(self) -> Self: ...

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None: ...


class Backend(Protocol):
    """Computes over the files of tables."""

    def run(self, query: Runnable, given: Mapping[str, pa.Table], *, seconds: float | None = None) -> Result:
        """Return the result of a query.

        `given` has the rows of tables that lie in no file, by their `view`: what came with the query, and TAP_SCHEMA
        as this identity sees it. Nobody else sees them. QueryFailed where the query cannot be begun.
        """

    def close(self) -> None:
        """End all that runs."""
