# ruff: noqa: S608  these are the queries that are tested
"""Rows that came with a query, matched by position with a table: each pair within the radius once, wherever on the sky it lies."""

import numpy as np
import pyarrow as pa
import pytest
from astropy import units
from astropy.coordinates import SkyCoord
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.services.adql.sky import Sky, upload

T = "sky_dr1.stars"
EDGE = 1e-9
NEAR = "DISTANCE(m.ra, m.dec, s.ra, s.dec) < {}"
# No form that a join can use: every pair is compared.
COMPARED = "CASE WHEN DISTANCE(m.ra, m.dec, s.ra, s.dec) < {} THEN 1 ELSE 0 END = 1"
FORMS = (
    ("FROM TAP_UPLOAD.mine AS m JOIN {} AS s ON {}", NEAR),
    ("FROM {} AS s INNER JOIN TAP_UPLOAD.mine AS m ON {}", "CONTAINS(POINT('ICRS', s.ra, s.dec), CIRCLE('ICRS', m.ra, m.dec, {})) = 1"),
    ("FROM TAP_UPLOAD.mine AS m, {} AS s WHERE {}", "1 = CONTAINS(POINT(m.ra, m.dec), CIRCLE(POINT(s.ra, s.dec), {}))"),
    ("FROM {} AS s CROSS JOIN TAP_UPLOAD.mine AS m WHERE {} AND 1 = 1", "{} > DISTANCE(POINT(s.ra, s.dec), POINT(m.ra, m.dec))"),
)


def mine_near(sky: Sky, seed: int, radius: float) -> pa.Table:
    """Return positions around some stars, some twice, some a turn or more away, some at a pole, and some that are none."""
    dice = np.random.default_rng(seed)
    stars = [sky.stars[number] for number in dice.integers(0, len(sky.stars), 60)]
    ra = np.array([star["ra"] for star in stars]) + dice.normal(0, radius, 60) + 360.0 * dice.integers(-2, 3, 60)
    dec = np.clip([star["dec"] + offset for star, offset in zip(stars, dice.normal(0, radius, 60), strict=True)], -90, 90)
    ra = np.concatenate([ra, ra[:5], [0.0, 77.0, -1e-20, np.nan, 12.0, np.inf, 0.0]])
    dec = np.concatenate([dec, dec[:5], [90.0, -90.0, 0.0, 0.0, np.nan, 0.0, -np.inf]])
    known = dice.random(len(ra)) > 0.05
    return pa.table({"n": np.arange(len(ra)), "ra": pa.array(ra, mask=~known), "dec": dec})


def answered(sky: Sky, text: str, mine: pa.Table) -> list[tuple[object, ...]]:
    return sky.rows(text, {"tap_upload.mine": mine}, upload("mine", mine))


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    radius=st.one_of(st.floats(1e-6, 0.01), st.floats(0.01, 1), st.sampled_from([1 / 3600, 0.0, 1.0])),
    form=st.integers(0, 3),
)
def test_the_pairs_are_those_that_a_look_at_every_pair_finds(sky: Sky, seed: int, radius: float, form: int) -> None:
    mine = mine_near(sky, seed, radius)
    text = "SELECT m.n, s.id " + FORMS[form][0].format(T, FORMS[form][1].format(repr(radius)))
    assert len(sky.query(text, uploads=upload("mine", mine)).crossmatches) == 1
    found = answered(sky, text, mine)
    assert len(found) == len(set(found))
    compared = COMPARED.replace("<", "<=") if "CONTAINS" in text else COMPARED
    plain = f"SELECT m.n, s.id FROM TAP_UPLOAD.mine AS m, {T} AS s WHERE {compared.format(repr(radius))}"
    assert not sky.query(plain, uploads=upload("mine", mine)).crossmatches
    # Beside rounding of the two formulas for one distance.
    wider = f"SELECT m.n, s.id FROM TAP_UPLOAD.mine AS m, {T} AS s WHERE {COMPARED.format(repr(radius + EDGE))}"
    narrower = f"SELECT m.n, s.id FROM TAP_UPLOAD.mine AS m, {T} AS s WHERE {COMPARED.format(repr(radius - EDGE))}"
    assert set(answered(sky, narrower, mine)) <= set(found) <= set(answered(sky, wider, mine))
    whole = [(n, ra, dec) for n, ra, dec in zip(*mine.to_pydict().values(), strict=True) if ra is not None and np.isfinite(ra + dec)]
    here = SkyCoord([row[1] for row in whole], [row[2] for row in whole], unit="deg")
    there = SkyCoord([row["ra"] for row in sky.stars], [row["dec"] for row in sky.stars], unit="deg")
    first, second, distance, _ = there.search_around_sky(here, (radius + EDGE) * units.deg)
    pairs = [(whole[a][0], sky.stars[b]["id"]) for a, b in zip(first, second, strict=True)]
    assert {pair for pair, gap in zip(pairs, distance.deg, strict=True) if gap < radius - EDGE} <= set(found) <= set(pairs)


