"""What every back end keeps. A back end's own test file derives from the suite and says how to make one."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pytest
from bowerbird.votable.field import Datatype
from bowerbird_services.cone import ConeSearch
from bowerbird_services.crossmatches import Crossmatch
from bowerbird_services.store.backend import Backend, Interrupted, OutOfTime, QueryFailed
from bowerbird_services.tables import Column, Table

from tests.support.shelves import put, stars

ENDLESS = 'SELECT count(*) FROM "sky_dr1.stars" a, "sky_dr1.stars" b, "sky_dr1.stars" c WHERE a.ra * b.dec + c.ra > 3.5'


@dataclass(frozen=True)
class Query:
    sql: str
    tables: Sequence[Table] = ()
    crossmatches: Sequence[Crossmatch] = ()
    cone: ConeSearch | None = None


class BackendContract:
    """`backend` makes one over the shelf at a path."""

    make: Callable[[Path], Backend]

    @pytest.fixture
    def table(self, tmp_path: Path) -> Table:
        return put(tmp_path / "tables", ("sky", "dr1"), "stars", stars())

    @pytest.fixture
    def backend(self, tmp_path: Path, table: Table) -> Iterator[Backend]:
        backend = type(self).make(tmp_path / "tables")
        yield backend
        backend.close()

    def test_rows_are_those_of_the_file(self, backend: Backend, table: Table) -> None:
        query = Query('SELECT source_id, mag FROM "sky_dr1.stars" ORDER BY source_id', [table])
        with backend.run(query, {}) as result:
            assert result.schema.names == ["source_id", "mag"]
            rows = pa.Table.from_batches(result.batches(), result.schema)
        assert rows.equals(stars().select(["source_id", "mag"]))

    def test_given_rows_are_read_by_their_own_query_alone(self, backend: Backend, table: Table) -> None:
        upload = Table("tap_upload", "mine", (Column("id", Datatype.LONG),))
        given = {"tap_upload.mine": pa.table({"id": [(1 << 62) + 1, (1 << 62) + 5]})}
        joined = 'SELECT count(*) FROM "sky_dr1.stars" s JOIN "tap_upload.mine" u ON s.source_id = u.id'
        with backend.run(Query(joined, [table, upload]), given) as result:
            with pytest.raises(QueryFailed), backend.run(Query('SELECT * FROM "tap_upload.mine"'), {}):
                pass
            assert [batch.to_pydict() for batch in result.batches()] == [{result.schema.names[0]: [2]}]

    def test_a_table_that_the_query_does_not_name_is_not_there(self, backend: Backend, table: Table) -> None:
        with pytest.raises(QueryFailed), backend.run(Query('SELECT * FROM "sky_dr1.stars"'), {}):
            pass

    def test_two_queries_run_at_once(self, backend: Backend, table: Table) -> None:
        query = Query('SELECT source_id FROM "sky_dr1.stars"', [table])
        with backend.run(query, {}) as one, backend.run(query, {}) as other:
            assert sum(batch.num_rows for batch in one.batches()) == sum(batch.num_rows for batch in other.batches()) == 2000

    def test_a_query_is_stopped_from_another_thread(self, backend: Backend, table: Table) -> None:
        endless = Query('SELECT a.ra FROM "sky_dr1.stars" a, "sky_dr1.stars" b, "sky_dr1.stars" c', [table])
        with backend.run(endless, {}) as result:
            stopping = threading.Thread(target=result.interrupt)
            stopping.start()
            with pytest.raises(Interrupted, match="stopped"):
                list(result.batches())
            stopping.join()

    def test_a_query_that_takes_too_long_says_so(self, backend: Backend, table: Table) -> None:
        with pytest.raises(OutOfTime, match="longer"), backend.run(Query(ENDLESS, [table]), {}, seconds=0.1) as result:
            list(result.batches())

    def test_leaving_a_result_half_read_ends_the_query(self, backend: Backend, table: Table) -> None:
        endless = Query('SELECT a.ra FROM "sky_dr1.stars" a, "sky_dr1.stars" b, "sky_dr1.stars" c', [table])
        began = time.monotonic()
        with backend.run(endless, {}) as result:
            assert next(result.batches()).num_rows
        with backend.run(Query('SELECT count(*) FROM "sky_dr1.stars"', [table]), {}) as after:
            assert list(after.batches())
        # The whole product has 8e9 rows: what did not end would still compute.
        assert time.monotonic() - began < 60

    def test_an_interrupt_after_the_end_does_nothing(self, backend: Backend, table: Table) -> None:
        with backend.run(Query('SELECT 1 AS one FROM "sky_dr1.stars" LIMIT 1', [table]), {}) as result:
            list(result.batches())
        result.interrupt()

    @pytest.mark.parametrize("sql", ['SELECT CAST(name AS INTEGER) AS n FROM "sky_dr1.stars"', 'SELECT no_such FROM "sky_dr1.stars"'])
    def test_a_failure_names_no_file(self, sql: str, backend: Backend, table: Table, tmp_path: Path) -> None:
        with pytest.raises(QueryFailed) as failure, backend.run(Query(sql, [table]), {}) as result:
            list(result.batches())
        assert str(tmp_path) not in str(failure.value)

    def test_a_file_that_is_gone_is_one_sentence(self, backend: Backend, table: Table, tmp_path: Path) -> None:
        table.files[0].unlink()
        with pytest.raises(QueryFailed, match="cannot be read") as failure, backend.run(Query("SELECT 1", [table]), {}):
            pass
        assert str(tmp_path) not in str(failure.value)
