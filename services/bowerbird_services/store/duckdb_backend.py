"""DuckDB over Parquet files: one cursor a query, each with views of the tables that its query reads and of no others."""

import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import duckdb
import pyarrow as pa

from bowerbird_services.store.backend import STOPPED, TOO_LONG, UNREADABLE, Interrupted, OutOfTime, QueryFailed, Runnable, Unreadable
from bowerbird_services.store.crossmatch import Pairs
from bowerbird_services.store.parquet_groups import ParquetGroups
from bowerbird_services.tables import Table

BATCH_ROWS = 50_000
# DuckDB forgets an interrupt that comes just before it begins to compute, so it is told again, each time after twice as long.
_AGAIN_SECONDS = 0.05
# What goes wrong in the words of whoever asked. DuckDB's own words may quote files and settings of this machine.
# Through Arrow an error comes as its text alone, which begins with the kind: both stand here.
_SENTENCES: tuple[tuple[type[Exception], str, str], ...] = (
    (
        duckdb.OutOfMemoryException,
        "Out of Memory Error",
        "the query needs more memory than a query may have; ask for fewer rows or columns, or without sorting",
    ),
    (duckdb.OutOfRangeException, "Out of Range Error", "a value of the query is out of the range of its type"),
    (duckdb.ConversionException, "Conversion Error", "a value of the query cannot be converted to the type that is asked for"),
    (duckdb.InvalidInputException, "Invalid Input Error", "a function of the query cannot be computed of its argument"),
    (duckdb.BinderException, "Binder Error", "the query names a column that is not there, or its types do not fit each other"),
)
_BY_ZERO = "Invalid Input Error: Division by zero"
_DIVIDED = "the query divides whole numbers by 0, by / or by MOD; leave those rows out by WHERE"


@dataclass(frozen=True, slots=True)
class Room:
    """What all queries together may use of this machine; `spill` is a directory for what does not fit in memory."""

    tables: Path
    spill: Path
    memory_bytes: int = 1 << 30
    threads: int = 2
    spill_bytes: int = 8 << 30


class DuckDBBackend:
    """Queries of one process; safe to use from many threads. `files` is what groups of rows are read through."""

    def __init__(self, room: Room, prepare: Callable[[duckdb.DuckDBPyConnection], None] = lambda _: None) -> None:
        """Keep the room; `prepare` adds functions before the configuration is locked."""
        self._root = _connect(room)
        prepare(self._root)
        _lock(self._root, room)
        self.files = ParquetGroups()
        # Threads of Python beside DuckDB's own, for the crossmatches of all queries together.
        self._pool = ThreadPoolExecutor(room.threads, thread_name_prefix="crossmatch")

    def run(self, query: Runnable, given: Mapping[str, pa.Table], *, seconds: float | None = None) -> "DuckDBResult":
        """Begin a query; see `Backend.run`."""
        cursor = self._root.cursor()
        try:
            sql = query.sql
            for table in query.tables:
                _show(cursor, table, given)
            for match in query.crossmatches:
                cursor.register(match.view, Pairs(match, given[match.given.table.view], self.files, self._pool))
        except (duckdb.Error, pa.ArrowException, OSError) as error:
            cursor.close()
            raise _in_words(error) from error
        except BaseException:  # a text that cannot be translated, or a table without rows, leaves no cursor open
            cursor.close()
            raise
        return DuckDBResult(cursor, sql, seconds)

    def close(self) -> None:
        """Close the database; what still runs fails."""
        self._root.interrupt()
        self._root.close()
        self._pool.shutdown(wait=True, cancel_futures=True)


