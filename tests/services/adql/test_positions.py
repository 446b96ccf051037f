# ruff: noqa: S608  these are the queries that are tested
"""Cones, polygons and crossmatches give what a look at every row gives, also at the poles and across RA 0."""

import numpy as np
import pyarrow as pa
import pytest
from astropy import units
from astropy.coordinates import SkyCoord
from bowerbird_services.tables import Catalogue
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from tests.services.adql.sky import Row, Sky, upload

EDGE = 1e-9
RIGHT_ASCENSIONS = st.one_of(st.floats(0, 360), st.sampled_from([0.0, 360.0, 1e-7, 359.9999999]))
DECLINATIONS = st.one_of(st.floats(-90, 90), st.sampled_from([90.0, -90.0, 89.9999, -89.9, 0.0]))
RADII = st.one_of(st.floats(0.001, 2), st.floats(2, 179), st.sampled_from([0.5, 90.0, 180.0]))


def places_of(rows: list[Row]) -> SkyCoord:
    """Return where the rows are; from an array, since astropy looks at each number of a list alone."""
    return SkyCoord(np.array([(row["ra"], row["dec"]) for row in rows]), unit="deg")


def away(rows: list[Row], ra: float, dec: float) -> np.ndarray:
    """Return degrees from a position, by astropy."""
    return np.asarray(places_of(rows).separation(SkyCoord(ra, dec, unit="deg")).deg)


def same_but_at_the_edge(found: set[int], rows: list[Row], key: str, distance: np.ndarray, radius: float) -> None:
    sure = {row[key] for row, far in zip(rows, distance, strict=True) if far < radius - EDGE}
    perhaps = {row[key] for row, far in zip(rows, distance, strict=True) if far <= radius + EDGE}
    assert sure <= found <= perhaps


@settings(max_examples=60, deadline=None)
@given(ra=RIGHT_ASCENSIONS, dec=DECLINATIONS, radius=RADII, form=st.integers(0, 3))
def test_a_cone_has_the_rows_within_its_radius(sky: Sky, ra: float, dec: float, radius: float, form: int) -> None:
    condition = (
        f"1 = CONTAINS(POINT('ICRS', ra, dec), CIRCLE('ICRS', {ra!r}, {dec!r}, {radius!r}))",
        f"CONTAINS(POINT(ra, dec), CIRCLE(POINT({ra!r}, {dec!r}), {radius!r})) = 1",
        f"DISTANCE(POINT(ra, dec), POINT({ra!r}, {dec!r})) <= {radius!r}",
        f"{radius!r} > DISTANCE({ra!r}, {dec!r}, ra, dec)",
    )[form]
    text = f"SELECT id FROM sky_dr1.stars WHERE {condition}"
    if radius < 30:
        assert '"_healpix" BETWEEN' in sky.query(text).sql
    found = [row[0] for row in sky.rows(text)]
    assert len(found) == len(set(found))
    same_but_at_the_edge(set(found), sky.stars, "id", away(sky.stars, ra, dec), radius)


def pairs_within(sky: Sky, radius: float) -> tuple[set[tuple[int, int]], set[tuple[int, int]]]:
    near, far, distance, _ = places_of(sky.spectra).search_around_sky(places_of(sky.stars), (radius + EDGE) * units.deg)
    pairs = [(sky.stars[a]["id"], sky.spectra[b]["spec"]) for a, b in zip(near, far, strict=True)]
    return {pair for pair, gap in zip(pairs, distance.deg, strict=True) if gap < radius - EDGE}, set(pairs)


JOINS = (
    "FROM sky_dr1.stars AS a JOIN sky_dr1.spectra AS b ON {}",
    "FROM sky_dr1.spectra AS b JOIN sky_dr1.stars AS a ON {}",
    "FROM sky_dr1.stars AS a, sky_dr1.spectra AS b WHERE {}",
    "FROM (SELECT id, ra, dec FROM sky_dr1.stars) AS a INNER JOIN sky_dr1.spectra AS b ON {} AND 1 = 1",
)
CONDITIONS = (
    "1 = CONTAINS(POINT(a.ra, a.dec), CIRCLE(b.ra, b.dec, {}))",
    "CONTAINS(POINT('ICRS', b.ra, b.dec), CIRCLE('ICRS', a.ra, a.dec, {})) = 1",
    "DISTANCE(POINT(a.ra, a.dec), POINT(b.ra, b.dec)) < {}",
    "{} >= DISTANCE(b.ra, b.dec, a.ra, a.dec)",
)


