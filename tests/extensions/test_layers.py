"""Several images of one file are cut together: DATA, STAT and DQ, each extension of a camera, cubes with their planes."""

import io
import warnings
from pathlib import Path

import astropy.units as u
import bowerbird
import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS

from tests.extensions.skies import SCALE, SIP, Mosaic, offset_of
from tests.extensions.test_cutout_skies import cube

PIXEL = SCALE * u.deg
SIDE = 9 * PIXEL
CENTRE = (150.0, 2.0)


@pytest.fixture
def triple(tmp_path) -> Path:
    """As a MUSE image: values, variances in the same sky, and flags that say nothing of the sky."""
    mosaic = Mosaic()
    top = fits.PrimaryHDU()
    top.header["NEXTEND"] = 4
    data = fits.ImageHDU(mosaic.pixels(), mosaic.header(), name="DATA")
    stat = fits.ImageHDU(mosaic.pixels() / 7, mosaic.header(), name="STAT")
    flags = fits.ImageHDU(mosaic.pixels().astype("i4") % 5, name="DQ")
    other = fits.ImageHDU(np.zeros((5, 5), dtype="i2"), name="SMALL")
    fits.HDUList([top, data, stat, flags, other]).writeto(tmp_path / "triple.fits", checksum=True)
    made: Path = tmp_path / "triple.fits"
    return made


@pytest.mark.parametrize("choice", [["DATA", "STAT", "DQ"], ("DATA", "STAT", "DQ"), [1, 2, 3], ["DATA", "DQ", ("STAT", 1), 1]])
def test_values_variances_and_flags_are_cut_alike(triple, choice) -> None:
    cut = bowerbird.cutout(triple, CENTRE, SIDE, hdu=choice)
    assert [hdu.name for hdu in cut] == ["PRIMARY", "DATA", "STAT", "DQ"]
    assert cut[0].header["NEXTEND"] == 3
    x, y = offset_of(cut["DATA"].header)
    rows, columns = cut["DATA"].shape
    with fits.open(triple) as original:
        for name in ("DATA", "STAT", "DQ"):
            assert np.array_equal(cut[name].data, original[name].data[y : y + rows, x : x + columns])
    assert "CRPIX1" not in cut["DQ"].header
    assert (cut["DQ"].header["LTV1"], cut["DQ"].header["LTV2"]) == (-x, -y)
    assert bowerbird.cutouts([CENTRE], SIDE, triple, hdu=choice)["cutout"][0].content() == as_bytes(triple, choice)


def as_bytes(path: Path, choice: list[str]) -> bytes:
    made: bytes = bowerbird.cutout(path, CENTRE, SIDE, hdu=choice, as_bytes=True)
    return made


def test_checksums_of_each_are_made_anew(triple) -> None:
    with warnings.catch_warnings(), fits.open(io.BytesIO(as_bytes(triple, ["DATA", "DQ"])), checksum=True) as hdus:
        warnings.simplefilter("error")
        assert all(hdu.verify_checksum() and hdu.verify_datasum() for hdu in hdus)


@pytest.mark.parametrize(
    ("choice", "says"), [(["DATA", "SMALL"], "no celestial"), (["DQ"], "no celestial"), (["DATA", "X"], "no HDU"), ([], "empty")]
)
def test_what_cannot_be_cut_alike_is_said(triple, choice, says) -> None:
    with pytest.raises(ValueError, match=says):
        bowerbird.cutout(triple, CENTRE, SIDE, hdu=choice)


def camera(path: Path) -> Path:
    """Three detectors side by side, each an extension with a sky of its own."""
    hdus = fits.HDUList([fits.PrimaryHDU()])
    for number in range(3):
        mosaic = Mosaic(shape=(60, 60), centre=(150.0 + number * 60 * SCALE, 2.0))
        hdus.append(fits.ImageHDU(mosaic.pixels() + number, mosaic.header(), name=f"CCD{number}"))
    hdus.append(fits.ImageHDU(np.zeros((4, 4)), name="NOSKY"))
    hdus.writeto(path)
    return path


@pytest.mark.parametrize(("detectors", "names"), [(0.0, ["CCD0"]), (0.5, ["CCD0", "CCD1"]), (2.0, ["CCD2"]), (1.5, ["CCD1", "CCD2"])])
def test_every_extension_that_the_region_meets(tmp_path, detectors, names) -> None:
    path = camera(tmp_path / "camera.fits")
    at = (150.0 + detectors * 60 * SCALE, 2.0)
    cut = bowerbird.cutout(path, at, SIDE, hdu="*")
    assert [hdu.name for hdu in cut][1:] == names
    for name in names:
        x, y = offset_of(cut[name].header)
        rows, columns = cut[name].shape
        with fits.open(path) as original:
            assert np.array_equal(cut[name].data, original[name].data[y : y + rows, x : x + columns])
    many = bowerbird.cutouts([at, (10.0, 2.0)], SIDE, path, hdu="*")
    assert many["cutout"][0].content() == bowerbird.cutout(path, at, SIDE, hdu="*", as_bytes=True)
    assert many["reason"][1]


def test_extensions_nowhere_near_are_outside(tmp_path) -> None:
    with pytest.raises(bowerbird.OutsideImage):
        bowerbird.cutout(camera(tmp_path / "camera.fits"), (150.0, 2.1), SIDE, hdu="*")


def test_a_primary_image_and_its_weight(tmp_path) -> None:
    mosaic = Mosaic(projection="TAN-SIP", cards=SIP)
    weight = fits.ImageHDU(mosaic.pixels() * 2, mosaic.header(), name="WEIGHT")
    fits.HDUList([fits.PrimaryHDU(mosaic.pixels(), mosaic.header()), weight]).writeto(tmp_path / "pair.fits")
    cut = bowerbird.cutout(tmp_path / "pair.fits", CENTRE, SIDE, hdu=["WEIGHT", 0])
    assert [hdu.name for hdu in cut] == ["PRIMARY", "WEIGHT"]
    assert np.array_equal(cut[1].data, cut[0].data * 2)
    assert WCS(cut[1].header).has_distortion


@pytest.mark.parametrize("axes", ["xyf", "fxy", "xyfs", "sfyx"])
def test_many_pieces_of_a_cube(tmp_path, axes) -> None:
    path = tmp_path / "cube.fits"
    cube(axes, {"x": 40, "y": 30, "f": 7, "s": 2}).writeto(path)
    places = [(150.0 + number * 2 * SCALE, 2.0 - number * SCALE) for number in range(-3, 4)]
    made = bowerbird.cutouts(places, (6.5 * PIXEL, 9.5 * PIXEL), path)
    for place, cut in zip(places, made["cutout"], strict=True):
        assert cut.content() == bowerbird.cutout(path, place, (6.5 * PIXEL, 9.5 * PIXEL), as_bytes=True)


def test_files_of_several_images_are_found_again(triple, tmp_path) -> None:
    def made(choice) -> int:
        (file,) = bowerbird.cutouts([CENTRE], SIDE, triple, hdu=choice, folder=tmp_path / "made")["file"]
        return Path(file).stat().st_ino

    first = made(["DATA", "DQ"])
    assert made(["DATA", "DQ"]) == first
    assert made(["DATA", "STAT"]) != first
