"""What ObsCore learns of product files: images, cubes and spectra, and nothing of what is none."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from bowerbird_services.ingest.product_files import products
from bowerbird_services.store.products import Product

from tests.extensions.skies import with_listed_wavelengths, with_lookups

SKY: dict[str, Any] = {
    "CTYPE1": "RA---TAN",
    "CTYPE2": "DEC--TAN",
    "CRVAL1": 0.0,
    "CRVAL2": 60.0,
    "CRPIX1": 50.5,
    "CRPIX2": 25.5,
    "CDELT1": -0.01,
    "CDELT2": 0.01,
    "CUNIT1": "deg",
    "CUNIT2": "deg",
}


def write(path: Path, array: Any, cards: dict[str, Any], primary: dict[str, Any] | None = None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    hdu, first = fits.ImageHDU(array), fits.PrimaryHDU()
    hdu.header.update(cards)
    first.header.update(primary or {})
    fits.HDUList([first, hdu]).writeto(path)


def only(directory: Path) -> Product:
    (found,) = products(directory, set())
    return found


def test_an_image_has_its_place_and_its_outline_across_the_meridian(tmp_path: Path) -> None:
    primary = {"OBJECT": "A field", "TELESCOP": "AAT", "INSTRUME": "2dF", "DATE-OBS": "2027-03-01T12:00:00", "EXPTIME": 43200.0}
    write(tmp_path / "images" / "field.fits", np.zeros((50, 100), np.float32), SKY, primary)
    image = only(tmp_path)
    assert (image.file, image.dataproduct_type, image.s_xel1, image.s_xel2) == ("images/field.fits", "image", 100, 50)
    assert image.s_dec == pytest.approx(60.0, abs=1e-6)
    assert min(image.s_ra or 0, 360 - (image.s_ra or 0)) < 1e-6
    assert image.s_fov == pytest.approx(np.hypot(1.0, 0.5), rel=1e-3)
    frame, system, *numbers = (image.s_region or "").split()
    assert (frame, system, len(numbers)) == ("POLYGON", "ICRS", 8)
    assert all(0 <= float(ra) < 360 for ra in numbers[::2])
    assert (image.target_name, image.facility_name, image.instrument_name) == ("A field", "AAT", "2dF")
    assert (image.t_min, image.t_max, image.t_exptime) == (61465.5, 61466.0, 43200.0)


@pytest.mark.parametrize(
    ("cards", "told"),
    [
        ({"SEEING": 0.8, "EXPTIME": 30.0}, (0.8, None, 30.0, 30.0)),
        ({"SKY_RES": 0.7, "SEEING": 0.9, "SPEC_RES": 2988.0, "XPOSURE": 600.0}, (0.7, 2988.0, 600.0, 600.0)),
        ({"BMAJ": 0.0025, "BMIN": 0.002}, (9.0, None, None, None)),
        ({"SPEC_RP": 1800, "SPEC_RES": 5.0, "EXPOSURE": 20, "TIMEDEL": 0.5}, (None, 1800.0, 20.0, 0.5)),
        ({"XPOSURE": 0.5, "TIMEDEL": 0.25, "TIMEUNIT": "d"}, (None, None, 43200.0, 21600.0)),
        ({"XPOSURE": 2, "TIMEUNIT": "min", "EXPOSURE": 120}, (None, None, 120.0, 120.0)),
        ({"EXPTIME": 30.0, "TIMEDEL": 2.0, "TIMEUNIT": "fortnight"}, (None, None, 30.0, 30.0)),
        ({"XPOSURE": 1e308, "TIMEUNIT": "cy"}, (None, None, None, None)),
        ({"SEEING": -1.0, "SPEC_RES": "high", "EXPTIME": True, "PSF_FWHM": 0.0}, (None, None, None, None)),
        ({}, (None, None, None, None)),
    ],
)
@pytest.mark.parametrize("primary", [True, False])
def test_how_finely_something_was_observed_stands_in_either_header(
    cards: dict[str, Any], told: tuple[Any, ...], primary: bool, tmp_path: Path
) -> None:
    write(tmp_path / "field.fits", np.zeros((50, 100), np.float32), SKY | ({} if primary else cards), cards if primary else {})
    image = only(tmp_path)
    assert (image.s_resolution, image.em_res_power, image.t_exptime, image.t_resolution) == told


@pytest.mark.parametrize("odd", [{"CPDIS1": 5}, {"D2IMDIS1": 7}])
def test_a_header_that_ends_astropy_is_of_no_product(odd: dict[str, Any], tmp_path: Path) -> None:
    write(tmp_path / "odd.fits", np.zeros((50, 100), np.float32), SKY | odd)
    write(tmp_path / "sound.fits", np.zeros((50, 100), np.float32), SKY)
    assert only(tmp_path).file == "sound.fits"


def test_an_exposure_ends_when_its_header_says(tmp_path: Path) -> None:
    write(tmp_path / "field.fits", np.zeros((50, 100), np.float32), SKY, {"MJD-OBS": 60000.25, "MJD-END": 60000.75, "EXPTIME": 10.0})
    assert (only(tmp_path).t_min, only(tmp_path).t_max) == (60000.25, 60000.75)


@pytest.mark.parametrize(("exposed", "end"), [({"EXPTIME": 43200.0}, 60000.75), ({}, None)])
def test_nothing_ends_before_it_begins(exposed: dict[str, float], end: float | None, tmp_path: Path) -> None:
    write(tmp_path / "field.fits", np.zeros((50, 100), np.float32), SKY, {"MJD-OBS": 60000.25, "MJD-END": 60000.0, **exposed})
    assert (only(tmp_path).t_min, only(tmp_path).t_max) == (60000.25, end)


def test_a_cube_of_time_has_its_own_times(tmp_path: Path) -> None:
    time = {"CTYPE3": "UTC", "CUNIT3": "d", "CRVAL3": 0.5, "CRPIX3": 1.0, "CDELT3": 2.0, "MJDREF": 59000.0}
    write(tmp_path / "movie.fits", np.zeros((5, 50, 100), np.float32), SKY | time, {"MJD-OBS": 1000.0, "EXPTIME": 3.0})
    movie = only(tmp_path)
    assert (movie.t_min, movie.t_max, movie.t_resolution) == pytest.approx((58999.5, 59009.5, 2 * 86400))
    assert (movie.t_xel, movie.t_exptime) == (5, 3.0)
    write(tmp_path / "loose" / "movie.fits", np.zeros((5, 50, 100), np.float32), SKY | time | {"MJDREF": 0.0})
    assert (only(tmp_path / "loose").t_min, only(tmp_path / "loose").t_xel) == (None, 5), "times since nobody says when"


def test_a_radio_cube_of_four_axes_has_its_wavelengths_and_its_polarisation(tmp_path: Path) -> None:
    frequency = {"CTYPE3": "FREQ", "CUNIT3": "Hz", "CRVAL3": 1.4e9, "CRPIX3": 1.0, "CDELT3": 1e6}
    stokes = {"CTYPE4": "STOKES", "CRVAL4": 1.0, "CRPIX4": 1.0, "CDELT4": 1.0}
    write(tmp_path / "radio.fits", np.zeros((3, 5, 50, 100), np.float32), SKY | frequency | stokes)
    cube = only(tmp_path)
    assert (cube.dataproduct_type, cube.s_xel1, cube.s_xel2, cube.em_xel) == ("cube", 100, 50, 5)
    assert (cube.em_min, cube.em_max) == pytest.approx((299792458 / 1.4045e9, 299792458 / 1.3995e9))
    assert (cube.pol_states, cube.pol_xel) == ("/I/Q/U/", 3)


def test_an_image_with_axes_of_one_pixel_is_no_cube(tmp_path: Path) -> None:
    frequency = {"CTYPE3": "FREQ", "CUNIT3": "Hz", "CRVAL3": 1.4e9, "CRPIX3": 1.0, "CDELT3": 1e6}
    stokes = {"CTYPE4": "STOKES", "CRVAL4": -5.0, "CRPIX4": 1.0, "CDELT4": -1.0}
    write(tmp_path / "radio.fits", np.zeros((1, 1, 50, 100), np.float32), SKY | frequency | stokes)
    image = only(tmp_path)
    assert (image.dataproduct_type, image.pol_states) == ("image", "/XX/")
    assert image.em_min is not None


def test_velocities_of_no_line_and_states_of_no_name_tell_nothing_wrong(tmp_path: Path) -> None:
    velocity = {"CTYPE3": "VRAD", "CUNIT3": "m/s", "CRVAL3": 1000.0, "CRPIX3": 1.0, "CDELT3": 500.0}
    stokes = {"CTYPE4": "STOKES", "CRVAL4": 17.0, "CRPIX4": 1.0, "CDELT4": 1.0}
    write(tmp_path / "hi.fits", np.zeros((2, 5, 50, 100), np.float32), SKY | velocity | stokes)
    cube = only(tmp_path)
    assert (cube.dataproduct_type, cube.em_min, cube.em_xel, cube.pol_states) == ("cube", None, 5, None)


def test_a_polarisation_beyond_all_numbers_ends_nothing(tmp_path: Path) -> None:
    stokes = {"CTYPE3": "STOKES", "CRVAL3": 1e308, "CRPIX3": -1e308, "CDELT3": 1e308}
    write(tmp_path / "odd.fits", np.zeros((2, 50, 100), np.float32), SKY | stokes)
    write(tmp_path / "sane.fits", np.zeros((50, 100), np.float32), SKY)
    assert "sane.fits" in [product.file for product in products(tmp_path, set())]


def test_a_cube_has_its_wavelengths(tmp_path: Path) -> None:
    spectral = {"CTYPE3": "WAVE", "CUNIT3": "Angstrom", "CRVAL3": 5000.0, "CRPIX3": 1.0, "CDELT3": 2.0}
    write(tmp_path / "cube.fits", np.zeros((11, 50, 100), np.float32), SKY | spectral)
    cube = only(tmp_path)
    assert (cube.dataproduct_type, cube.em_xel) == ("cube", 11)
    assert (cube.em_min, cube.em_max) == pytest.approx((4999e-10, 5021e-10))


@pytest.mark.parametrize(
    ("kind", "ends"),
    [
        ("AWAV", (4799.375 + 1.342, 4849.375 + 1.355)),  # by the index of refraction of air at 15 °C
        ("WAVELENGTH", (4799.375, 4849.375)),
    ],
)
def test_wavelengths_are_those_of_vacuum_by_which_a_cutout_goes(kind: str, ends: tuple[float, float], tmp_path: Path) -> None:
    spectral = {"CTYPE3": kind, "CUNIT3": "Angstrom", "CRVAL3": 4800.0, "CRPIX3": 1.0, "CDELT3": 1.25}
    write(tmp_path / "muse.fits", np.zeros((40, 50, 100), np.float32), SKY | spectral)
    muse = only(tmp_path)
    assert (muse.dataproduct_type, muse.em_xel) == ("cube", 40)
    assert (muse.em_min, muse.em_max) == pytest.approx(tuple(end * 1e-10 for end in ends), abs=2e-13)


def test_an_axis_that_lies_about_its_wavelengths_has_none(tmp_path: Path) -> None:
    spectral = {"CTYPE3": "WAVELENGTH", "CUNIT3": "kg", "CRVAL3": 4800.0, "CRPIX3": 1.0, "CDELT3": 1.25}
    write(tmp_path / "odd.fits", np.zeros((11, 50, 100), np.float32), SKY | spectral)
    assert (only(tmp_path).em_xel, only(tmp_path).em_min) == (11, None)


@pytest.mark.parametrize(
    ("cards", "ends"),
    [
        ({"CRVAL1": 4000.0, "CDELT1": 1.0}, (4000e-10, 4099e-10)),
        ({"CRVAL1": 400.0, "CDELT1": 1.0, "CUNIT1": "nm"}, (400e-9, 499e-9)),
        ({"CTYPE1": "AWAV", "CRVAL1": 5006.843, "CDELT1": (6562.80 - 5006.843) / 99}, (5008.240e-10, 6564.61e-10)),  # [O III] to Hα
        ({"CRVAL1": 3.6, "CD1_1": 0.001, "DC-FLAG": 1}, (10**3.6 * 1e-10, 10**3.699 * 1e-10)),
    ],
)
def test_a_spectrum_has_its_wavelengths_and_its_place(cards: dict[str, Any], ends: tuple[float, float], tmp_path: Path) -> None:
    write(tmp_path / "spectrum.fits", np.zeros(100, np.float32), cards | {"RA": "01:00:00", "DEC": "-10:30:00"})
    spectrum = only(tmp_path)
    assert (spectrum.dataproduct_type, spectrum.em_xel) == ("spectrum", 100)
    assert (spectrum.em_min, spectrum.em_max) == pytest.approx(ends)
    assert (spectrum.s_ra, spectrum.s_dec) == pytest.approx((15.0, -10.5))


def test_a_spectrum_in_a_table_has_its_wavelengths(tmp_path: Path) -> None:
    columns = [fits.Column("WAVE", "3D", unit="nm", array=[[500.0, 600.0, 700.0]]), fits.Column("FLUX", "3D", array=[[1.0, 2.0, 3.0]])]
    fits.BinTableHDU.from_columns(columns).writeto(tmp_path / "spectrum.fits")
    spectrum = only(tmp_path)
    assert (spectrum.dataproduct_type, spectrum.em_xel) == ("spectrum", 3)
    assert (spectrum.em_min, spectrum.em_max) == pytest.approx((500e-9, 700e-9))


def test_images_whose_coordinates_stand_in_tables_of_their_file_are_products(tmp_path: Path) -> None:
    with_lookups(tmp_path / "a.fits")
    with_lookups(tmp_path / "b.fits", "det2im")
    with_listed_wavelengths(tmp_path / "c.fits", np.array([5.0, 5.2, 6.0]) * 1e-7)
    found = list(products(tmp_path, set()))
    assert [(product.file, product.dataproduct_type) for product in found] == [("a.fits", "image"), ("b.fits", "image"), ("c.fits", "cube")]
    assert all((product.s_ra, product.s_dec) == pytest.approx((150.0, 2.0), abs=0.01) for product in found)
    assert found[2].em_xel == 3
    assert (found[2].em_min, found[2].em_max) == pytest.approx((4.9e-7, 6.4e-7)), "half a pixel beyond the first and the last"


@pytest.mark.parametrize(
    "odd", [{"PS3_0": "NOWHERE"}, {"PS3_1": "NOTHING"}, {"PS3_2": "NOTHING"}, {"PV3_1": 2}, {"PV3_3": 7}, {"PV3_3": -1}]
)
def test_wavelengths_in_a_table_that_is_not_as_the_header_says_are_not_known(odd: dict[str, Any], tmp_path: Path) -> None:
    path = with_listed_wavelengths(tmp_path / "c.fits", np.array([5.0, 5.2, 6.0]) * 1e-7)
    with fits.open(path, mode="update") as file:
        file[0].header.update(odd)
    cube = only(tmp_path)
    assert (cube.dataproduct_type, cube.em_xel, cube.em_min, cube.em_max) == ("cube", 3, None, None)


def test_files_that_are_no_products_have_no_row(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("hello")
    (tmp_path / "broken.fits").write_text("hello")
    write(tmp_path / "flat.fits", np.zeros((5, 5), np.float32), {})
    write(tmp_path / "counts.fits", np.zeros(5, np.float32), {"CRVAL1": 0.0, "CDELT1": 1.0})
    write(tmp_path / "table.fits", np.zeros((5, 5), np.float32), SKY)
    assert list(products(tmp_path, {"table.fits"})) == []


def test_a_symbolic_link_is_no_product_and_nothing_behind_one_is(tmp_path: Path) -> None:
    release, other = tmp_path / "release", tmp_path / "other"
    write(other / "secret.fits", np.zeros((50, 100), np.float32), SKY)
    write(release / "own.fits", np.zeros((50, 100), np.float32), SKY)
    (release / "out.fits").symlink_to("../other/secret.fits")
    (release / "aside.fits").symlink_to("own.fits")
    (release / "folder").symlink_to("../other")
    assert only(release).file == "own.fits"


def test_a_pipe_keeps_nobody_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.fits")
    assert list(products(tmp_path, set())) == []
