from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from bowerbird_services.store.backend import Interrupted, QueryFailed
from bowerbird_services.store.duckdb_backend import DuckDBBackend, DuckDBResult, Room

from tests.services.store.backend_contract import BackendContract, Query


def backend_at(tables: Path) -> DuckDBBackend:
    return DuckDBBackend(Room(tables, tables.parent / "spill", memory_bytes=256 << 20))


class TestDuckDB(BackendContract):
    make = staticmethod(backend_at)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM read_csv('/etc/passwd')",
        "SELECT * FROM read_text('/etc/hostname')",
        "COPY (SELECT 1) TO '/tmp/stolen.csv'",
        "ATTACH '/tmp/other.db'",
        "INSTALL httpfs",
        "LOAD httpfs",
        "SET threads = 4",
        "SET enable_external_access = true",
    ],
)
def test_sql_reaches_nothing_but_tables(tmp_path: Path, sql: str) -> None:
    backend = backend_at(tmp_path)
    try:
        with pytest.raises(QueryFailed), backend.run(Query(sql), {}) as result:
            list(result.batches())
    finally:
        backend.close()


def test_python_variables_are_no_tables(tmp_path: Path) -> None:
    mine = pa.table({"n": [1]})
    backend = backend_at(tmp_path)
    try:
        with pytest.raises(QueryFailed), backend.run(Query("SELECT * FROM mine"), {}):
            assert mine
    finally:
        backend.close()


def test_what_prepares_adds_functions(tmp_path: Path) -> None:
    def prepare(connection: duckdb.DuckDBPyConnection) -> None:
        connection.execute("CREATE MACRO twice(x) AS 2 * x")

    backend = DuckDBBackend(Room(tmp_path, tmp_path / "spill"), prepare)
    try:
        with backend.run(Query("SELECT twice(21) AS n"), {}) as result:
            assert [batch.to_pydict() for batch in result.batches()] == [{"n": [42]}]
    finally:
        backend.close()


@dataclass
class LateCursor:
    """DuckDB's cursor, for a thread that is held up just before its query begins to compute."""

    cursor: Any
    meanwhile: Callable[[], None] = lambda: None

    def sql(self, text: str) -> "LateRelation":
        return LateRelation(self, self.cursor.sql(text))

    def interrupt(self) -> None:
        self.cursor.interrupt()

    def close(self) -> None:
        self.cursor.close()


@dataclass
class LateRelation:
    late: LateCursor
    relation: Any

    def to_arrow_reader(self, rows: int) -> pa.RecordBatchReader:
        self.late.meanwhile()
        return self.relation.to_arrow_reader(rows)


def test_a_query_that_is_stopped_just_before_it_begins_to_compute_is_stopped() -> None:
    with duckdb.connect() as connection:
        late: Any = LateCursor(connection.cursor())
        with DuckDBResult(late, "SELECT count(*) FROM range(4000000) a, range(4000000) b WHERE a.range * b.range % 7 = 3", None) as result:
            late.meanwhile = result.interrupt
            with pytest.raises(Interrupted, match="stopped"):
                list(result.batches())
