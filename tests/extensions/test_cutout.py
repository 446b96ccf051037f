"""A cutout's pixel is the mosaic's pixel, bit for bit, at the same position on the sky."""

import contextlib
import gzip
import io
import re
import shutil
import subprocess
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import astropy.units as u
import bowerbird
import numpy as np
import pytest
from astropy.coordinates import Angle, SkyCoord
from astropy.io import fits
from astropy.nddata import Cutout2D
from astropy.wcs import WCS, DistortionLookupTable
from bowerbird import pixels
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.extensions.skies import SCALE, SIP, TPV, Mosaic, offset_of, sky_of

PIXEL = SCALE * u.deg
EXACT = 1e-9  # degrees

slow_is_fine = settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])


def separations(first: WCS, first_pixels, second: WCS, second_pixels):
    """How far apart the two skies put the same pixels, in degrees."""
    one = SkyCoord(*first.all_pix2world(*first_pixels, 0)[:: 1 if first.wcs.lng == 0 else -1], unit="deg")
    two = SkyCoord(*second.all_pix2world(*second_pixels, 0)[:: 1 if second.wcs.lng == 0 else -1], unit="deg")
    return one.separation(two).deg


def assert_same_sky_and_pixels(path: Path, cut: fits.HDUList, hdu: int = 0) -> None:
    """Every pixel of the cutout is that of the original, bit for bit, at the same position."""
    made = cut[min(hdu, 1)]
    with (
        fits.open(path, do_not_scale_image_data=True) as original,
        fits.open(io.BytesIO(as_file(cut)), do_not_scale_image_data=True) as raw,
    ):
        x, y = offset_of(made.header)
        rows, columns = made.shape[-2:]
        piece = original[hdu].data[..., y : y + rows, x : x + columns]
        assert raw[min(hdu, 1)].data.dtype == piece.dtype
        assert raw[min(hdu, 1)].data.tobytes() == piece.tobytes()
        across, along = np.meshgrid([0, columns // 2, columns - 1], [0, rows // 2, rows - 1])
        there = (across + x, along + y)
        assert separations(sky_of(made.header, cut), (across, along), sky_of(original[hdu].header, original), there).max() < EXACT


def as_file(cut: fits.HDUList) -> bytes:
    file = io.BytesIO()
    cut.writeto(file)
    return file.getvalue()


def place(path: Path, x: float, y: float, hdu: int = 0) -> SkyCoord:
    """The position of a pixel of an image."""
    with fits.open(path) as hdus:
        world = sky_of(hdus[hdu].header, hdus)
        return SkyCoord(*world.all_pix2world([[x, y]], 0)[0][:: 1 if world.wcs.lng == 0 else -1], unit="deg", frame="icrs")


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
        ((150.0, 2.0), 400 * u.deg, "no pixels"),
        ((150.0, 2.0), ("1 arcmin",) * 3, "pair"),
    ],
)
def test_what_is_no_position_or_size_is_said(tmp_path, position, size, says) -> None:
    path = Mosaic().write(tmp_path / "mosaic.fits")
    with pytest.raises(ValueError, match=says):
        bowerbird.cutout(path, position, size)


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


def test_alternate_coordinates_move_too(tmp_path) -> None:
    cards = {
        "CTYPE1P": "PHYSX",
        "CTYPE2P": "PHYSY",
        "CRVAL1P": 1.0,
        "CRVAL2P": 1.0,
        "CRPIX1P": 1.0,
        "CDELT1P": 2.0,
        "CDELT2P": 2.0,
        "LTV1": 3.5,
    }
    path = Mosaic(cards=cards).write(tmp_path / "mosaic.fits")
    header = bowerbird.cutout(path, (150.0, 2.0), "5 arcsec")[0].header
    x, y = offset_of(header)
    with fits.open(path) as hdus:
        there = WCS(hdus[0].header, key="P").wcs_pix2world([[x + 4.0, y + 5.0]], 0)
    assert np.array_equal(WCS(header, key="P").wcs_pix2world([[4.0, 5.0]], 0), there)
    assert (header["CRPIX1P"], header["CRPIX2P"], header["LTV1"], header["LTV2"]) == (1 - x, -y, 3.5 - x, -y)


