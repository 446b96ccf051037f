"""Footprints against regions: as an independent computation finds it, by points strewn over both."""

import numpy as np
import pytest
from bowerbird_services.sky_regions import Circle, Interval, Polygon, Range, Region
from bowerbird_services.store.footprints import Footprints

SQUARE = "POLYGON ICRS 10 20 12 20 12 22 10 22"
ROUND = "CIRCLE ICRS 10 20 1"


def touched(shape: str | None, region: Region) -> bool:
    found = Footprints([(shape, None, None), (None, None, None)]).touched(region, np.ones(2, bool))
    assert not found[1], "what has no place is nowhere"
    return bool(found[0])


@pytest.mark.parametrize(
    ("shape", "region", "expected"),
    [
        (SQUARE, Circle(11, 21, 0.1), True),
        (SQUARE, Circle(11, 21, 90), True),
        (SQUARE, Circle(191, -21, 179), True),
        (SQUARE, Circle(191, -21, 0.5), False),
        (SQUARE, Circle(9.5, 21, 0.4), False),
        (SQUARE, Circle(9.5, 21, 0.5), True),
        (SQUARE, Polygon((11, 21, 30, 21, 30, 40)), True),
        (SQUARE, Polygon((0, 0, 40, 0, 40, 40, 0, 40)), True),
        (SQUARE, Polygon((9, 20.9, 13, 20.9, 13, 21.1, 9, 21.1)), True),
        (SQUARE, Polygon((13, 21, 30, 21, 30, 40)), False),
        (SQUARE, Range(Interval(11, 11.1), Interval(-90, 90)), True),
        (SQUARE, Range(Interval(0, 360), Interval(21, 21.001)), True),
        (SQUARE, Range(Interval(0, 360), Interval(22.1, 90)), False),
        (SQUARE, Range(Interval(12.1, 9.9), Interval(-90, 90)), False),
        (SQUARE, Range(Interval(350, 11), Interval(20, 22)), True),
        (SQUARE, Range(Interval(9, 13), Interval(20.9, 21.1)), True),
        (SQUARE, Range(Interval(10.9, 11.1), Interval(10, 30)), True),
        (ROUND, Circle(12, 20, 0.8), False),
        (ROUND, Circle(12, 20, 1), True),
        (ROUND, Range(Interval(10.9, 20), Interval(19, 21)), True),
        (ROUND, Range(Interval(11.2, 20), Interval(19, 21)), False),
        ("POSITION ICRS 10 20", Circle(10, 20.1, 0.2), True),
        ("POSITION ICRS 10 20", Range(Interval(9, 11), Interval(19, 21)), True),
        ("POSITION ICRS 10 20", Range(Interval(11, 12), Interval(19, 21)), False),
        ("nonsense", Circle(10, 20, 180), False),
        # Its edge, a great circle, bends above the parallel of its corners.
        ("POLYGON ICRS 0 60 40 60 20 50", Range(Interval(19, 21), Interval(61, 61.2)), True),
        ("POLYGON ICRS 0 60 40 60 20 50", Range(Interval(0, 2), Interval(61, 61.2)), False),
        ("POLYGON ICRS 0 80 120 80 240 80", Range(Interval(50, 60), Interval(89, 90)), True),
        ("POLYGON ICRS 350 -1 10 -1 10 1 350 1", Range(Interval(355, 356), Interval(-2, 2)), True),
        ("POLYGON ICRS 350 -1 10 -1 10 1 350 1", Range(Interval(100, 300), Interval(-2, 2)), False),
    ],
)
def test_footprint_touches_a_region_or_not(shape: str, region: Region, expected: bool) -> None:
    assert touched(shape, region) is expected


def test_many_footprints_are_found_as_by_strewn_points() -> None:
    dice = np.random.default_rng(5)
    places = np.stack([dice.uniform(0, 360, 300), dice.uniform(-89, 89, 300)], axis=1)
    footprints = Footprints([(f"CIRCLE ICRS {ra:.6f} {dec:.6f} 2", None, None) for ra, dec in places.tolist()])
    asked = Range(Interval(330, 40), Interval(-30, 50))
    found = footprints.touched(asked, np.ones(300, bool))
    grid_ra, grid_dec = np.meshgrid((np.arange(330, 400.01, 0.25)) % 360, np.arange(-30, 50.01, 0.25))
    strewn = _vectors(grid_ra.ravel(), grid_dec.ravel())
    nearest = np.degrees(np.arccos(np.clip(_vectors(*places.T) @ strewn.T, -1, 1))).min(axis=1)
    # The points stand a third of a degree apart at most, and the circle counts as a polygon around it.
    assert found[nearest < 2].all()
    assert not found[nearest > 2.3].any()
    assert 0 < found.sum() < 300


def _vectors(ra: np.ndarray, dec: np.ndarray) -> np.ndarray:
    ra, dec = np.radians(ra), np.radians(dec)
    return np.stack([np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec)], axis=-1)


def test_a_range_asks_only_those_that_are_near_in_right_ascension() -> None:
    dice = np.random.default_rng(7)
    places = [(None, float(ra), float(dec)) for ra, dec in zip(dice.uniform(20, 340, 200), dice.uniform(-80, 80, 200), strict=True)]
    looked = []
    footprints = Footprints([*places, (None, 10.05, 0.0), (None, 77.0, 90.0)])
    found = footprints.touched(Range(Interval(10, 10.1), Interval(-90, 90)), np.ones(202, bool), lambda: looked.append(1))
    assert np.flatnonzero(found).tolist() == [200]
    assert len(looked) <= 3


def test_a_search_can_be_ended_between_two_footprints() -> None:
    looked = []

    def watch() -> None:
        looked.append(1)
        if len(looked) == 4:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        Footprints([(SQUARE, None, None)] * 9).touched(Polygon((11, 21, 30, 21, 30, 40)), np.ones(9, bool), watch)
    assert len(looked) == 4
