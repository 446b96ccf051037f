"""Circles, ranges and polygons: the pixels that cover them, by looking at every pixel, and what lies beside an image."""

import math

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.wcs import WCS
from bowerbird import cutout, image
from bowerbird.areas import Circle, Polygon, Range, covered
from bowerbird.errors import BadArgument, OutsideImage
from bowerbird.stencil import stencil
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.extensions.cut_checks import slow_is_fine
from tests.extensions.skies import SCALE, SIP, Mosaic

LENGTHS = (230, 170)


def opened(path):
    with image.file_descriptor(path) as descriptor:
        return image.image(descriptor)


def around(place, size, sides, turn=0.0):
    """A polygon around a place, in degrees."""
    angles = [turn + 360 * side / sides for side in range(sides)]
    corners = [SkyCoord(*place, unit="deg").directional_offset_by(angle * u.deg, size * u.deg) for angle in angles]
    return Polygon(tuple((float(corner.ra.deg), float(corner.dec.deg)) for corner in corners))


def by_every_pixel(found, area, finer=3):
    """The box of all pixels of an image that have some of the area, by looking at a grid of points in each."""
    across, along = (np.arange(length * finer) / finer - 0.5 + 0.5 / finer for length in (found.shape[0], found.shape[1]))
    grid = np.stack(np.meshgrid(across, along), axis=-1).reshape(-1, 2)
    inside = area.contains(found.sky.places(grid))
    if not inside.any():
        return None
    pixels = np.rint(grid[inside]).astype(int)
    return pixels.min(axis=0), pixels.max(axis=0) + 1


def check(found, area):
    """The box covers all pixels with some of the area."""
    expected = by_every_pixel(found, area)
    try:
        box = covered(found.sky, (found.shape[0], found.shape[1]), area)
    except OutsideImage:
        assert expected is None, "there is some of it in the image"
        return
    start = np.maximum(box.start, 0)
    stop = np.minimum(box.stop, (found.shape[0], found.shape[1]))
    if expected is None:
        return  # a sliver, between the points that were looked at
    assert (start <= expected[0]).all()
    assert (stop >= expected[1]).all()


mosaics = st.builds(
    Mosaic,
    shape=st.just((60, 70)),
    centre=st.tuples(st.sampled_from([0.0, 83.6, 359.9999]), st.sampled_from([-89.999, -60.0, 0.0, 90.0])),
    turn=st.sampled_from([0.0, 33.3, -120.0]),
    projection=st.sampled_from(["TAN", "SIN", "ZEA"]),
    swapped=st.booleans(),
)
places = st.tuples(st.floats(-20, 90), st.floats(-20, 80))


@settings(slow_is_fine, max_examples=40)
@given(mosaic=mosaics, at=places, size=st.floats(0.4, 60), sides=st.integers(3, 7), turn=st.floats(0, 360))
def test_polygon_is_covered_wherever_it_lies(tmp_path_factory, mosaic, at, size, sides, turn) -> None:
    found = opened(mosaic.write(tmp_path_factory.mktemp("mosaic") / "mosaic.fits"))
    (place,) = found.sky.places(np.array([at]))
    check(found, around(place, size * SCALE, sides, turn))


@settings(slow_is_fine, max_examples=40)
@given(mosaic=mosaics, at=places, radius=st.floats(0.4, 60))
def test_circle_is_covered_wherever_it_lies(tmp_path_factory, mosaic, at, radius) -> None:
    found = opened(mosaic.write(tmp_path_factory.mktemp("mosaic") / "mosaic.fits"))
    (place,) = found.sky.places(np.array([at]))
    check(found, Circle(float(place[0]), float(place[1]), radius * SCALE))


