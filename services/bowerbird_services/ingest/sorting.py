"""Rows to a Parquet file, in the order of the sky where they have one: in memory while they fit, on disk where they do not."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from bowerbird_services.ingest import room
from bowerbird_services.tables import HEALPIX_COLUMN

# So many that a cone reads little and a scan loses nothing.
ROW_GROUP_ROWS = 40_960
_MEMORY = "1GB"
# In this time no disk takes as much as the reserve of it has.
_LOOK_SECONDS = 0.05


def write_sorted(schema: pa.Schema, batches: Iterator[pa.RecordBatch], file: Path, work: Path) -> int:
    """Write all rows to a new file, and return how many; `work` is a directory for what memory does not hold.

    What the batches raise comes through as it is. NoRoom where the file cannot be written, or nothing is left but the
    reserve of the disk; a part of it may be there.
    """
    raised: list[Exception] = []

    def watched() -> Iterator[pa.RecordBatch]:
        try:
            yield from batches
        except Exception as error:  # kept and raised again: DuckDB would tell it in words of its own
            raised.append(error)
            raise

    database = duckdb.connect(
        config={"threads": 2, "memory_limit": _MEMORY, "temp_directory": str(work), "python_enable_replacements": "false"}
    )
    try:
        database.execute("SET enable_progress_bar = false")
        database.register("incoming", pa.RecordBatchReader.from_batches(schema, watched()))
        order = f' ORDER BY "{HEALPIX_COLUMN}" NULLS LAST' if HEALPIX_COLUMN in schema.names else ""
        target = str(file).replace("'", "''")
        options = f"FORMAT parquet, ROW_GROUP_SIZE {ROW_GROUP_ROWS}, COMPRESSION snappy"
        with _leaving_the_reserve(database, file.parent, raised):
            database.execute(f"COPY (SELECT * FROM incoming{order}) TO '{target}' ({options})")  # noqa: S608  names are ours, the path is quoted
    except (duckdb.Error, OSError) as error:
        if raised:
            raise raised[0] from error
        raise room.NoRoom(f"{file.parent} cannot be written to: {error}") from error
    finally:
        database.close()
    room.check(file.parent)
    return _verified(file)


@contextmanager
def _leaving_the_reserve(database: duckdb.DuckDBPyConnection, folder: Path, raised: list[Exception]) -> Iterator[None]:
    """Interrupt what the database does when the disk has nothing left but its reserve, or cannot be asked; `raised` then has why."""
    done = threading.Event()

    def look() -> None:
        while not done.wait(_LOOK_SECONDS):
            try:
                room.check(folder)
            except (room.NoRoom, OSError) as error:
                raised.append(error)
                # Again at each look: one that comes before the query begins is lost.
                database.interrupt()

    looking = threading.Thread(target=look, daemon=True)
    looking.start()
    try:
        yield
    finally:
        done.set()
        looking.join()


def _verified(file: Path) -> int:
    """Return the rows of a file that is whole and on the disk."""
    descriptor = os.open(file, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    return int(pq.read_metadata(file).num_rows)