@settings(max_examples=30, deadline=None)
@given(
    radius=st.one_of(st.floats(1e-5, 0.01), st.floats(0.01, 3), st.sampled_from([0.5, 5.0])), join=st.integers(0, 3), form=st.integers(0, 3)
)
def test_a_crossmatch_has_each_pair_within_its_radius_once(sky: Sky, radius: float, join: int, form: int) -> None:
    text = f"SELECT a.id, b.spec {JOINS[join].format(CONDITIONS[form].format(repr(radius)))}"
    assert "_adql_cell" in sky.query(text).sql
    found = sky.rows(text)
    assert len(found) == len(set(found))
    sure, perhaps = pairs_within(sky, radius)
    assert sure <= set(found) <= perhaps


@pytest.mark.parametrize("side", ["LEFT", "RIGHT", "LEFT OUTER"])
def test_an_outer_crossmatch_keeps_who_has_no_partner_once(sky: Sky, side: str) -> None:
    text = f"SELECT a.id, b.spec FROM sky_dr1.stars AS a {side} JOIN sky_dr1.spectra AS b ON DISTANCE(a.ra, a.dec, b.ra, b.dec) < 0.0003"
    assert "_adql_cell" in sky.query(text).sql
    pairs, _ = pairs_within(sky, 0.0003)
    assert pairs
    found = sky.rows(text)
    if side == "RIGHT":
        alone = [(None, row["spec"]) for row in sky.spectra if row["spec"] not in {spec for _, spec in pairs}]
    else:
        alone = [(row["id"], None) for row in sky.stars if row["id"] not in {star for star, _ in pairs}]
    assert sorted(found, key=str) == sorted([*pairs, *alone], key=str)


def test_an_upload_is_matched_also_where_it_has_no_position_or_one_beyond_all_numbers(sky: Sky) -> None:
    mine = pa.table(
        {
            "n": pa.array([1, 2, 3, 4, 5], pa.int64()),
            "ra": pa.array([sky.stars[0]["ra"] + 360, None, float("nan"), -10.0, sky.stars[300]["ra"]]),
            "dec": pa.array([sky.stars[0]["dec"], 0.0, 0.0, float("inf"), sky.stars[300]["dec"]]),
        }
    )
    text = "SELECT m.n, a.id FROM TAP_UPLOAD.mine AS m LEFT JOIN sky_dr1.stars AS a ON DISTANCE(m.ra, m.dec, a.ra, a.dec) < 1e-6"
    found = sky.rows(text, {"tap_upload.mine": mine}, upload("mine", mine))
    assert sorted(found) == [(1, sky.stars[0]["id"]), (2, None), (3, None), (4, None), (5, sky.stars[300]["id"])]


# Poles, RA 0 from both sides, and where zones and cells of one radius or another meet.
CORNERS = [(0.0, 90.0), (123.0, -90.0), (0.0, 0.0), (360.0, 45.0), (-1e-20, -60.0), (90.0, 89.9999), (200.0, -89.0), (359.999, 75.0)]


def spots_for(radius: float) -> list[tuple[float, float]]:
    moved = [(ra, dec + radius * step) for ra, dec in CORNERS[2:] for step in (-1.5, 0.7, 3.0)]
    return [*CORNERS, *(spot for spot in moved if abs(spot[1]) < 90)]


