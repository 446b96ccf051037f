"""Cutouts of cubes, of images in other frames and projections, and of those whose distortions are tables."""

import re

import bowerbird
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.wcs import WCS

from tests.extensions.cut_checks import PIXEL, assert_same_sky_and_pixels, place
from tests.extensions.skies import SCALE, Mosaic, offset_of, with_listed_wavelengths, with_lookups


def cube(axes: str, shape: dict[str, int]) -> fits.PrimaryHDU:
    """An image whose axes are, in the order of NAXIS1 onwards, x and y of the sky, f for frequency, s for Stokes."""
    header = fits.Header({"CRVAL1": 0.0})
    words = {
        "x": ("RA---TAN", 150.0, -SCALE, "deg"),
        "y": ("DEC--TAN", 2.0, SCALE, "deg"),
        "f": ("FREQ", 1.4e9, 1e6, "Hz"),
        "s": ("STOKES", 1, 1, ""),
    }
    for number, axis in enumerate(axes, start=1):
        header[f"CTYPE{number}"], header[f"CRVAL{number}"], header[f"CDELT{number}"], header[f"CUNIT{number}"] = words[axis]
        header[f"CRPIX{number}"] = shape[axis] / 2 if axis in "xy" else 1.0
    size = tuple(shape[axis] for axis in reversed(axes))
    return fits.PrimaryHDU(np.arange(np.prod(size), dtype="f4").reshape(size), header)


@pytest.mark.parametrize("axes", ["xyf", "fxy", "xfy", "yxf", "xyfs", "xysf", "sfyx"])
def test_a_cube_is_cut_along_the_sky_only(tmp_path, axes) -> None:
    shape = {"x": 40, "y": 30, "f": 7, "s": 2}
    hdu = cube(axes, shape)
    hdu.writeto(tmp_path / "cube.fits")
    cut = bowerbird.cutout(tmp_path / "cube.fits", (150.0, 2.0), (6.5 * PIXEL, 9.5 * PIXEL))[0]
    place_of = {axis: len(axes) - 1 - number for number, axis in enumerate(axes)}
    first, second = offset_of(cut.header)
    sky = [axis for axis in axes if axis in "xy"]
    starts = dict(zip(sky, (first, second), strict=True))
    pieces = [slice(None)] * len(axes)
    for axis in sky:
        length = cut.shape[place_of[axis]]
        assert length < shape[axis]
        pieces[place_of[axis]] = slice(starts[axis], starts[axis] + length)
    assert cut.data.tobytes() == hdu.data.astype(">f4")[tuple(pieces)].tobytes()
    original, made = WCS(hdu.header), WCS(cut.header)
    pixel = [1.0] * len(axes)
    moved = [1.0 + starts.get(axis, 0) for axis in axes]
    assert np.allclose(original.wcs_pix2world([moved], 0), made.wcs_pix2world([pixel], 0), rtol=0, atol=1e-9)


def test_frames_are_carried_over(tmp_path) -> None:
    mosaic = Mosaic(centre=(0.0, 0.0))
    header = mosaic.header()
    del header["RADESYS"]
    header["CTYPE1"], header["CTYPE2"] = "GLON-TAN", "GLAT-TAN"
    fits.PrimaryHDU(mosaic.pixels(), header).writeto(tmp_path / "galactic.fits")
    centre = SkyCoord(0, 0, unit="deg", frame="galactic")
    direct = bowerbird.cutout(tmp_path / "galactic.fits", centre, "5 arcsec")
    assert np.array_equal(bowerbird.cutout(tmp_path / "galactic.fits", centre.icrs, "5 arcsec")[0].data, direct[0].data)
    there = WCS(direct[0].header).world_to_pixel(centre)
    assert np.allclose(np.array(there), (np.array(direct[0].shape[::-1]) - 1) / 2, atol=1)


@pytest.mark.parametrize(("cards", "frame"), [({"EQUINOX": 1950.0}, "fk4"), ({"EQUINOX": 2000.0}, "fk5"), ({}, "icrs")])
def test_without_radesys_the_standards_rule_holds(tmp_path, cards, frame) -> None:
    mosaic = Mosaic(shape=(60, 60))
    header = mosaic.header()
    del header["RADESYS"]
    header.update(cards)
    fits.PrimaryHDU(mosaic.pixels(), header).writeto(tmp_path / "old.fits")
    equinox = {"equinox": "B1950"} if frame == "fk4" else {}
    centre = SkyCoord(150, 2, unit="deg", frame=frame, **equinox)
    cut = bowerbird.cutout(tmp_path / "old.fits", centre.icrs, 3 * PIXEL)[0]
    x, y = WCS(cut.header).all_world2pix(150.0, 2.0, 0)
    assert (x, y) == (pytest.approx((cut.shape[1] - 1) / 2, abs=0.6), pytest.approx((cut.shape[0] - 1) / 2, abs=0.6))


