"""A cutout's pixel is the mosaic's pixel, bit for bit, at the same position on the sky."""

import io
from pathlib import Path

import astropy.units as u
import bowerbird
import numpy as np
import pytest
from astropy.coordinates import Angle, SkyCoord
from astropy.io import fits
from astropy.nddata import Cutout2D
from astropy.wcs import WCS
from hypothesis import given
from hypothesis import strategies as st

from tests.extensions.cut_checks import EXACT, PIXEL, as_file, assert_same_sky_and_pixels, place, separations, slow_is_fine
from tests.extensions.skies import SIP, TPV, Mosaic, offset_of, sky_of

mosaics = st.builds(
    Mosaic,
    shape=st.tuples(st.integers(40, 130), st.integers(40, 130)),
    centre=st.tuples(st.sampled_from([0.0, 1e-5, 83.6, 359.9999]), st.sampled_from([-89.999, -60.0, 0.0, 45.0, 90.0])),
    turn=st.sampled_from([0.0, 90.0, 180.0, 33.3, -120.0]),
    projection=st.sampled_from(["TAN", "SIN", "ZEA", "STG", "ARC"]),
    dtype=st.sampled_from([">f4", ">f8", "u1", ">i2", ">i4", ">i8"]),
    swapped=st.booleans(),
)


@slow_is_fine
@given(mosaic=mosaics, x=st.floats(0, 1), y=st.floats(0, 1), side=st.floats(0.3, 60.0), tall=st.floats(0.3, 60.0))
def test_pixels_are_bit_equal_and_at_the_same_position(tmp_path_factory, mosaic, x, y, side, tall) -> None:
    path = mosaic.write(tmp_path_factory.mktemp("mosaic") / "mosaic.fits")
    at = (x * (mosaic.shape[1] - 1), y * (mosaic.shape[0] - 1))
    cut = bowerbird.cutout(path, place(path, *at), (tall * PIXEL, side * PIXEL))
    assert_same_sky_and_pixels(path, cut)
    first, last = offset_of(cut[0].header), np.array(cut[0].shape[::-1])
    for axis, width in enumerate((side, tall)):
        wanted = np.clip([at[axis] - width / 2, at[axis] + width / 2], -0.5, mosaic.shape[1 - axis] - 0.5)
        assert first[axis] - 0.5 <= wanted[0] + 1e-3, "the left of the region is in it"
        assert first[axis] + last[axis] - 0.5 >= wanted[1] - 1e-3, "and so is the right"
        assert last[axis] <= width + 2.01, "and it is not larger than rounding outwards makes it"


@slow_is_fine
@given(
    kind=st.sampled_from(["SIP", "TPV"]), x=st.floats(5, 220), y=st.floats(5, 160), side=st.floats(1, 80), turn=st.sampled_from([0.0, 45.0])
)
def test_distorted_images_keep_their_distortion(tmp_path_factory, kind, x, y, side, turn) -> None:
    mosaic = Mosaic(projection="TAN-SIP" if kind == "SIP" else "TPV", cards=SIP if kind == "SIP" else TPV, turn=turn)
    path = mosaic.write(tmp_path_factory.mktemp("mosaic") / "mosaic.fits")
    cut = bowerbird.cutout(path, place(path, x, y), side * PIXEL)
    assert_same_sky_and_pixels(path, cut)
    assert sky_of(cut[0].header).has_distortion or kind == "TPV"
    start, size = offset_of(cut[0].header), cut[0].shape[::-1]
    assert start[0] - 0.5 <= x <= start[0] + size[0] - 0.5
    assert start[1] - 0.5 <= y <= start[1] + size[1] - 0.5


def test_same_piece_as_cutout2d(tmp_path) -> None:
    path = Mosaic().write(tmp_path / "mosaic.fits")
    at = place(path, 100.3, 80.8)
    cut = bowerbird.cutout(path, at, 30.9 * PIXEL)
    with fits.open(path) as hdus:
        theirs = Cutout2D(hdus[0].data, at, 31 * PIXEL, wcs=WCS(hdus[0].header))
    x, y = np.subtract(theirs.origin_original, offset_of(cut[0].header))
    assert {int(x), int(y)} <= {0, 1}, "ours begins there or a pixel before, so that the whole region is in it"
    assert np.array_equal(cut[0].data[y : y + theirs.shape[0], x : x + theirs.shape[1]], theirs.data)


@pytest.mark.parametrize(
    "position",
    [(150.0, 2.0), (150.0 * u.deg, 2.0 * u.deg), "10h00m00s +02d00m00s", "10:00:00 +02:00:00", "150.0 2.0", SkyCoord(150, 2, unit="deg"),
     SkyCoord(150, 2, unit="deg").galactic, SkyCoord(150, 2, unit="deg").fk5],
)  # fmt: skip
def test_a_position_in_any_form_gives_the_same_pixels(tmp_path, position) -> None:
    path = Mosaic().write(tmp_path / "mosaic.fits")
    plain = bowerbird.cutout(path, (150.0, 2.0), "5 arcsec")
    assert np.array_equal(bowerbird.cutout(path, position, "5 arcsec")[0].data, plain[0].data)