def test_what_only_the_whole_image_can_say_is_dropped_and_its_own_sections_move(tmp_path) -> None:
    cards = {"DATASEC": "[1:230,1:170]", "BIASSEC": "[1:5,1:170]", "CCDSEC": "[1:230,1:170]", "DATAMAX": 29999.0, "NEXTEND": 3}
    path = Mosaic(cards=cards).write(tmp_path / "mosaic.fits")
    cut = bowerbird.cutout(path, (150.0, 2.0), "5 arcsec")[0]
    assert cut.header["DATASEC"] == f"[1:{cut.shape[1]},1:{cut.shape[0]}]"
    assert not {"BIASSEC", "CCDSEC", "DATAMAX"} & set(cut.header)
    assert cut.header["NEXTEND"] == 0


def test_every_other_card_is_the_original_one(tmp_path) -> None:
    cards = {"OBSERVER": ("O'Neill", "who"), "EXPTIME": (1200.0, "[s] long"), "HIERARCH ESO DET NAME": "A detector", "ORIGIN": "x" * 90}
    path = Mosaic(cards=cards).write(tmp_path / "mosaic.fits")
    made = bowerbird.cutout(path, (150.0, 2.0), "5 arcsec")[0].header
    with fits.open(path) as hdus:
        changed = {"NAXIS1", "NAXIS2", "CRPIX1", "CRPIX2", "LTV1", "LTV2", "HISTORY", "CHECKSUM", "DATASUM"}
        before = [card.image for card in hdus[0].header.cards if card.keyword not in changed]
    assert [card.image for card in made.cards if card.keyword not in changed] == before


def test_checksums_are_made_anew(tmp_path) -> None:
    for extension in (False, True):
        path = Mosaic().write(tmp_path / f"mosaic{extension}.fits", extension=extension)
        file = bowerbird.cutout(path, (150.0, 2.0), "5 arcsec", as_bytes=True)
        with warnings.catch_warnings(), fits.open(io.BytesIO(file), checksum=True) as hdus:
            warnings.simplefilter("error")
            assert [bool(hdu.verify_checksum() and hdu.verify_datasum()) for hdu in hdus] == [True] * (1 + extension)
            assert "CHECKSUM" in hdus[-1].header


def test_an_image_without_checksums_gets_none(tmp_path) -> None:
    mosaic = Mosaic()
    fits.PrimaryHDU(mosaic.pixels(), mosaic.header()).writeto(tmp_path / "bare.fits")
    header = bowerbird.cutout(tmp_path / "bare.fits", (150.0, 2.0), "5 arcsec")[0].header
    assert not {"CHECKSUM", "DATASUM"} & set(header)


def test_an_extension_keeps_the_primary_header(tmp_path) -> None:
    path = Mosaic().write(tmp_path / "mosaic.fits", extension=True)
    for choice in (None, 1, "SCI", "sci", ("SCI", 1)):
        cut = bowerbird.cutout(path, (150.0, 2.0), "5 arcsec", hdu=choice)
        assert [hdu.name for hdu in cut] == ["PRIMARY", "SCI"]
        assert cut[0].header["OBJECT"] == "A field"
        assert_same_sky_and_pixels(path, cut, hdu=1)


@pytest.mark.parametrize(("hdu", "says"), [(0, "holds no image"), (5, "no HDU 5"), ("ERR", "no HDU 'ERR'"), (("SCI", 2), "no HDU")])
def test_an_hdu_that_is_not_there(tmp_path, hdu, says) -> None:
    path = Mosaic().write(tmp_path / "mosaic.fits", extension=True)
    with pytest.raises(bowerbird.NotCuttable, match=says):
        bowerbird.cutout(path, (150.0, 2.0), "5 arcsec", hdu=hdu)