def all_sky(projection: str, **cards: object) -> fits.PrimaryHDU:
    header = fits.Header({"CRVAL1": 180.0})
    header.update(
        {"CTYPE1": f"RA---{projection}", "CTYPE2": f"DEC--{projection}", "CRVAL1": 180.0, "CRVAL2": 0.0, "CDELT1": -1.0, "CDELT2": 1.0}
    )
    header.update({"CRPIX1": 180.5, "CRPIX2": 90.5, "CUNIT1": "deg", "CUNIT2": "deg", "RADESYS": "ICRS", **cards})
    return fits.PrimaryHDU(np.arange(180 * 360, dtype="f4").reshape(180, 360), header)


def test_the_seam_of_an_all_sky_map_is_no_reason_to_take_it_whole(tmp_path) -> None:
    all_sky("CAR").writeto(tmp_path / "sky.fits")
    shape = bowerbird.cutout(tmp_path / "sky.fits", (0.7, 0.0), "10 deg")[0].shape
    assert shape[1] <= 12
    assert shape[0] <= 12
    padded = bowerbird.cutout(tmp_path / "sky.fits", (0.7, 0.0), "10 deg", mode="partial")[0].shape
    assert padded in {(11, 11), (10, 11), (11, 10), (10, 10)}


def test_a_region_around_the_pole_of_a_plate_carree_map_is_all_of_its_last_rows(tmp_path) -> None:
    all_sky("CAR").writeto(tmp_path / "sky.fits")
    rows, columns = bowerbird.cutout(tmp_path / "sky.fits", (50.0, 88.0), "10 deg")[0].shape
    assert columns == 360
    assert 7 <= rows <= 10


def test_a_square_near_a_pole_is_wide_in_right_ascension(tmp_path) -> None:
    all_sky("CAR").writeto(tmp_path / "sky.fits")
    rows, columns = bowerbird.cutout(tmp_path / "sky.fits", (180.0, 60.0), "10 deg")[0].shape
    assert 10 <= rows <= 12
    assert 20 <= columns <= 26


def test_beyond_the_edge_of_a_round_map(tmp_path) -> None:
    all_sky("AIT").writeto(tmp_path / "sky.fits")
    cut = bowerbird.cutout(tmp_path / "sky.fits", (2.0, 60.0), "20 deg")[0]
    assert cut.data.size < 180 * 360 / 4


@pytest.mark.parametrize("kind", ["cpdis", "det2im"])
def test_lookup_tables_go_along_and_are_moved(tmp_path, kind) -> None:
    path = with_lookups(tmp_path / "lookup.fits", kind)
    cut = bowerbird.cutout(path, place(path, 120.0, 90.0), 40 * PIXEL)
    assert len(cut) == 3
    assert WCS(cut[0].header, cut).has_distortion
    assert_same_sky_and_pixels(path, cut)


def test_the_table_of_listed_wavelengths_goes_along(tmp_path) -> None:
    metres = np.array([5.0, 5.1, 5.3, 5.8, 6.9]) * 1e-7
    path = with_listed_wavelengths(tmp_path / "listed.fits", metres)
    cut = bowerbird.cutout(path, (150.0, 2.0), "5 arcsec")
    assert [hdu.name for hdu in cut] == ["PRIMARY", "WCS-TABLE"]
    rows, columns = cut[0].shape[1:]
    assert (rows, columns) == (26, 26)
    found = WCS(cut[0].header, cut).wcs_pix2world([[3, 4, number] for number in range(5)], 0)
    assert found[:, 2] == pytest.approx(metres)
    x, y = offset_of(cut[0].header)
    with fits.open(path) as whole:
        assert found == pytest.approx(
            WCS(whole[0].header, whole).wcs_pix2world([[x + 3, y + 4, number] for number in range(5)], 0), abs=1e-12
        )
    assert bowerbird.cutout(path, (150.0, 2.0), "5 arcsec", band=("508 nm", "530 nm"))[0].shape == (2, rows, columns)


@pytest.mark.parametrize("cards", [{"CPDIS1": "Polynomial", "CPDIS2": "Polynomial"}, {"D2IMEXT": "old.fits"}])
def test_a_distortion_that_cannot_be_moved_is_refused(tmp_path, cards) -> None:
    path = Mosaic(cards=cards).write(tmp_path / "mosaic.fits")
    (keyword, *_) = cards
    with pytest.raises(bowerbird.NotCuttable, match=rf"mosaic\.fits: .*{keyword}.* cannot be shifted"):
        bowerbird.cutout(path, (150.0, 2.0), "5 arcsec")
    good = Mosaic().write(tmp_path / "good.fits")
    made = bowerbird.cutouts([(150.0, 2.0)] * 2, "5 arcsec", [path, good])
    assert [cut is None for cut in made["cutout"]] == [True, False]
    assert re.fullmatch(rf"mosaic\.fits: .*{keyword}.* cannot be shifted", made["reason"][0])
