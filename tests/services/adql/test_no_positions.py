# ruff: noqa: S608  these are the queries that are tested
"""A row whose position is none, such as one beyond a pole, lies in no region and matches nothing, however it is asked."""

from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from bowerbird_config.table_order import TableOrder
from bowerbird_services.adql import register
from bowerbird_services.ingest.run import run
from bowerbird_services.store.duckdb_backend import DuckDBBackend, Room
from bowerbird_services.store.shelf import Shelf
from bowerbird_services.tables import Catalogue

from tests.services.adql.sky import Sky, upload

NONE = float("inf")
# The first two are places, at the equator and at the pole.
PLACES = [(0.05, 0.01), (10.0, 90.0), (10.0, 90.0000001), (10.0, -90.5), (NONE, 0.0), (0.0, -NONE), (None, 0.0), (0.0, None)]
MINE = pa.table({"k": [1, 2], "a": [10.0, 0.0], "d": [90.0, 0.0]})
TABLES = pytest.mark.parametrize("table", ["placed", "plain"])


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sky]:
    """Give the same rows twice: in the order of the sky, and as a table of which no position is known."""
    root = tmp_path_factory.mktemp("odd")
    (root / "release").mkdir()
    ra, dec = zip(*PLACES, strict=True)
    pq.write_table(pa.table({"id": range(len(PLACES)), "ra": ra, "dec": dec}), root / "release" / "stars.parquet")
    asked: dict[str, dict[str, Any]] = {name: {"file": "stars.parquet", "title": "Stars"} for name in ("placed", "plain")}
    asked["placed"]["position"] = {"ra": "ra", "dec": "dec"}
    release = {"collection": "sky", "release": "dr1", "directory": str(root / "release"), "tables": asked}
    assert run(TableOrder.model_validate({"releases": [release]}), root / "tables", print) == 0
    backend = DuckDBBackend(Room(root / "tables", root / "spill"), prepare=register)
    yield Sky([], [], Catalogue(Shelf(root / "tables").holdings().tables["sky", "dr1"]), backend)
    backend.close()


@TABLES
@pytest.mark.parametrize(
    ("condition", "inside"),
    [
        ("1 = CONTAINS(POINT(ra, dec), CIRCLE(0, 90, 1))", {1}),
        ("1 = CONTAINS(POINT(ra, dec), CIRCLE(0, 0, 180))", {0, 1}),
        ("0 = CONTAINS(POINT(ra, dec), CIRCLE(0, 0, 1))", {1}),
        ("DISTANCE(ra, dec, 0, 90) < 1", {1}),
        ("DISTANCE(ra, dec, 0, 90) > 1", {0}),
        ("DISTANCE(ra, dec, 0, 0) IS NOT NULL", {0, 1}),
        ("1 = CONTAINS(POINT(ra, dec), BOX(0, 0, 0.2, 0.2))", {0}),
        ("1 = CONTAINS(POINT(ra, dec), POLYGON(0, 80, 120, 80, 240, 80))", {1}),
        ("0 = CONTAINS(POINT(ra, dec), POLYGON(0, 80, 120, 80, 240, 80))", {0}),
        ("1 = INTERSECTS(CIRCLE(ra, dec, 1), CIRCLE(0, 90, 1))", {1}),
        ("ivo_healpix_index(4, ra, dec) >= 0", {0, 1}),
        ("1 = CONTAINS(ivo_geom_transform('ICRS', 'FK5', POINT(ra, dec)), CIRCLE(0, 90, 1))", {1}),
        ("1 = INTERSECTS(BOX(ra, dec, 1, 1), CIRCLE(0, 0, 1))", {0}),
    ],
)
def test_a_position_that_is_none_lies_in_no_region_and_beyond_none(odd: Sky, table: str, condition: str, inside: set[int]) -> None:
    assert {row[0] for row in odd.rows(f"SELECT id FROM sky_dr1.{table} WHERE {condition}")} == inside


@TABLES
@pytest.mark.parametrize(
    ("text", "left_alone"),
    [
        ("SELECT k, id FROM TAP_UPLOAD.mine JOIN sky_dr1.{} ON {}", []),
        ("SELECT k, id FROM TAP_UPLOAD.mine, sky_dr1.{} WHERE {}", []),
        ("SELECT k, id FROM TAP_UPLOAD.mine LEFT JOIN sky_dr1.{} ON {}", []),
        ("SELECT k, id FROM TAP_UPLOAD.mine RIGHT JOIN sky_dr1.{} ON {}", [(None, number) for number in range(2, len(PLACES))]),
        ("SELECT 2 - id, id FROM sky_dr1.{} WHERE EXISTS (SELECT 1 FROM TAP_UPLOAD.mine WHERE {})", []),
    ],
)
@pytest.mark.parametrize("near", ["DISTANCE(ra, dec, a, d) < 0.2", "1 = CONTAINS(POINT(a, d), CIRCLE(ra, dec, 0.2))"])
def test_a_position_that_is_none_matches_nothing(odd: Sky, table: str, text: str, left_alone: list[Any], near: str) -> None:
    found = odd.rows(text.format(table, near), {"tap_upload.mine": MINE}, upload("mine", MINE))
    assert sorted(found, key=str) == sorted([(2, 0), (1, 1), *left_alone], key=str)
