"""The tiles of HiPS 1.0: which pixel stands where, by wcslib's own projection HPX and by the numbers of the standard."""

import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.wcs import WCS
from bowerbird_services.ingest import hips_tiles
from bowerbird_services.ingest.hips_tiles import WIDTH
from cdshealpix.nested import lonlat_to_healpix


@pytest.mark.parametrize(("order", "tile"), [(3, 0), (3, 100), (3, 700), (6, 20_000), (9, 1_234_567), (14, 987_654_321)])
def test_pixels_lie_where_the_cards_of_the_tile_say(order: int, tile: int) -> None:
    ra, dec = hips_tiles.positions(order, tile)
    x, y = np.meshgrid(np.arange(WIDTH), np.arange(WIDTH))
    told = WCS(hips_tiles.header(order, tile)).pixel_to_world(x, y)
    assert SkyCoord(ra, dec, unit="deg").separation(told).arcsec.max() < 1e-5


def test_all_pixels_of_a_tile_lie_in_it() -> None:
    ra, dec = hips_tiles.positions(5, 4321)
    found = lonlat_to_healpix(SkyCoord(ra, dec, unit="deg").ra, SkyCoord(ra, dec, unit="deg").dec, 5)
    assert set(found.ravel().tolist()) == {4321}


def test_the_corners_are_those_of_the_standard() -> None:
    # Figure 5 of HiPS 1.0: from the southern corner at the top left, the numbers grow downwards first.
    first = hips_tiles.cells(1)[::-1]
    assert first.tolist() == [[0, 2], [1, 3]]
    _, dec = hips_tiles.positions(3, 5)
    assert dec.argmin() == (WIDTH - 1) * WIDTH
    assert dec.argmax() == WIDTH - 1


def test_a_coarser_tile_is_the_mean_of_what_has_values() -> None:
    values = np.full((WIDTH, WIDTH), 4.0, dtype=np.float32)
    values[0, 0] = np.nan
    values[1, 1] = 10
    values[2:4, 2:4] = np.nan
    made = hips_tiles.parent({3: values})
    half = WIDTH // 2
    # The last child is the northern one, at the bottom right.
    assert np.isnan(made[half:, :]).all()
    assert np.isnan(made[:, :half]).all()
    quarter = made[:half, half:]
    assert quarter[0, 0] == pytest.approx(6.0)
    assert np.isnan(quarter[1, 1])
    assert (quarter[2:, 2:] == 4).all()


def test_children_stand_in_their_parent_as_on_the_sky() -> None:
    children = {number: hips_tiles.positions(4, 4 * 77 + number)[1].astype(np.float32) for number in range(4)}
    _, dec = hips_tiles.positions(3, 77)
    assert np.abs(hips_tiles.parent(children) - dec).max() < 0.02


def test_the_overview_has_each_tile_in_its_place_from_the_top_left() -> None:
    tiles = {0: np.full((WIDTH, WIDTH), 1.0), 28: np.full((WIDTH, WIDTH), 2.0)}
    made = hips_tiles.overview(tiles)[::-1]
    assert made.shape == (29 * 64, 27 * 64)
    assert (made[:64, :64] == 1).all()
    assert (made[64:128, 64:128] == 2).all()
    assert np.isfinite(made).sum() == 2 * 64 * 64