QUERIES = [
    "SELECT COUNT(*) {}",
    "SELECT m.*, s.* {} WHERE s.mag > 14 OR s.mag IS NULL",
    "SELECT s.class, COUNT(DISTINCT m.n), MIN(DISTANCE(m.ra, m.dec, s.ra, s.dec)) {} GROUP BY s.class HAVING COUNT(*) > 1",
    "SELECT m.n, s.name {} AND s.field < 9 WHERE 1 = CONTAINS(POINT(s.ra, s.dec), CIRCLE(0, 90, 30))",
    "SELECT DISTINCT s.id, s.ra {} WHERE EXISTS (SELECT p.spec FROM sky_dr1.spectra AS p WHERE p.id = s.id)",
    "SELECT g.n, g.id FROM (SELECT m.n, s.id, s.ra, s.dec {}) AS g WHERE 1 = CONTAINS(POINT(g.ra, g.dec), CIRCLE(0, 90, 20))",
    "WITH g AS (SELECT m.n, s.id {}) SELECT a.n, b.n FROM g AS a JOIN g AS b ON a.id = b.id",
    "SELECT m.n FROM TAP_UPLOAD.mine AS m WHERE m.n IN (SELECT q.n {})",
    "SELECT m.n, s.id {} UNION SELECT m.n, -s.id {}",
    "SELECT m.n, s.id {} AND DISTANCE(s.ra, s.dec, m.ra, m.dec) > 0.001",
    'SELECT s."id" AS "_healpix", ivo_healpix_index(5, s.ra, s.dec) {}',
]


@pytest.mark.parametrize("text", QUERIES)
def test_all_else_of_a_query_is_computed_of_the_pairs(sky: Sky, text: str) -> None:
    mine = mine_near(sky, 11, 0.3)

    def joined(condition: str) -> str:
        source = f"FROM TAP_UPLOAD.mine AS m JOIN {T} AS s ON {condition.format(0.4)}"
        return text.replace("{}", source.replace(" m ", " q ").replace("m.", "q.") if "q.n" in text else source)

    assert sky.query(joined(NEAR), uploads=upload("mine", mine)).crossmatches
    found, expected = answered(sky, joined(NEAR), mine), answered(sky, joined(COMPARED), mine)
    assert found
    assert sorted(found, key=str) == sorted(expected, key=str)


def test_so_many_pairs_that_they_come_in_parts_are_all_there(sky: Sky) -> None:
    mine = pa.table({"n": np.arange(4000), "ra": np.full(4000, 50.0), "dec": np.full(4000, 90.0)})
    near = sum(row["dec"] > 89 for row in sky.stars)
    text = f"SELECT COUNT(*), COUNT(DISTINCT m.n), COUNT(DISTINCT s.id) {FORMS[0][0].format(T, NEAR.format(1.0))}"
    assert answered(sky, text, mine) == [(4000 * near, 4000, near)]
    assert len(answered(sky, f"SELECT TOP 7 m.n {FORMS[0][0].format(T, NEAR.format(1.0))}", mine)) == 7


def test_an_upload_without_rows_or_without_positions_has_no_pairs(sky: Sky) -> None:
    for rows in (0, 3):
        mine = pa.table({"n": np.arange(rows), "ra": pa.nulls(rows, pa.float64()), "dec": np.zeros(rows)})
        assert answered(sky, f"SELECT m.n, s.id {FORMS[0][0].format(T, NEAR.format(1.0))}", mine) == []


@pytest.mark.parametrize(
    "source",
    [
        f"FROM TAP_UPLOAD.mine AS m LEFT JOIN {T} AS s ON {NEAR}",
        f"FROM TAP_UPLOAD.mine AS m JOIN {T} AS s USING (ra) WHERE {NEAR}",
        f"FROM TAP_UPLOAD.mine AS m JOIN {T} AS s ON {NEAR} JOIN sky_dr1.spectra AS p ON p.id = s.id",
        f"FROM TAP_UPLOAD.mine AS m JOIN (SELECT id, ra, dec FROM {T}) AS s ON {NEAR}",
        f"FROM TAP_UPLOAD.mine AS m JOIN {T} AS s ON DISTANCE(m.ra, m.dec, s.ra, s.dec + 0.1) < {{}}",
        f"FROM TAP_UPLOAD.mine AS m JOIN {T} AS s ON DISTANCE(m.ra, m.dec, s.ra, s.pm) < {{}}",
        f"FROM TAP_UPLOAD.mine AS m JOIN {T} AS s ON {NEAR} OR m.n = 3",
    ],
)
def test_what_is_no_join_of_two_whole_positions_is_no_relation_of_pairs(sky: Sky, source: str) -> None:
    mine = mine_near(sky, 5, 0.1)
    text = f"SELECT m.n, s.id {source.format(0.2)}"
    assert not sky.query(text, uploads=upload("mine", mine)).crossmatches
    answered(sky, text, mine)
