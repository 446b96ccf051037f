"""Crossmatches of tables that are both here, with astropy's own as oracle."""

import astropy.units as u
import bowerbird
import numpy as np
import pyarrow
import pytest
from astropy.coordinates import Distance, SkyCoord
from astropy.table import QTable
from astropy.time import Time
from bowerbird.vo.sources import Sources, sources


def scattered(rows: int, seed: int, spread: float = 0.02) -> tuple[SkyCoord, SkyCoord]:
    """Return positions around the wrap of right ascension and the pole, and as many that lie some arcsec beside them."""
    dice = np.random.default_rng(seed)
    half = rows // 2
    ra = np.concatenate([dice.normal(0, spread, half) % 360, dice.uniform(0, 360, rows - half)])
    dec = np.concatenate([dice.normal(0, spread, half), 90 - np.abs(dice.normal(0, spread, rows - half))])
    first = SkyCoord(ra, dec, unit="deg")
    second = first.directional_offset_by(dice.uniform(0, 360, rows) * u.deg, dice.uniform(0, 8, rows) * u.arcsec)
    return first, second[dice.permutation(rows)]


def as_table(at: SkyCoord, **more: object) -> QTable:
    return QTable({"n": np.arange(len(at)), "ra": at.ra.deg, "dec": at.dec.deg, **more})


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_best_is_what_astropy_finds(seed: int) -> None:
    first, second = scattered(400, seed)
    nearest, separation, _ = first.match_to_catalog_sky(second)
    inside = separation < 5 * u.arcsec
    found = bowerbird.match(as_table(first), as_table(second), "5 arcsec")
    assert found["n"].tolist() == np.flatnonzero(inside).tolist()
    assert found["n_other"].tolist() == nearest[inside].tolist()
    np.testing.assert_allclose(found["separation"].to_value("arcsec"), separation[inside].arcsec, atol=1e-6)


def test_tables_of_other_kinds_are_matched_like_those_of_astropy() -> None:
    first, second = (as_table(one) for one in scattered(40, 1))
    wanted = bowerbird.match(first, second, "10 arcsec")
    arrow, columns = (pyarrow.table({name: np.asarray(one[name]) for name in one.colnames}) for one in (first, second))
    found = bowerbird.match(arrow, {name: columns[name].to_numpy() for name in columns.column_names}, "10 arcsec")
    assert len(found) > 0
    assert found.colnames == wanted.colnames
    assert all(found[name].tolist() == wanted[name].tolist() for name in ("n", "n_other"))


def test_one_position_is_matched_like_many() -> None:
    first, second = scattered(400, 1)
    many = bowerbird.match(first[:1], second, "10 arcsec", find="all")
    one = bowerbird.match(first[0], second, "10 arcsec", find="all")
    assert one["separation"].value.tolist() == many["separation"].value.tolist()
    assert len(one) == len(bowerbird.match(second, first[0], "10 arcsec", find="all")) > 0


def test_all_pairs_are_what_astropy_finds() -> None:
    first, second = scattered(400, 4, 0.002)
    ours, theirs, _, _ = second.search_around_sky(first, 6 * u.arcsec)
    found = bowerbird.match(first, as_table(second), 6 * u.arcsec, find="all")
    assert len(found) == len(ours) > 400
    both = bowerbird.match(as_table(first), as_table(second), 6 * u.arcsec, find="all")
    assert {*zip(both["n"].tolist(), both["n_other"].tolist(), strict=True)} == {*zip(ours.tolist(), theirs.tolist(), strict=True)}


def test_symmetric_pairs_are_the_nearest_of_each_other() -> None:
    first, second = scattered(400, 5, 0.002)
    there, separation, _ = first.match_to_catalog_sky(second)
    back, _, _ = second.match_to_catalog_sky(first)
    mutual = (back[there] == np.arange(len(first))) & (separation < 6 * u.arcsec)
    found = bowerbird.match(as_table(first), as_table(second), "6 arcsec", find="symmetric")
    assert found["n"].tolist() == np.flatnonzero(mutual).tolist()
    assert found["n_other"].tolist() == there[mutual].tolist()
    assert 0 < len(found) < len(bowerbird.match(as_table(first), as_table(second), "6 arcsec"))