@settings(slow_is_fine, max_examples=40)
@given(mosaic=mosaics, at=places, width=st.floats(1, 60), height=st.floats(1, 60))
def test_range_is_covered_wherever_it_lies(tmp_path_factory, mosaic, at, width, height) -> None:
    found = opened(mosaic.write(tmp_path_factory.mktemp("mosaic") / "mosaic.fits"))
    (place,) = found.sky.places(np.array([at]))
    south, north = max(-90.0, place[1] - height * SCALE / 2), min(90.0, place[1] + height * SCALE / 2)
    across = min(359.0, width * SCALE / max(1e-6, math.cos(math.radians(place[1]))))
    check(found, Range((place[0] - across / 2) % 360, (place[0] + across / 2) % 360, south, north))


def test_box_of_a_polygon_is_no_larger_than_rounding_outwards_makes_it(tmp_path) -> None:
    found = opened(Mosaic(projection="TAN-SIP", cards=SIP, turn=20.0).write(tmp_path / "mosaic.fits"))
    corners = np.array([[50.2, 40.7], [120.4, 60.1], [90.9, 110.3]])
    box = covered(found.sky, LENGTHS, Polygon(tuple(map(tuple, found.sky.places(corners).tolist()))))
    assert (box.start, box.stop) == ((50, 41), (121, 111))


def test_circle_is_the_square_that_the_notebook_cuts(tmp_path) -> None:
    path = Mosaic(turn=30.0).write(tmp_path / "mosaic.fits")
    found = opened(path)
    box = covered(found.sky, LENGTHS, Circle(150.0, 2.0, 30 / 3600))
    cut = cutout(path, (150.0, 2.0), "1 arcmin", mode="partial")
    assert tuple(stop - start for start, stop in zip(box.start, box.stop, strict=True)) == cut[0].shape[::-1]
    assert box == found.sky.box(stencil((150.0, 2.0), "1 arcmin"))


def test_image_in_the_corner_of_a_circles_square_has_none_of_the_circle(tmp_path) -> None:
    found = opened(Mosaic().write(tmp_path / "mosaic.fits"))
    ((longitude, latitude),) = found.sky.places(np.array([[-80.5, -80.5]])).tolist()
    with pytest.raises(OutsideImage, match="outside the image"):
        covered(found.sky, LENGTHS, Circle(longitude, latitude, 100 * SCALE))
    assert covered(found.sky, LENGTHS, Circle(longitude, latitude, 115 * SCALE)).stop[0] > 0


def test_area_around_the_whole_image_takes_all_of_it(tmp_path) -> None:
    found = opened(Mosaic().write(tmp_path / "mosaic.fits"))
    for area in (Range(0, 360, -90, 90), Range(100, 200, -40, 50), Circle(150, 2, 180), Circle(150, 2, 60),
                 Polygon(((110, -30), (190, -30), (150, 60)))):  # fmt: skip
        box = covered(found.sky, LENGTHS, area)
        assert max(box.start) <= 0, area
        assert box.stop[0] >= LENGTHS[0], area
        assert box.stop[1] >= LENGTHS[1], area


def test_areas_far_away_have_nothing(tmp_path) -> None:
    found = opened(Mosaic().write(tmp_path / "mosaic.fits"))
    for area in (Range(151, 149, -90, 90), Range(0, 360, 3, 90), Circle(330, -2, 10), Circle(150, 3, 0.5),
                 Polygon(((330, -2), (331, -2), (330, -1))), Polygon(((151, 2), (152, 2), (151, 3)))):  # fmt: skip
        with pytest.raises(OutsideImage):
            covered(found.sky, LENGTHS, area)


def test_polygon_is_on_the_side_of_its_middle_whichever_way_it_runs() -> None:
    corners = ((10.0, 10.0), (20.0, 10.0), (20.0, 20.0), (12.0, 14.0))
    points = np.array([[15.0, 12.0], [11.0, 18.0], [195.0, -12.0], [10.5, 10.2], [5.0, 12.0]])
    for vertices in (corners, corners[::-1], corners[2:] + corners[:2]):
        assert Polygon(vertices).contains(points).tolist() == [True, False, False, True, False]
    across = Polygon(((359.0, -1.0), (1.0, -1.0), (1.0, 1.0), (359.0, 1.0)))
    assert across.contains(np.array([[0.0, 0.0], [359.5, 0.5], [180.0, 0.0], [2.0, 0.0]])).tolist() == [True, True, False, False]
    with pytest.raises(BadArgument, match="over half of the sky"):
        Polygon(((0.0, 0.0), (120.0, 0.0), (240.0, 0.0)))