@pytest.mark.parametrize("kind", ["RICE_1", "GZIP_2", "HCOMPRESS_1"])
@pytest.mark.parametrize("dtype", ["f4", "i2"])
def test_tile_compressed_images_give_their_decompressed_pixels(tmp_path, kind, dtype) -> None:
    mosaic = Mosaic()
    path = tmp_path / "tiled.fits"
    hdu = fits.CompImageHDU(mosaic.pixels().astype(dtype), mosaic.header(), compression_type=kind, tile_shape=(50, 50), quantize_level=16)
    hdu.writeto(path, checksum=True)
    cut = bowerbird.cutout(path, (150.0, 2.0), "8 arcsec")
    with fits.open(path) as hdus:
        x, y = offset_of(cut[1].header)
        rows, columns = cut[1].shape
        assert np.array_equal(cut[1].data, hdus[1].data[y : y + rows, x : x + columns])
        assert separations(sky_of(cut[1].header), (0, 0), sky_of(hdus[1].header), (x, y)).max() < EXACT
    assert isinstance(cut[1], fits.ImageHDU)
    assert not any(keyword.startswith("Z") for keyword in cut[1].header)


def test_a_gzipped_file(tmp_path) -> None:
    path = Mosaic().write(tmp_path / "mosaic.fits")
    zipped = tmp_path / "mosaic.fits.gz"
    zipped.write_bytes(gzip.compress(path.read_bytes()))
    assert np.array_equal(
        bowerbird.cutout(zipped, (150.0, 2.0), "5 arcsec")[0].data, bowerbird.cutout(path, (150.0, 2.0), "5 arcsec")[0].data
    )
    zipped.write_bytes(zipped.read_bytes()[:-2000])
    with pytest.raises(bowerbird.NotCuttable, match="compressed as a whole"):
        bowerbird.cutout(zipped, (150.0, 2.0), "5 arcsec")


@pytest.mark.parametrize("kind", ["cpdis", "det2im"])
def test_lookup_tables_go_along_and_are_moved(tmp_path, kind) -> None:
    mosaic = Mosaic()
    world = WCS(mosaic.header())
    table = np.random.default_rng(3).normal(0, 0.8, (18, 24)).astype("f4")
    lookups = [DistortionLookupTable(table * sign, (1.0, 1.0), (1.0, 1.0), (10.0, 10.0)) for sign in (1, -1)]
    for name, lookup in zip(("1", "2"), lookups, strict=True):
        setattr(world, f"{kind}{name}", lookup)
    hdus = world.to_fits(relax=True)
    hdus[0].data = mosaic.pixels()
    path = tmp_path / "lookup.fits"
    hdus.writeto(path)
    cut = bowerbird.cutout(path, place(path, 120.0, 90.0), 40 * PIXEL)
    assert len(cut) == 3
    assert WCS(cut[0].header, cut).has_distortion
    assert_same_sky_and_pixels(path, cut)


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


@pytest.mark.parametrize(
    ("content", "says"),
    [(b"", "not a FITS file"), (b"hello" * 1000, "not a FITS file"), (b"SIMPLE  =                    T".ljust(2880), "no end")],
)
def test_what_is_no_fits_file_is_said(tmp_path, content, says) -> None:
    (tmp_path / "x.fits").write_bytes(content)
    with pytest.raises(bowerbird.NotCuttable, match=rf"x\.fits: .*{says}"):
        bowerbird.cutout(tmp_path / "x.fits", (150.0, 2.0), "5 arcsec")


def test_a_file_that_is_cut_short_is_said_and_is_not_kept_in_mind(tmp_path) -> None:
    path = Mosaic().write(tmp_path / "mosaic.fits")
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(bowerbird.NotCuttable, match="cut short"):
        bowerbird.cutout(path, (150.0, 2.0), "5 arcsec")
    path.write_bytes(whole)
    assert_same_sky_and_pixels(path, bowerbird.cutout(path, (150.0, 2.0), "5 arcsec"))


def test_a_file_that_was_replaced_is_read_anew(tmp_path) -> None:
    path = Mosaic().write(tmp_path / "mosaic.fits")
    bowerbird.cutout(path, (150.0, 2.0), "5 arcsec")
    Mosaic(centre=(200.0, -30.0), dtype=">f8").write(tmp_path / "new.fits").replace(path)
    assert_same_sky_and_pixels(path, bowerbird.cutout(path, (200.0, -30.0), "5 arcsec"))


def test_images_without_a_sky_are_said(tmp_path) -> None:
    fits.PrimaryHDU(np.zeros((10, 10))).writeto(tmp_path / "flat.fits")
    with pytest.raises(bowerbird.NotCuttable, match="no celestial coordinates"):
        bowerbird.cutout(tmp_path / "flat.fits", (150.0, 2.0), "5 arcsec")
    fits.PrimaryHDU().writeto(tmp_path / "none.fits")
    with pytest.raises(bowerbird.NotCuttable, match="no image in this file"):
        bowerbird.cutout(tmp_path / "none.fits", (150.0, 2.0), "5 arcsec")