@pytest.mark.parametrize(
    "size", ["10 arcsec", "10s", '10"', 10 * u.arcsec, Angle("0d0m10s"), ("10 arcsec", 10 * u.arcsec), [10, 10] * u.arcsec]
)
def test_a_size_in_any_form_gives_the_same_pixels(tmp_path, size) -> None:
    path = Mosaic().write(tmp_path / "mosaic.fits")
    expected = bowerbird.cutout(path, (150.0, 2.0), 10 / 3600 * u.deg)
    size = "10 arcsec" if size == "10s" else size
    assert np.array_equal(bowerbird.cutout(path, (150.0, 2.0), size)[0].data, expected[0].data)


def test_a_pair_is_height_then_width(tmp_path) -> None:
    path = Mosaic().write(tmp_path / "mosaic.fits")
    rows, columns = bowerbird.cutout(path, (150.0, 2.0), (10 * PIXEL, 40 * PIXEL))[0].shape
    assert (rows, columns) == (pytest.approx(10.5, abs=0.5), pytest.approx(40.5, abs=0.5))


@pytest.mark.parametrize(
    ("position", "size", "says"),
    [
        ((float("nan"), 2.0), "1 arcmin", "not a number"),
        ((150.0, 95.0), "1 arcmin", "beyond the pole"),
        ((150.0, 2.0, 3.0), "1 arcmin", "degrees"),
        ("over there", "1 arcmin", "no position"),
        ("NGC 1316", "1 arcmin", "names of objects are for bowerbird.cone"),
        ("1 arcmin", "mosaic.fits", r"is a file where a size .*order is bowerbird\.cutout\(path, position"),
        ((150.0, 2.0), Path("mosaic"), r"'mosaic' is a file where a size should be"),
        (SkyCoord([1, 2], [1, 2], unit="deg"), "1 arcmin", "one position at a time"),
        (150.0, "1 arcmin", "a position is"),
        ((150.0, 2.0), 60, "needs a unit"),
        ((150.0, 2.0), "1 parsec", "no angle"),
        ((150.0, 2.0), "0 arcmin", "no pixels"),
        ((150.0, 2.0), -1 * u.arcmin, "no pixels"),
        ((150.0, 2.0), 400 * u.deg, "larger than the sky"),
        ((150.0, 2.0), ("1 arcmin",) * 3, "pair"),
    ],
)
def test_what_is_no_position_or_size_is_said(tmp_path, position, size, says) -> None:
    path = Mosaic().write(tmp_path / "mosaic.fits")
    with pytest.raises(ValueError, match=says):
        bowerbird.cutout(path, position, size)


@pytest.mark.parametrize(
    ("position", "size"),
    [
        ("150 2", "6e0 arcsec"),
        ("1.5e2 2E0", "6.0E0arcsec"),
        ("15e1 +20e-1", f"{6 / 3600} deg"),
        ((150.0, 2.0), ("60e-1 arcsec", "1e-1 arcmin")),
    ],
)
def test_numbers_may_have_an_exponent(tmp_path, position, size) -> None:
    path = Mosaic().write(tmp_path / "mosaic.fits")
    expected = bowerbird.cutout(path, (150.0, 2.0), 6 * u.arcsec, as_bytes=True)
    assert bowerbird.cutout(path, position, size, as_bytes=True) == expected


def test_a_size_is_what_python_writes_of_it(tmp_path) -> None:
    path = Mosaic().write(tmp_path / "mosaic.fits")
    expected = bowerbird.cutout(path, (150.0, 2.0), 5e-05 * u.deg, as_bytes=True)
    assert bowerbird.cutout(path, (150.0, 2.0), f"{5e-05} deg", as_bytes=True) == expected


@pytest.mark.parametrize("path", [(150.0, 2.0), SkyCoord(150, 2, unit="deg"), np.zeros((5, 5)), fits.HDUList([fits.PrimaryHDU()])])
def test_what_is_no_file_is_said_with_the_order(path) -> None:
    with pytest.raises(ValueError, match=rf"not {type(path).__name__}; the order is bowerbird\.cutout\(path, pos"):
        bowerbird.cutout(path, "150 2", "1 arcmin")


@pytest.mark.parametrize("shape", [(), (1,), (1, 1)])
@pytest.mark.parametrize("frame", ["icrs", "galactic"])
def test_a_skycoord_of_one_is_a_position(tmp_path, shape, frame) -> None:
    path = Mosaic().write(tmp_path / "mosaic.fits")
    at = SkyCoord(150, 2, unit="deg").transform_to(frame).reshape(shape)
    assert bowerbird.cutout(path, at, 9 * PIXEL, as_bytes=True) == bowerbird.cutout(path, (150.0, 2.0), 9 * PIXEL, as_bytes=True)


