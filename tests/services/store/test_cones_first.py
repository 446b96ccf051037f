"""Cones that are read from the files themselves have the rows that the database finds, bit for bit."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from bowerbird_services.adql import Query, register, translate
from bowerbird_services.cone import ConeSearch
from bowerbird_services.store.backend import Backend, Interrupted, OutOfTime, QueryFailed, Result, Runnable
from bowerbird_services.store.cone_reader import ConeReader, within
from bowerbird_services.store.cones_first import ConesFirst
from bowerbird_services.store.duckdb_backend import DuckDBBackend, Room
from bowerbird_services.store.parquet_groups import ParquetGroups
from bowerbird_services.tables import HEALPIX_COLUMN, Catalogue, Table
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.services.store.backend_contract import BackendContract
from tests.support.shelves import put, stars

ROWS = 4000
# Stars at whole degrees lie at exactly the radius of many circles; some are at the poles and at RA 0.
LATTICE = [(ra % 360, dec) for ra in range(-6, 7) for dec in (-90, -89, -3, -2, -1, 0, 1, 2, 3, 89, 90)]
FORMS = (
    "1 = CONTAINS(POINT('ICRS', ra, dec), CIRCLE('ICRS', {}, {}, {}))",
    "CONTAINS(POINT(ra, dec), CIRCLE(POINT({}, {}), {})) = 1",
    "DISTANCE(POINT(ra, dec), POINT({}, {})) <= {}",
    "DISTANCE({}, {}, ra, dec) < {}",
)


class Nobody:
    """A back end that is asked for nothing."""

    def run(self, query: Runnable, _given: Mapping[str, pa.Table], *, seconds: float | None = None) -> Result:
        raise AssertionError(f"{query.sql} was left to the database")

    def close(self) -> None:
        """Nothing is open."""


def sky() -> pa.Table:
    table = stars(ROWS)
    ra, dec = (np.array(table[name].to_numpy()) for name in ("ra", "dec"))
    ra[: len(LATTICE)], dec[: len(LATTICE)] = np.array(LATTICE, float).T
    columns = {"ra": pa.array(ra), "dec": pa.array(dec), "Lone value": pa.array(np.arange(ROWS, dtype=np.int16))}
    for name, values in columns.items():
        place = table.schema.get_field_index(name)
        table = table.set_column(place, name, values) if place >= 0 else table.append_column(name, values)
    return table


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Table:
    return put(tmp_path_factory.mktemp("shelf") / "tables", ("sky", "dr1"), "stars", sky(), row_group_size=250)


@pytest.fixture(scope="module")
def database(table: Table) -> Iterator[Backend]:
    root = table.files[0].parents[2]
    backend = DuckDBBackend(Room(root, root.parent / "spill", memory_bytes=256 << 20), prepare=register)
    yield backend
    backend.close()


def query(table: Table, condition: str, columns: str = "*", limit: int | None = None) -> Query:
    return translate(f"SELECT {columns} FROM sky_dr1.stars WHERE {condition}", Catalogue([table]), limit=limit)  # noqa: S608  tested


def rows(backend: Backend, asked: Runnable) -> list[tuple[Any, ...]]:
    with backend.run(asked, {}) as result:
        batches = list(result.batches())
        assert all(batch.schema.names == result.schema.names for batch in batches)
        return sorted((tuple(row.values()) for batch in batches for row in batch.to_pylist()), key=str)


def backend_at(root: Path) -> ConesFirst:
    return ConesFirst(DuckDBBackend(Room(root, root.parent / "spill", memory_bytes=256 << 20), prepare=register))


class TestConesFirst(BackendContract):
    make = staticmethod(backend_at)


@settings(max_examples=40, deadline=None)
@given(
    ra=st.one_of(st.floats(0, 360), st.sampled_from([0.0, 360.0, 359.9999999, 1.0, 358.0])),
    dec=st.one_of(st.floats(-90, 90), st.sampled_from([90.0, -90.0, 89.5, 0.0, 1.0])),
    radius=st.one_of(st.floats(0, 12), st.sampled_from([0.0, 1.0, 2.0, 1e-9])),
    form=st.sampled_from(FORMS),
)
@example(ra=0.0, dec=0.0, radius=1.0, form=FORMS[0])
@example(ra=0.0, dec=0.0, radius=1.0, form=FORMS[3])
@example(ra=3.0, dec=90.0, radius=1.0, form=FORMS[1])
@example(ra=359.0, dec=2.0, radius=3.0, form=FORMS[2])
def test_rows_are_those_of_the_database(table: Table, database: Backend, ra: float, dec: float, radius: float, form: str) -> None:
    asked = query(table, form.format(repr(ra), repr(dec), repr(radius)))
    assert rows(ConesFirst(Nobody()), asked) == rows(database, asked)


@pytest.mark.parametrize("form", FORMS)
def test_rows_at_exactly_the_radius_are_those_of_the_database(table: Table, database: Backend, form: str) -> None:
    cones = ConesFirst(Nobody())
    for ra, dec in LATTICE[::9]:
        asked = query(table, form.format(ra, f"{dec}.0", 1), 'source_id, "Lone value"')
        assert rows(cones, asked) == rows(database, asked)


def test_a_column_comes_as_often_and_under_the_names_that_are_asked_for(table: Table, database: Backend) -> None:
    asked = query(table, FORMS[0].format(0, 0, 3), 'mag AS brightness, source_id, MAG, name AS "two words", "Lone value"')
    cones = ConesFirst(Nobody())
    with cones.run(asked, {}) as result:
        assert result.schema.names == ["brightness", "source_id", "mag", "two words", "Lone value"]
    assert rows(cones, asked) == rows(database, asked)


def test_no_more_rows_come_than_are_asked_for(table: Table) -> None:
    cones = ConesFirst(Nobody())
    everything = rows(cones, query(table, FORMS[0].format(0, 0, 10)))
    for limit in (0, 1, 7, len(everything), len(everything) + 1):
        found = rows(cones, query(table, FORMS[0].format(0, 0, 10), limit=limit))
        assert len(found) == min(limit, len(everything))
        assert set(found) <= set(everything)


@pytest.mark.parametrize(
    "text",
    [
        "SELECT source_id FROM sky_dr1.stars WHERE {} AND mag < 12",
        "SELECT source_id FROM sky_dr1.stars WHERE {} OR mag < 12",
        "SELECT source_id FROM sky_dr1.stars WHERE NOT {}",
        "SELECT source_id, mag + 1 AS more FROM sky_dr1.stars WHERE {}",
        "SELECT count(*) AS n FROM sky_dr1.stars WHERE {}",
        "SELECT DISTINCT name FROM sky_dr1.stars WHERE {}",
        "SELECT source_id FROM sky_dr1.stars WHERE {} ORDER BY mag",
        "SELECT source_id FROM sky_dr1.stars WHERE {} OFFSET 3",
        "SELECT name FROM sky_dr1.stars WHERE {} GROUP BY name",
        "SELECT source_id FROM (SELECT source_id, ra, dec FROM sky_dr1.stars) AS s WHERE {}",
        "SELECT source_id FROM sky_dr1.stars WHERE {} UNION SELECT source_id FROM sky_dr1.stars WHERE {}",
        "SELECT source_id FROM sky_dr1.stars WHERE 1 = CONTAINS(POINT(dec, ra), CIRCLE(0, 0, 3))",
        "SELECT source_id FROM sky_dr1.stars WHERE 1 = CONTAINS(POINT(ra, dec), CIRCLE(0, mag, 3))",
        "SELECT source_id FROM sky_dr1.stars WHERE 1 = CONTAINS(POINT(ra, dec), POLYGON(0, 0, 3, 0, 0, 3))",
        "SELECT a.source_id FROM sky_dr1.stars AS a, sky_dr1.stars AS b WHERE DISTANCE(a.ra, a.dec, 0, 0) < 3",
        "SELECT a.source_id FROM (sky_dr1.stars AS a CROSS JOIN sky_dr1.stars AS b) WHERE DISTANCE(a.ra, a.dec, 0, 0) < 3",
        "SELECT source_id FROM sky_dr1.stars",
    ],
)
def test_what_is_more_than_a_cone_is_none(table: Table, text: str) -> None:
    cone = FORMS[0].format(0, 0, 3)
    assert translate(text.format(cone, cone), Catalogue([table])).cone is None


def test_a_cone_is_told_by_what_it_means(table: Table) -> None:
    text = "SELECT TOP 5 s.source_id AS id FROM sky_dr1.stars AS s WHERE ((DISTANCE(s.ra, s.dec, 10, -(2 + 1)) < 1/2.0))"
    wanted = ConeSearch(table, (("source_id", "id"),), 10.0, -3.0, 0.5, 5, closed=False)
    assert translate(text, Catalogue([table]), limit=9).cone == wanted


@pytest.mark.parametrize("radius", [45, 100])
def test_a_wide_cone_is_left_to_the_database(table: Table, radius: int) -> None:
    with pytest.raises(AssertionError, match="left to the database"):
        ConesFirst(Nobody()).run(query(table, FORMS[0].format(0, 0, radius)), {})


def test_a_table_with_lists_is_left_to_the_database(tmp_path: Path) -> None:
    listed = stars(50).append_column("bands", pa.array([[1.0, 2.0]] * 50))
    table = put(tmp_path, ("sky", "dr1"), "stars", listed)
    with pytest.raises(AssertionError, match="left to the database"):
        ConesFirst(Nobody()).run(query(table, FORMS[0].format(0, 0, 30)), {})
    assert rows(ConesFirst(Nobody()), query(table, FORMS[0].format(0, 0, 30), "source_id"))


def test_rows_without_a_position_are_in_no_cone(tmp_path: Path) -> None:
    table = put(tmp_path / "tables", ("sky", "dr1"), "stars", sky(), row_group_size=250)
    written = pq.read_table(table.files[0])
    lost = np.arange(ROWS) % 3 == 0
    for name in ("ra", "dec", HEALPIX_COLUMN):
        place = written.schema.get_field_index(name)
        written = written.set_column(place, name, pa.array(written[name].to_numpy(), mask=lost))
    pq.write_table(written.sort_by([(HEALPIX_COLUMN, "ascending")]), table.files[0], row_group_size=250)
    asked = query(table, FORMS[0].format(0, 0, 20), "source_id")
    database = DuckDBBackend(Room(tmp_path / "tables", tmp_path / "spill", memory_bytes=256 << 20), prepare=register)
    found = rows(ConesFirst(Nobody()), asked)
    assert found == rows(database, asked)
    assert found
    database.close()


def spoil(table: Table, how: Callable[[Path], object]) -> Backend:
    """Return a back end that has read a table before it was spoilt."""
    cones = ConesFirst(Nobody())
    assert rows(cones, query(table, FORMS[0].format(0, 0, 3)))
    how(table.files[0])
    return cones


def gone(path: Path) -> None:
    path.unlink()


def cut_off(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:3000])


def empty(path: Path) -> None:
    path.write_bytes(b"")


@pytest.mark.parametrize("how", [gone, cut_off, empty])
def test_a_file_that_is_damaged_after_it_was_read_is_one_sentence(tmp_path: Path, how: Callable[[Path], object]) -> None:
    table = put(tmp_path, ("sky", "dr1"), "stars", sky())
    cones = spoil(table, how)
    with pytest.raises(QueryFailed, match="cannot be read") as failure:
        rows(cones, query(table, FORMS[0].format(0, 0, 3)))
    assert str(tmp_path) not in str(failure.value)


def test_a_file_that_is_another_one_now_is_read_anew(tmp_path: Path) -> None:
    table = put(tmp_path, ("sky", "dr1"), "stars", sky())
    cones = spoil(table, lambda _: put(tmp_path, ("sky", "dr1"), "stars", stars(100, seed=9)))
    others = set(zip(*(stars(100, seed=9)[name].to_pylist() for name in ("source_id", "ra")), strict=True))
    found = set(rows(cones, query(table, FORMS[0].format(0, 0, 39), "source_id, ra")))
    assert found
    assert found <= others


def test_uploaded_rows_of_that_name_are_the_databases(table: Table) -> None:
    with pytest.raises(AssertionError, match="left to the database"):
        ConesFirst(Nobody()).run(query(table, FORMS[0].format(0, 0, 3)), {table.view: sky()})


def test_a_cone_is_stopped_between_two_groups(table: Table) -> None:
    with ConesFirst(Nobody()).run(query(table, FORMS[0].format(0, 0, 20), "source_id"), {}) as result:
        batches = result.batches()
        next(batches)
        result.interrupt()
        with pytest.raises(Interrupted):
            list(batches)
    with pytest.raises(OutOfTime), ConesFirst(Nobody()).run(query(table, FORMS[0].format(0, 0, 20)), {}, seconds=-1) as late:
        list(late.batches())


def test_a_reader_knows_no_cone_of_a_table_without_files(table: Table) -> None:
    assert ConeReader(ParquetGroups()).open(ConeSearch(replace(table, files=()), (("ra", "ra"),), 0, 0, 1)) is None


def test_rounding_decides_as_in_the_c_library(table: Table) -> None:
    search = ConeSearch(table, (), 0.0, 0.0, 1.0)
    assert within(np.array([1.0, 0.0]), np.array([0.0, 1.0]), search).tolist() == [True, True]
    assert within(np.array([1.0, 0.0]), np.array([0.0, 1.0]), replace(search, closed=False)).tolist() == [False, False]