def test_a_cutout_larger_than_memory_should_hold_is_refused(tmp_path) -> None:
    path = Mosaic().write(tmp_path / "mosaic.fits")
    with pytest.raises(bowerbird.NotCuttable, match=r"would be \d+ GB"):
        bowerbird.cutout(path, (150.0, 2.0), "20 deg", mode="partial")


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


@pytest.mark.skipif(shutil.which("fitsverify") is None, reason="needs fitsverify: apt-get install fitsverify")
@pytest.mark.parametrize("extension", [False, True])
@pytest.mark.parametrize("mode", ["trim", "partial"])
@pytest.mark.parametrize("dtype", [">f4", ">i2"])
def test_fitsverify_finds_nothing(tmp_path, extension, mode, dtype) -> None:
    path = Mosaic(dtype=dtype).write(tmp_path / "mosaic.fits", extension=extension)
    made = tmp_path / "cut.fits"
    made.write_bytes(bowerbird.cutout(path, (150.005, 2.0), "20 arcsec", mode=mode, as_bytes=True))
    found = subprocess.run(["fitsverify", "-l", made], capture_output=True, text=True, check=False, timeout=30).stdout
    assert "found 0 warning(s) and 0 error(s)" in found, found


CARD = 80
DAMAGE = ["-1", "0", "999999999", "1E400", "NaN", "'text'", "T", "", "99999999999999999999"]


@slow_is_fine
@given(
    kind=st.sampled_from(["TAN", "TAN-SIP", "TPV"]),
    cards=st.lists(st.tuples(st.integers(0, 35), st.sampled_from(DAMAGE)), min_size=1, max_size=3),
    cut_short=st.none() | st.integers(1, 8000),
    mode=st.sampled_from(["trim", "partial"]),
)
def test_a_damaged_file_is_cut_or_said_to_be_damaged(tmp_path_factory, kind, cards, cut_short, mode) -> None:
    mosaic = Mosaic(shape=(30, 30), projection=kind, cards={"TAN": {}, "TAN-SIP": SIP, "TPV": TPV}[kind])
    path = mosaic.write(tmp_path_factory.mktemp("damaged") / "damaged.fits")
    content = bytearray(path.read_bytes())
    for number, value in cards:
        content[number * CARD + 10 : number * CARD + 30] = value.rjust(20).encode()
    path.write_bytes(content[:cut_short])
    with warnings.catch_warnings(), contextlib.suppress(bowerbird.CutoutError):
        warnings.simplefilter("ignore")
        assert len(bowerbird.cutout(path, (150.0, 2.0), "2 arcsec", mode=mode, as_bytes=True)) % 2880 == 0


def test_many_threads_cut_the_same_file(tmp_path) -> None:
    path = Mosaic(projection="TAN-SIP", cards=SIP).write(tmp_path / "mosaic.fits")
    positions = [(150.0 + 0.0001 * (number % 7), 2.0 - 0.0001 * (number % 5)) for number in range(60)]
    alone = [bowerbird.cutout(path, position, "4 arcsec", as_bytes=True) for position in positions]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda position: bowerbird.cutout(path, position, "4 arcsec", as_bytes=True), positions))
    assert together == alone


def test_only_the_rows_of_the_region_are_read(tmp_path) -> None:
    path = tmp_path / "wide.fits"
    columns, rows = 20_000, 40
    mosaic = Mosaic(shape=(rows, columns))
    mosaic.write(path)
    plan = pixels.plan(0, (columns, rows), (slice(500, 600), slice(10, 20)), 4)
    assert (plan.length, plan.pitch, plan.teeth, plan.offsets.tolist()) == (400, 80_000, 10, [(10 * columns + 500) * 4])
    whole = pixels.plan(0, (columns, rows), (slice(0, columns), slice(10, 20)), 4)
    assert (whole.length, whole.teeth) == (columns * 10 * 4, 1)
    assert_same_sky_and_pixels(path, bowerbird.cutout(path, place(path, 15_000, 20), "3 arcsec"))