@pytest.mark.parametrize("mode", ["trim", "partial", "strict"])
@pytest.mark.parametrize("position", [(150.1, 2.0), (330.0, -2.0), (0.0, 90.0)])
def test_no_overlap_is_an_error_with_a_sentence(tmp_path, mode, position) -> None:
    path = Mosaic().write(tmp_path / "mosaic.fits")
    with pytest.raises(bowerbird.OutsideImage, match=r"mosaic\.fits: .*(outside the image|no place)"):
        bowerbird.cutout(path, position, "5 arcsec", mode=mode)


def test_trim_partial_and_strict_at_an_edge(tmp_path) -> None:
    path = Mosaic().write(tmp_path / "mosaic.fits")
    corner = place(path, 1.0, 2.0)
    trimmed = bowerbird.cutout(path, corner, 20.5 * PIXEL)
    padded = bowerbird.cutout(path, corner, 20.5 * PIXEL, mode="partial")
    assert offset_of(trimmed[0].header) == (0, 0)
    assert offset_of(padded[0].header) == (-9, -8)
    assert np.isnan(padded[0].data).sum() == padded[0].data.size - trimmed[0].data.size
    assert np.array_equal(padded[0].data[8:, 9:], trimmed[0].data)
    across = (np.arange(5), np.arange(5))
    shifted = (np.arange(5) + 9, np.arange(5) + 8)
    assert separations(sky_of(trimmed[0].header), across, sky_of(padded[0].header), shifted).max() < EXACT
    with pytest.raises(bowerbird.OutsideImage, match="reaches beyond"):
        bowerbird.cutout(path, corner, 20.5 * PIXEL, mode="strict")
    with pytest.raises(ValueError, match="'trim', 'partial' or 'strict'"):
        bowerbird.cutout(path, corner, 20.5 * PIXEL, mode="pad")


@pytest.mark.parametrize("blank", [None, -7])
def test_integers_are_padded_with_blank(tmp_path, blank) -> None:
    cards = {} if blank is None else {"BLANK": blank}
    path = Mosaic(dtype=">i2", cards=cards).write(tmp_path / "mosaic.fits")
    padded = bowerbird.cutout(path, place(path, 0, 0), 10.5 * PIXEL, mode="partial", as_bytes=True)
    with fits.open(io.BytesIO(padded), do_not_scale_image_data=True) as hdus:
        mark = hdus[0].header["BLANK"]
        assert mark == (-32768 if blank is None else blank)
        assert (hdus[0].data == mark).sum() == hdus[0].data.size - 36
    with fits.open(io.BytesIO(padded)) as hdus:
        assert np.isnan(hdus[0].data).sum() == hdus[0].data.size - 36


def test_an_integer_type_with_no_value_left_cannot_be_padded(tmp_path) -> None:
    path = Mosaic(dtype="u1").write(tmp_path / "mosaic.fits")
    with pytest.raises(bowerbird.CutoutError, match="none is left"):
        bowerbird.cutout(path, place(path, 20, 20), 100 * PIXEL, mode="partial")


def test_scaled_integers_stay_as_they_are_stored(tmp_path) -> None:
    mosaic = Mosaic()
    hdu = fits.PrimaryHDU(mosaic.pixels().astype("f4") * 0.25 + 100, mosaic.header())
    hdu.scale("int16", bscale=0.25, bzero=4100.0)
    hdu.writeto(tmp_path / "scaled.fits")
    cut = bowerbird.cutout(tmp_path / "scaled.fits", (150.0, 2.0), "5 arcsec")
    assert (cut[0].header["BSCALE"], cut[0].header["BZERO"]) == (0.25, 4100.0)
    x, y = offset_of(cut[0].header)
    rows, columns = cut[0].shape
    assert np.allclose(cut[0].data, mosaic.pixels()[y : y + rows, x : x + columns] * 0.25 + 100)


def test_unsigned_integers(tmp_path) -> None:
    mosaic = Mosaic()
    fits.PrimaryHDU(mosaic.pixels().astype("u2"), mosaic.header()).writeto(tmp_path / "unsigned.fits")
    cut = bowerbird.cutout(tmp_path / "unsigned.fits", (150.0, 2.0), "5 arcsec")
    assert cut[0].data.dtype == np.dtype("u2")
    assert_same_sky_and_pixels(tmp_path / "unsigned.fits", bowerbird.cutout(tmp_path / "unsigned.fits", (150.0, 2.0), "5 arcsec"))


def test_bytes_and_hdus_are_the_same_file(tmp_path) -> None:
    path = Mosaic().write(tmp_path / "mosaic.fits")
    file = bowerbird.cutout(path, (150.0, 2.0), "5 arcsec", as_bytes=True)
    assert len(file) % 2880 == 0
    assert as_file(bowerbird.cutout(path, (150.0, 2.0), "5 arcsec")) == file


def test_hdus_can_be_changed(tmp_path) -> None:
    path = Mosaic().write(tmp_path / "mosaic.fits")
    cut = bowerbird.cutout(path, (150.0, 2.0), "5 arcsec")
    cut[0].data[...] = 1.0
    assert cut[0].data.sum() == cut[0].data.size