def test_motion_is_what_astropy_gives() -> None:
    dice = np.random.default_rng(6)
    at = SkyCoord(dice.uniform(0, 360, 50), dice.uniform(-89, 89, 50), unit="deg")
    motion = (dice.normal(0, 3000, 50), dice.normal(0, 3000, 50))
    moved = Sources(at, 2016.0, motion).moved(2000.0)
    start = SkyCoord(
        at.ra,
        at.dec,
        distance=Distance(np.full(50, 3.0), u.pc),
        pm_ra_cosdec=motion[0] * u.mas / u.yr,
        pm_dec=motion[1] * u.mas / u.yr,
        obstime=Time(2016.0, format="jyear", scale="tcb"),
    )
    there = start.apply_space_motion(new_obstime=Time(2000.0, format="jyear", scale="tcb"))
    assert moved.separation(SkyCoord(there.ra, there.dec)).max() < 1e-6 * u.arcsec
    straight = at.directional_offset_by(np.arctan2(*motion) * u.rad, np.hypot(*motion) * 16 * u.mas)
    assert at.directional_offset_by(np.arctan2(*motion) * u.rad, -np.hypot(*motion) * 16 * u.mas).separation(moved).max() < 1 * u.mas
    assert straight.separation(moved).min() > 1 * u.mas


def test_a_star_that_moved_is_found_where_it_was() -> None:
    now = SkyCoord([10.0, 20.0] * u.deg, [60.0, -30.0] * u.deg)
    stars = as_table(now, pmra=[5000.0, np.nan] * u.mas / u.yr, pmdec=[-4000.0, np.nan] * u.mas / u.yr)
    then = sources(stars, 2016.0).moved(1991.25)
    plates = as_table(then)
    assert len(bowerbird.match(stars, plates, "1 arcsec", epochs=(2016.0, 1991.25))) == 2
    assert len(bowerbird.match(plates, stars, "1 arcsec", epochs=(1991.25, 2016.0))) == 2
    with pytest.warns(UserWarning, match="the epoch of either table is not known; give epochs=") as caught:
        assert len(bowerbird.match(stars, plates, "1 arcsec")) == 1
    assert caught[0].filename == __file__


def test_epochs_that_differ_without_motions_are_told() -> None:
    at = SkyCoord([10.0] * u.deg, [60.0] * u.deg)
    with pytest.warns(UserWarning, match=r"2016.00 and 2000.00, and neither table has proper motions"):
        bowerbird.match(as_table(at), as_table(at), "1 arcsec", epochs=(2016.0, 2000.0))


def test_rows_without_a_position_match_nothing() -> None:
    mine = QTable({"ra": [np.nan, 10.0], "dec": [1.0, 2.0]})
    found = bowerbird.match(mine, QTable({"ra": [10.0], "dec": [2.0]}), "1 arcsec")
    assert len(found) == 1
    assert len(bowerbird.match(mine[:0], mine, "1 arcsec")) == 0
    assert "separation" in bowerbird.match(mine[:0], mine, "1 arcsec").colnames


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"radius": "5"}, "write an angle with its unit"),
        ({"radius": "-1 arcsec"}, "above 0"),
        ({"radius": "1 arcsec", "find": "first"}, "'best', 'all' or 'symmetric'"),
    ],
)
def test_what_makes_no_sense_is_refused(arguments: dict[str, str], said: str) -> None:
    table = QTable({"ra": [1.0], "dec": [1.0]})
    with pytest.raises(ValueError, match=said):
        bowerbird.match(table, table, **arguments)  # type: ignore[arg-type]


def test_a_table_without_positions_is_refused() -> None:
    with pytest.raises(ValueError, match="it has x, y"):
        bowerbird.match(QTable({"x": [1], "y": [2]}), QTable({"x": [1], "y": [2]}), "1 arcsec")