@pytest.mark.parametrize("radius", [1e-5, 1 / 3600, 0.01, 1.0, 7.3, 19.9])
@pytest.mark.parametrize("turned", [1, -1])
def test_partners_all_around_are_found_once_just_within_the_radius_and_not_just_beyond(sky: Sky, radius: float, turned: int) -> None:
    spots = spots_for(radius)
    places = SkyCoord(spots, unit="deg")
    which, angles, shares = (part.ravel() for part in np.meshgrid(range(len(spots)), np.arange(0, 360, 7.5), [1 - 1e-6, 1 + 1e-6]))
    around = places[which].directional_offset_by(angles * units.deg, radius * shares * units.deg)
    ra, dec = around.ra.deg, around.dec.deg
    # A column may have the name of any of ours.
    ours = pa.table({"k": range(len(spots)), "ra": [spot[0] for spot in spots], "dec": [spot[1] for spot in spots]})
    theirs = pa.table({"k": range(len(ra)), "ra": ra, "dec": dec})
    sides = ["TAP_UPLOAD.ours AS a", "TAP_UPLOAD.theirs AS b"][::turned]
    query = f"SELECT a.k, b.k FROM {sides[0]} JOIN {sides[1]} ON DISTANCE(a.ra, a.dec, b.ra, b.dec) < {radius!r}"
    tables = Catalogue([*upload("ours", ours), *upload("theirs", theirs)])
    assert "_adql_cell" in sky.query(query, uploads=tables).sql
    found = sky.rows(query, {"tap_upload.ours": ours, "tap_upload.theirs": theirs}, tables)
    assert len(found) == len(set(found))
    distance = places[:, None].separation(SkyCoord(ra, dec, unit="deg")[None, :]).deg
    sure, perhaps = (set(zip(*np.nonzero(distance < radius * share), strict=True)) for share in (1 - 1e-8, 1 + 1e-8))
    assert {spot for spot, _ in sure} == set(range(len(spots)))
    assert sure <= set(found) <= perhaps


@settings(max_examples=40, deadline=None)
# Most corners on one side, so that their sum is more than a quarter of a turn from the others.
@example(ra=30.0, dec=-40.0, turns=[0.0, 10.0, 20.0, 30.0, 40.0, 150.0, 260.0], size=60.0)
@given(
    ra=RIGHT_ASCENSIONS,
    dec=DECLINATIONS,
    turns=st.lists(st.floats(0, 359), min_size=3, max_size=7, unique_by=round),
    size=st.floats(0.05, 60),
)
def test_a_polygon_has_the_rows_between_its_great_circles(sky: Sky, ra: float, dec: float, turns: list[float], size: float) -> None:
    # Around a middle, in order, less than half a turn apart: convex, so a row is inside where it is left of every edge.
    turns = sorted(turns)
    assume(max(b - a for a, b in zip(turns, [*turns[1:], turns[0] + 360], strict=True)) < 170)
    corners = SkyCoord(ra, dec, unit="deg").directional_offset_by(turns * units.deg, size * units.deg)
    vertices = corners.cartesian.xyz.value.T
    places = places_of(sky.stars).cartesian.xyz.value.T
    middle = SkyCoord(ra, dec, unit="deg").cartesian.xyz.value
    normals = np.cross(vertices, np.roll(vertices, -1, axis=0))
    normals *= np.sign(normals @ middle)[:, None]
    depth = (places @ normals.T / np.linalg.norm(normals, axis=1)).min(axis=1)
    numbers = ", ".join(f"{a!r}, {d!r}" for a, d in zip(corners.ra.deg.tolist(), corners.dec.deg.tolist(), strict=True))
    found = {row[0] for row in sky.rows(f"SELECT id FROM sky_dr1.stars WHERE CONTAINS(POINT(ra, dec), POLYGON({numbers})) = 1")}
    sure = {row["id"] for row, inside in zip(sky.stars, depth, strict=True) if inside > EDGE}
    perhaps = {row["id"] for row, inside in zip(sky.stars, depth, strict=True) if inside > -EDGE}
    assert sure <= found <= perhaps


def test_no_distance_is_below_a_negative_one(sky: Sky) -> None:
    for condition in ("DISTANCE(s.ra, s.dec, s.ra, s.dec) < -1e-9", "s.mag < 99 AND -0.5 >= DISTANCE(s.ra, s.dec, 0, 0)"):
        assert sky.rows(f"SELECT s.id FROM sky_dr1.stars AS s WHERE {condition}") == []


def test_a_distance_of_a_milliarcsecond_keeps_its_digits(sky: Sky) -> None:
    milliarcsecond = 1 / 3.6e6
    [(near, far)] = sky.rows(f"SELECT DISTINCT DISTANCE(10, 60, 10, {60 + milliarcsecond!r}), DISTANCE(0, 0, 180, 1e-9) FROM sky_dr1.stars")
    assert near == pytest.approx(milliarcsecond, rel=1e-6)
    assert far == pytest.approx(180 - 1e-9, abs=1e-12)
