"""Sums over regions of a cube are the sums that a hand would make."""

import numpy as np
import pytest
from astropy.wcs import WCS
from demo_releases.spectra import Cube, Region, columns, extract


@pytest.fixture
def cube() -> Cube:
    """Five planes of 20 by 30 pixels; flux 2 and variance 9 in each, but for plane 3, which has no data."""
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    wcs.wcs.crval, wcs.wcs.crpix, wcs.wcs.cdelt = [63.0, 10.0], [11.0, 11.0], [-0.2 / 3600, 0.2 / 3600]
    flux, variance = np.full((5, 20, 30), 2.0), np.full((5, 20, 30), 9.0)
    flux[3], variance[3] = np.nan, np.nan
    return Cube(flux, variance, 5000 + 1.25 * np.arange(5), wcs, "10**-20 erg s-1 cm-2 Angstrom-1")


def test_circle_covers_its_area_exactly() -> None:
    assert Region("circle", 12.3, 9.8, 3.0).weights((20, 30)).sum() == pytest.approx(np.pi * 9)


def test_ring_is_the_circle_less_its_hole() -> None:
    weights = Region("ring", 12.0, 10.0, 6.0, inner=3.0).weights((20, 30))
    assert weights.sum() == pytest.approx(np.pi * 27)
    assert weights[10, 12] == 0
    assert weights[10, 16] == 1


def test_flux_is_the_sum_and_error_the_root_of_the_weighed_variances(cube: Cube) -> None:
    region = Region("circle", 12.0, 10.0, 3.0)
    weights = region.weights((20, 30))
    flux, error = extract(cube, region)
    assert flux[0] == pytest.approx(2 * np.pi * 9)
    assert error[0] == pytest.approx(3 * np.sqrt((weights**2).sum()))


def test_plane_without_data_is_nan_and_not_zero(cube: Cube) -> None:
    flux, error = extract(cube, Region("circle", 12.0, 10.0, 3.0))
    assert list(np.isnan(flux)) == list(np.isnan(error)) == [False, False, False, True, False]


def test_one_pixel_of_the_cube_is_one_pixel_of_the_spectrum(cube: Cube) -> None:
    cube.flux[1, 10, 12] = 102.0
    flux, _ = extract(cube, Region("circle", 12.0, 10.0, 3.0))
    assert flux[1] - flux[0] == pytest.approx(100)


def test_region_at_the_edge_says_how_much_of_it_there_is(cube: Cube) -> None:
    table = {column.name: column.values for column in columns(cube, [Region("edge", -0.5, 10.0, 3.0), Region("all", 12.0, 10.0, 3.0)])}
    assert table["area"] == pytest.approx([np.pi * 9 / 2 * 0.04, np.pi * 9 * 0.04])
    assert table["outer_radius"] == pytest.approx([0.6, 0.6])


def test_position_is_that_of_the_centre(cube: Cube) -> None:
    table = {column.name: column.values for column in columns(cube, [Region("reference", 10.0, 10.0, 2.0)])}
    assert (table["ra"][0], table["dec"][0]) == pytest.approx((63.0, 10.0), abs=1e-9)
    assert table["wavelength"].tolist() == [[5000, 5001.25, 5002.5, 5003.75, 5005]]
