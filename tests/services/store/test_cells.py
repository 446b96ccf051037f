"""Cells that circles touch."""

import numpy as np
from astropy import units
from astropy.coordinates import Latitude, Longitude, SkyCoord
from bowerbird_services.store.cells import touched
from bowerbird_services.tables import HEALPIX_ORDER
from cdshealpix.nested import lonlat_to_healpix
from hypothesis import given, settings
from hypothesis import strategies as st

# Poles, RA 0, and corners of HEALPix's twelve faces, where four or three cells meet.
EDGE = 41.8103148957786
CORNERS = [(0.0, 90.0), (10.0, -90.0), (0.0, 0.0), (45.0, 0.0), (90.0, EDGE), (0.0, EDGE), (135.0, -EDGE)]


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    radius=st.one_of(st.floats(1e-9, 1e-3), st.floats(1e-3, 1.1)),
    density=st.sampled_from([1e-18, 1e-12, 1e-9, 1.0]),
)
def test_whatever_lies_in_a_circle_lies_in_one_of_its_cells(seed: int, radius: float, density: float) -> None:
    dice = np.random.default_rng(seed)
    ra = np.concatenate([[place[0] for place in CORNERS], dice.uniform(0, 360, 40)])
    dec = np.concatenate([[place[1] for place in CORNERS], np.degrees(np.arcsin(dice.uniform(-1, 1, 40)))])
    middles = SkyCoord(ra, dec, unit="deg").directional_offset_by(
        dice.uniform(0, 360, len(ra)) * units.deg, radius * dice.uniform(0, 2, len(ra)) * units.deg
    )
    cells = touched(middles.ra.deg, middles.dec.deg, radius, density)
    assert (np.diff(cells.first) >= 0).all()
    own = [np.flatnonzero(cells.row == row) for row in range(len(ra))]
    assert all(len(np.unique(cells.first[found])) == len(found) for found in own)
    for angle in dice.uniform(0, 360, 12):
        inside = middles.directional_offset_by(angle * units.deg, radius * dice.uniform(0, 1, len(ra)) ** 0.1 * (1 - 1e-7) * units.deg)
        places = lonlat_to_healpix(Longitude(inside.ra), Latitude(inside.dec), HEALPIX_ORDER).astype(np.int64)
        for row, place in enumerate(places):
            found = own[row]
            assert ((cells.first[found] <= place) & (place < cells.after[found])).sum() == 1


def test_a_circle_without_a_middle_touches_no_cell() -> None:
    cells = touched(np.array([np.nan, 1.0, np.inf, 5.0, -725.0]), np.array([0.0, np.nan, 0.0, 91.0, 5.0]), 0.1, 1e-12)
    assert set(cells.row) == {4}