def test_range_over_the_meridian_and_at_the_pole() -> None:
    assert Range(350, 10, -5, 5).contains(np.array([[0.0, 0.0], [355, 5], [180, 0], [0, 6]])).tolist() == [True, True, False, False]
    assert Range(0, 10, 80, 90).contains(np.array([[200.0, 90.0], [200, 89]])).tolist() == [True, False]


@pytest.mark.parametrize(
    ("frame", "cards"), [("galactic", ("GLON", "GLAT", None)), ("fk5", ("RA--", "DEC-", "FK5")), ("fk4", ("RA--", "DEC-", "FK4"))]
)
def test_areas_are_of_the_icrs_whatever_frame_the_image_is_in(tmp_path, frame, cards) -> None:
    centre = SkyCoord(150, 2, unit="deg").transform_to(frame)
    header = Mosaic(centre=(float(centre.spherical.lon.deg), float(centre.spherical.lat.deg))).header()
    header["CTYPE1"], header["CTYPE2"] = f"{cards[0]}-TAN", f"{cards[1]}-TAN"
    header.pop("RADESYS")
    if cards[2]:
        header["RADESYS"] = cards[2]
    fits.PrimaryHDU(np.zeros((170, 230), "f4"), header).writeto(tmp_path / "other.fits")
    found = opened(tmp_path / "other.fits")
    inside = np.array([[60.0, 50.0], [100.0, 50.0], [100.0, 90.0], [60.0, 90.0]])
    there = [SkyCoord.from_pixel(*place, WCS(header)).icrs for place in inside]
    box = covered(found.sky, LENGTHS, Polygon(tuple((float(place.ra.deg), float(place.dec.deg)) for place in there)))
    assert (box.start, box.stop) == ((60, 50), (101, 91))


def test_map_of_the_whole_sky(tmp_path) -> None:
    header = fits.Header({"CTYPE1": "RA---CAR", "CTYPE2": "DEC--CAR", "CRVAL1": 0.0, "CRVAL2": 0.0, "CRPIX1": 180.5, "CRPIX2": 90.5,
                          "CDELT1": -1.0, "CDELT2": 1.0, "CUNIT1": "deg", "CUNIT2": "deg"})  # fmt: skip
    fits.PrimaryHDU(np.zeros((180, 360), "f4"), header).writeto(tmp_path / "sky.fits")
    found = opened(tmp_path / "sky.fits")
    polar = covered(found.sky, (360, 180), around((40.0, 88.0), 5.0, 6))
    assert polar.stop[1] >= 180
    assert polar.stop[0] - polar.start[0] >= 358
    seam = covered(found.sky, (360, 180), Range(170, 190, -5, 5))
    assert max(0, seam.start[0]) <= 1
    assert min(360, seam.stop[0]) >= 359


def test_image_within_the_seam_of_a_map_has_nothing_of_what_lies_on_the_other_side(tmp_path) -> None:
    header = fits.Header({"CTYPE1": "RA---CAR", "CTYPE2": "DEC--CAR", "CRVAL1": 0.0, "CRVAL2": 0.0, "CRPIX1": 10.5, "CRPIX2": 10.5,
                          "CDELT1": -1.0, "CDELT2": 1.0, "CUNIT1": "deg", "CUNIT2": "deg"})  # fmt: skip
    fits.PrimaryHDU(np.zeros((20, 20), "f4"), header).writeto(tmp_path / "piece.fits")
    with pytest.raises(OutsideImage):
        covered(opened(tmp_path / "piece.fits").sky, (20, 20), Range(170, 190, -5, 5))
