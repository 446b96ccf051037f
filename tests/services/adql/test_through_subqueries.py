"""Cones over subqueries and named queries read only the rows near by, as cones over tables do."""

# ruff: noqa: S608  these are the queries that are tested

import pytest
from bowerbird_services.adql import ADQLError

from tests.services.adql.sky import Sky

T, P = "sky_dr1.stars", "sky_dr1.spectra"
CONE = "1 = CONTAINS(POINT({}), CIRCLE(10, 5, 20))"
THROUGH = [
    f"SELECT g.id FROM (SELECT id, ra, dec FROM {T}) AS g WHERE {CONE.format('g.ra, g.dec')}",
    f"SELECT g.id FROM (SELECT * FROM {T} WHERE mag < 99 OR mag IS NULL) AS g WHERE DISTANCE(g.ra, g.dec, 10, 5) < 20",
    f"WITH near AS (SELECT dec AS d, ra AS r, id FROM {T}) SELECT id FROM near WHERE {CONE.format('r, d')}",
    f"WITH a AS (SELECT * FROM {T}), b AS (SELECT id AS i, ra AS x, dec AS y FROM a) SELECT c.i FROM b AS c WHERE {CONE.format('x, y')}",
    f"WITH near(i, r, d) AS (SELECT id, ra, dec FROM {T}) SELECT i FROM near WHERE {CONE.format('r, d')}",
    f"SELECT o.id FROM (SELECT i.* FROM (SELECT ra, dec, id FROM {T}) AS i ORDER BY id) AS o WHERE {CONE.format('ra, dec')}",
    f"SELECT j.id FROM (SELECT s.id, s.ra, s.dec FROM {T} AS s LEFT JOIN {P} AS p ON s.id = p.id WHERE p.id IS NULL OR p.id > 0) AS j "
    f"WHERE {CONE.format('j.ra, j.dec')}",
]
# Rows that are several of a table have their one position too.
ONCE = [
    f"SELECT g.ra, g.dec FROM (SELECT DISTINCT ra, dec FROM {{}}) AS g WHERE {CONE.format('g.ra, g.dec')}",
    f"SELECT x, y FROM (SELECT ra AS x, dec AS y FROM {{}} GROUP BY ra, dec HAVING COUNT(*) > 0) AS g WHERE {CONE.format('x, y')}",
    f"WITH g(x, y, n) AS (SELECT ra, dec, COUNT(*) FROM {{}} GROUP BY ra, dec) SELECT x, y FROM g WHERE {CONE.format('x, y')}",
    f"WITH g AS (SELECT DISTINCT dec, ra FROM {{}}) SELECT DISTINCT h.r, h.d FROM g AS h(d, r) WHERE {CONE.format('h.r, h.d')}",
]
NOT_THROUGH = [
    f"""WITH g(ra, dec, "_healpix") AS (SELECT ra, dec, id FROM {T}) SELECT ra FROM g WHERE {CONE.format("ra, dec")} AND "_healpix" > 0""",
    f"WITH g(x, y) AS (SELECT dec, ra FROM {T}) SELECT x FROM g WHERE {CONE.format('x, y')}",
    f"SELECT g.r FROM (SELECT MAX(ra) AS r, dec FROM {T} GROUP BY dec) AS g WHERE {CONE.format('g.r, g.dec')}",
    f"SELECT g.ra FROM (SELECT ra, dec FROM {T} UNION SELECT ra, dec FROM {P}) AS g WHERE {CONE.format('g.ra, g.dec')}",
    f"SELECT g.ra FROM (SELECT ra + 0 AS ra, dec FROM {T}) AS g WHERE {CONE.format('g.ra, g.dec')}",
    f"SELECT g.ra FROM (SELECT dec AS ra, ra AS dec FROM {T}) AS g WHERE {CONE.format('g.ra, g.dec')}",
    f"""SELECT g.ra FROM (SELECT ra, dec, id AS "_healpix" FROM {T}) AS g WHERE {CONE.format("g.ra, g.dec")} AND g."_healpix" > 0""",
]


@pytest.mark.parametrize("text", THROUGH)
def test_a_cone_reads_little_through_subqueries_too(sky: Sky, text: str) -> None:
    near = {row for (row,) in sky.rows(f"SELECT id FROM {T} WHERE {CONE.format('ra, dec')}")}
    assert near
    assert '"_healpix" BETWEEN' in sky.query(text).sql
    found = {row for (row,) in sky.rows(text)}
    assert found == near or "JOIN" in text
    assert found <= near


@pytest.mark.parametrize("text", ONCE)
def test_a_cone_reads_little_through_distinct_positions_and_groups_by_them(sky: Sky, text: str) -> None:
    # Each position of the spectra's stars, of which some have several.
    several = f"(SELECT s.ra, s.dec FROM {T} AS s JOIN {P} AS p ON s.id = p.id)"
    for source in (T, f"{several} AS t"):
        near = sky.rows(f"SELECT ra, dec FROM {source} WHERE {CONE.format('ra, dec')}")
        assert near
        assert '"_healpix" BETWEEN' in sky.query(text.format(source)).sql
        assert sorted(sky.rows(text.format(source))) == sorted(set(near))


@pytest.mark.parametrize("text", NOT_THROUGH)
def test_a_subquery_whose_rows_are_no_rows_of_a_table_has_no_order(sky: Sky, text: str) -> None:
    assert '"_healpix" BETWEEN' not in sky.query(text).sql
    sky.rows(text)


def test_the_order_stays_hidden_behind_subqueries(sky: Sky) -> None:
    for text in (f"SELECT * FROM (SELECT * FROM {T}) AS g", f"WITH g AS (SELECT * FROM {T}) SELECT a.* FROM g AS a NATURAL JOIN g AS b"):
        assert not [column.name for column in sky.query(text).columns if column.name.startswith("_")]
        sky.rows(text)
    with pytest.raises(ADQLError):
        sky.query(f'SELECT "_healpix" FROM (SELECT * FROM {T}) AS g')
