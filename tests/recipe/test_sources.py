"""Sources that we put into an image come out where, and as bright as, we put them."""

import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.wcs import WCS
from demo_releases.sources import Detection, Image, columns, find

# A turned and mirrored sky in FK5, as the image of Abell 370 has.
PIXEL_DEG = 0.2 / 3600


def sky_wcs(turned_deg: float = 114.0, mirrored: bool = True) -> WCS:
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    wcs.wcs.crval = [39.97, -1.58]
    wcs.wcs.crpix = [100.5, 80.5]
    wcs.wcs.radesys, wcs.wcs.equinox = "FK5", 2000.0
    turn = np.radians(turned_deg)
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    wcs.wcs.cd = rotation @ np.diag([-PIXEL_DEG if mirrored else PIXEL_DEG, PIXEL_DEG])
    wcs.wcs.set()
    return wcs


def galaxy(shape: tuple[int, int], x: float, y: float, *, flux: float, long: float, short: float, angle_deg: float):
    """Return a Gaussian galaxy whose long axis has that angle from the first axis towards the second."""
    rows, cols = np.indices(shape)
    turn = np.radians(angle_deg)
    along = (cols - x) * np.cos(turn) + (rows - y) * np.sin(turn)
    across = -(cols - x) * np.sin(turn) + (rows - y) * np.cos(turn)
    return flux / (2 * np.pi * long * short) * np.exp(-0.5 * ((along / long) ** 2 + (across / short) ** 2))


@pytest.fixture
def table():
    """Sources of an image with two galaxies on a sloping sky: one round and bright, one long and fainter."""
    shape = (160, 200)
    pixels = np.random.default_rng(1).normal(0, 1, shape) + np.indices(shape)[0] * 0.05 + 300
    pixels += galaxy(shape, 60.25, 40.5, flux=20000, long=2, short=2, angle_deg=0)
    pixels += galaxy(shape, 140.0, 110.75, flux=9000, long=5, short=2, angle_deg=30)
    image = Image(pixels, sky_wcs(), np.zeros(shape, dtype=bool))
    return {column.name: column.values for column in columns(image, find(image, Detection(mesh=40, fwhm=3.0, threshold_sigma=5)))}


def test_both_are_found_brightest_first_and_nothing_else(table) -> None:
    assert list(table["id"]) == [1, 2]
    assert table["flux"] == pytest.approx([20000, 9000], rel=0.1)
    assert (table["snr"] > 50).all()


def test_pixels_are_counted_from_one(table) -> None:
    assert table["x"] == pytest.approx([61.25, 141.0], abs=0.1)
    assert table["y"] == pytest.approx([41.5, 111.75], abs=0.1)


def test_positions_are_icrs_through_the_wcs_of_the_image(table) -> None:
    true = sky_wcs().pixel_to_world([60.25, 140.0], [40.5, 110.75])
    assert true.frame.name == "fk5"
    found = SkyCoord(table["ra"], table["dec"], unit="deg", frame="icrs")
    assert (found.separation(true.icrs).arcsec < 0.02).all()


def test_sizes_are_in_arcsec(table) -> None:
    assert table["semimajor"] == pytest.approx([0.4, 1.0], rel=0.12)
    assert table["semiminor"] == pytest.approx([0.4, 0.4], rel=0.12)


def test_position_angle_runs_from_north_to_east_in_a_turned_mirrored_image(table) -> None:
    wcs = sky_wcs()
    start = wcs.pixel_to_world(140.0, 110.75)
    end = wcs.pixel_to_world(140.0 + np.cos(np.radians(30)), 110.75 + np.sin(np.radians(30)))
    assert table["position_angle"][1] == pytest.approx(start.position_angle(end).deg % 180, abs=2)


def test_masked_pixels_make_no_source() -> None:
    shape = (160, 200)
    pixels = np.random.default_rng(2).normal(10, 1, shape) + galaxy(shape, 60, 40, flux=20000, long=2, short=2, angle_deg=0)
    pixels[100:110, 100:110] = np.nan
    mask = ~np.isfinite(pixels)
    image = Image(pixels, sky_wcs(), mask)
    found = find(image, Detection(mesh=40, fwhm=3.0, threshold_sigma=5))
    assert len(found.labels) == 1