class DuckDBResult:
    """One query in its cursor."""

    def __init__(self, cursor: duckdb.DuckDBPyConnection, sql: str, seconds: float | None) -> None:
        self._cursor = cursor
        # Guards the cursor against an interrupt after its close; never held while DuckDB computes.
        self._lock = threading.Lock()
        self._open = True
        self._stopped: type[Interrupted] | None = None
        self._clock: threading.Timer | None = None
        if seconds is not None:
            self._stop_after(seconds, OutOfTime, _AGAIN_SECONDS)
        try:
            # It is bound here and computed when the first rows are asked for, where it can be stopped.
            self._relation = cursor.sql(sql)
        except (duckdb.Error, pa.ArrowException) as error:
            failure = self._failure(error)
            self.close()
            raise failure from error

    @property
    def schema(self) -> pa.Schema:
        """The names and Arrow types of the columns."""
        return self._relation.limit(0).to_arrow_table().schema

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Yield the rows; see `Result.batches`."""
        reader: pa.RecordBatchReader | None = None
        while True:
            if self._stopped:
                raise self._failure(None)
            try:
                reader = reader or self._relation.to_arrow_reader(BATCH_ROWS)
                batch = reader.read_next_batch()
            except StopIteration:
                return
            except (duckdb.Error, pa.ArrowException, OSError) as error:
                raise self._failure(error) from error
            if self._stopped:
                raise self._failure(None)
            yield batch

    def interrupt(self) -> None:
        """Stop the query; the thread that waits for rows gets Interrupted."""
        self._stop(Interrupted)

    def close(self) -> None:
        """End the query and drop its views."""
        with self._lock:
            was_open, self._open = self._open, False
            if self._clock is not None:
                self._clock.cancel()
        if was_open:
            self._cursor.interrupt()
            self._cursor.close()

    def _stop(self, why: type[Interrupted], again_seconds: float = _AGAIN_SECONDS) -> None:
        with self._lock:
            self._stopped = self._stopped or why
            if self._open:
                self._cursor.interrupt()
                self._stop_after(again_seconds, why, 2 * again_seconds)

    def _stop_after(self, seconds: float, why: type[Interrupted], again_seconds: float) -> None:
        # Called with the lock held, or before another thread knows of the query.
        if self._clock is not None:
            self._clock.cancel()
        self._clock = threading.Timer(seconds, self._stop, (why, again_seconds))
        self._clock.daemon = True
        self._clock.start()

    def _failure(self, error: Exception | None) -> QueryFailed:
        if self._stopped is OutOfTime:
            return OutOfTime(TOO_LONG)
        if self._stopped or error is None:
            return Interrupted(STOPPED)
        return _in_words(error)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


def _connect(room: Room) -> duckdb.DuckDBPyConnection:
    room.spill.mkdir(parents=True, exist_ok=True)
    connection = duckdb.connect(
        config={
            "threads": room.threads,
            "memory_limit": f"{room.memory_bytes}B",
            "temp_directory": str(room.spill),
            "max_temp_directory_size": f"{room.spill_bytes}B",
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
            "allow_community_extensions": "false",
            "python_enable_replacements": "false",
        }
    )
    # Files of tables are never written again under their name, so that what is known of them stays true.
    connection.execute("SET parquet_metadata_cache = true")
    connection.execute("SET validate_external_file_cache = 'NO_VALIDATION'")
    connection.execute("SET preserve_insertion_order = false")
    connection.execute("SET TimeZone = 'UTC'")
    return connection


def _lock(connection: duckdb.DuckDBPyConnection, room: Room) -> None:
    connection.execute(f"SET allowed_directories = [{_text(f'{room.tables.absolute()}/')}]")
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")


def _show(cursor: duckdb.DuckDBPyConnection, table: Table, given: Mapping[str, pa.Table]) -> None:
    # A temporary view is the cursor's own; so is what is registered with it.
    rows = given.get(table.view)
    if rows is not None:
        cursor.register(table.view, rows)
    elif table.files:
        files = ", ".join(_text(str(file.absolute())) for file in table.files)
        cursor.execute(f"CREATE TEMP VIEW {_identifier(table.view)} AS SELECT * FROM read_parquet([{files}])")  # noqa: S608  quoted
    else:
        raise QueryFailed(f"the table {table.full_name} has no rows here")


def _text(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _identifier(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _in_words(error: Exception) -> QueryFailed:
    told = str(error)
    if isinstance(error, duckdb.InterruptException) or "INTERRUPT Error" in told:
        return Interrupted(STOPPED)
    if UNREADABLE in told:  # of what a query reads through us
        return Unreadable(UNREADABLE)
    if told.startswith(_BY_ZERO):
        return QueryFailed(_DIVIDED)
    for kind, begins, sentence in _SENTENCES:
        if isinstance(error, kind) or told.startswith(begins):
            return QueryFailed(sentence)
    if isinstance(error, duckdb.IOException) or told.startswith("IO Error"):
        return Unreadable(UNREADABLE)
    return QueryFailed("the query cannot be computed")
