"""A picture of a cutout is read back by Pillow: its pixels, its orientation, what is transparent."""

import io
from pathlib import Path

import astropy.units as u
import bowerbird
import numpy as np
import pytest
from astropy.io import fits
from bowerbird.cut import Cut
from bowerbird.png import png, rgba
from PIL import Image

from tests.extensions.skies import SCALE, Mosaic, with_listed_wavelengths
from tests.extensions.test_cutout_skies import cube

CENTRE = (150.0, 2.0)
PIXEL = SCALE * u.deg


def read(content: bytes) -> np.ndarray:
    picture = Image.open(io.BytesIO(content))
    picture.verify()
    return np.asarray(Image.open(io.BytesIO(content)))


@pytest.mark.parametrize("shape", [(3, 5), (1, 1), (7, 4, 2), (7, 4, 3), (300, 200, 4)])
def test_a_picture_is_read_back(shape) -> None:
    pixels = np.random.default_rng(1).integers(0, 256, shape, dtype="u1")
    assert np.array_equal(read(png(pixels)), pixels)


@pytest.mark.parametrize("shape", [(3, 5), (7, 4, 2), (7, 4, 3), (30, 20, 4)])
def test_a_picture_of_ours_is_opened_by_ourselves(shape) -> None:
    made = png(np.random.default_rng(1).integers(0, 256, shape, dtype="u1"))
    assert np.array_equal(rgba(made), np.asarray(Image.open(io.BytesIO(made)).convert("RGBA")))


def written(path: Path, values: np.ndarray, mosaic: Mosaic | None = None) -> Cut:
    """The cutout of all of an image with these pixels."""
    fits.PrimaryHDU(values, (mosaic or Mosaic(shape=values.shape)).header()).writeto(path)
    return bowerbird.cutouts([CENTRE], 4 * max(values.shape) * PIXEL, path)["cutout"][0]  # type: ignore[no-any-return]  # a column of objects


@pytest.fixture
def ramp(tmp_path) -> Cut:
    """Values 0 to 1 from the first pixel, below on the left, to the last."""
    return written(tmp_path / "ramp.fits", np.linspace(0, 1, 12 * 20).reshape(12, 20))


@pytest.mark.parametrize(
    ("stretch", "middle"),
    [("linear", 0.5), ("sqrt", 0.5**0.5), ("asinh", np.arcsinh(5) / np.arcsinh(10)), ("log", np.log(501) / np.log(1001))],
)
def test_a_stretch_draws_values_as_its_formula_says(tmp_path, stretch, middle) -> None:
    cut = written(tmp_path / "three.fits", np.array([[0.0, 0.5, 1.0], [-5.0, 0.5, 9.0]]))
    picture = read(cut.stamp(stretch, (0.0, 1.0)).content)
    grey = round(255 * float(middle))
    assert picture.tolist() == [[0, grey, 255], [0, grey, 255]]


def test_the_first_row_is_at_the_bottom(ramp) -> None:
    picture = read(ramp.stamp("linear", (0.0, 1.0)).content)
    assert (picture[-1, 0], picture[0, -1]) == (0, 255)
    assert picture.shape == (12, 20)
    assert read(ramp.stamp("linear", (0.0, 1.0), "inverted").content)[-1, 0] == 255
    heat = read(ramp.stamp("linear", (0.0, 1.0), "heat").content)
    assert (heat[-1, 0].tolist(), heat[0, -1].tolist()) == ([0, 0, 0], [255, 255, 255])


def test_bright_is_dark_when_it_is_inverted_and_colours_are_those_of_matplotlib(ramp) -> None:
    from matplotlib import colormaps

    drawn = read(ramp.stamp("linear", (0.0, 1.0), "viridis").content)
    turned = read(ramp.stamp("linear", (0.0, 1.0), "viridis", invert=True).content)
    wanted = 255 * colormaps["viridis"](np.linspace(0, 1, 240).reshape(12, 20))[::-1, :, :3]
    assert np.abs(drawn - wanted).max() < 7
    assert np.abs(turned - wanted[::-1, ::-1]).max() < 7


def test_zscale_is_that_of_astropy(ramp) -> None:
    from astropy.visualization import ZScaleInterval

    low, high = ZScaleInterval().get_limits(ramp.data)
    assert ramp.stamp("linear", "zscale").content == ramp.stamp("linear", (float(low), float(high))).content


def test_limits_are_percent_of_the_pixels(ramp) -> None:
    picture = read(ramp.stamp("linear", 80.0).content)
    assert (picture == 0).mean() == pytest.approx(0.1, abs=0.01)
    assert (picture == 255).mean() == pytest.approx(0.1, abs=0.01)


def test_what_has_no_value_is_transparent(tmp_path) -> None:
    values = np.ones((6, 6))
    values[1, 2], values[0, 0], values[5, 5] = np.nan, np.inf, 0.0
    alpha = read(written(tmp_path / "gap.fits", values).stamp().content)[::-1, :, 1]
    assert (alpha == 0).sum() == 2
    assert alpha[1, 2] == alpha[0, 0] == 0


@pytest.mark.parametrize("values", [np.full((4, 4), 7.0), np.full((4, 4), np.nan), np.full((4, 4), 1e300)])
def test_an_image_of_one_value_is_drawn(tmp_path, values) -> None:
    assert read(written(tmp_path / "flat.fits", values).stamp().content).shape[:2] == (4, 4)


@pytest.mark.parametrize("axes", ["xyf", "fxy", "sfyx"])
def test_a_cube_is_drawn_as_its_mean(tmp_path, axes) -> None:
    cube(axes, {"x": 12, "y": 8, "f": 7, "s": 2}).writeto(tmp_path / "cube.fits")
    cut = bowerbird.cutouts([CENTRE], 100 * PIXEL, tmp_path / "cube.fits")["cutout"][0]
    mean = cut.data.mean(axis=tuple(len(axes) - 1 - number for number, axis in enumerate(axes) if axis in "fs"))
    picture = read(cut.stamp("linear", (float(mean.min()), float(mean.max()))).content)[::-1]
    assert np.abs(picture - 255 * (mean - mean.min()) / np.ptp(mean)).max() <= 0.51


def test_a_cube_whose_wavelengths_stand_in_a_table_is_drawn(tmp_path) -> None:
    path = with_listed_wavelengths(tmp_path / "cube.fits", np.array([5.0, 5.2, 6.0]) * 1e-7)
    cut = bowerbird.cutouts([(150.0, 2.0)], "5 arcsec", path)["cutout"][0]
    assert read(cut.stamp().content).shape == cut.data.shape[1:]


def test_scaled_integers_are_drawn_by_their_values(tmp_path) -> None:
    header = Mosaic(shape=(2, 2)).header()
    hdu = fits.PrimaryHDU(np.array([[100.0, 100.5], [101.0, 102.0]]), header)
    hdu.scale("int16", bscale=0.5, bzero=100.0)
    hdu.writeto(tmp_path / "scaled.fits")
    cut = bowerbird.cutouts([CENTRE], 20 * PIXEL, tmp_path / "scaled.fits")["cutout"][0]
    assert read(cut.stamp("linear", (100.0, 102.0)).content).tolist() == [[128, 255], [0, 64]]


@pytest.mark.parametrize("arguments", [{"stretch": "cubic"}, {"colour": "puce"}, {"limits": 0.0}, {"limits": 101.0}, {"limits": "zscal"}])
def test_what_is_no_stretch_colour_or_limit_is_said(ramp, arguments) -> None:
    with pytest.raises(ValueError, match=r"one of|percent"):
        ramp.stamp(**arguments)


@pytest.mark.parametrize(("dtype", "is_plain"), [(">f4", True), (">f8", True), (">i2", False), ("u1", False)])
def test_pixels_that_need_no_astropy_are_those_that_it_reads(tmp_path, dtype, is_plain) -> None:
    cut = written(tmp_path / "image.fits", np.arange(35, dtype=dtype).reshape(5, 7))
    found = cut.plane()
    assert (found is not None) == is_plain
    if is_plain:
        assert np.array_equal(found, cut.data)
        assert found.dtype == cut.data.dtype


def test_three_bands_of_other_pixels_are_one_picture(tmp_path) -> None:
    blob = np.zeros((24, 24))
    blob[10:14, 10:14] = 1.0
    red = written(tmp_path / "red.fits", blob)
    turned = written(tmp_path / "green.fits", np.zeros((24, 24)), Mosaic(shape=(24, 24), turn=90.0))
    blue = written(tmp_path / "blue.fits", np.ones((24, 24)))
    picture = read(bowerbird.rgb(red, turned, blue, stretch="linear", limits=(0.0, 1.0)).content)[::-1]
    assert picture[12, 12].tolist() == [255, 0, 255, 255]
    assert picture[4, 12].tolist() == [0, 0, 255, 255]


def test_a_band_that_ends_within_the_picture_leaves_it_transparent(tmp_path) -> None:
    whole = written(tmp_path / "whole.fits", np.ones((24, 24)))
    part = written(tmp_path / "part.fits", np.ones((6, 6)))
    alpha = read(bowerbird.rgb(whole, part, whole).content)[..., 3]
    assert (alpha > 0).sum() == 36


def test_a_notebook_shows_it_and_it_is_written(ramp, tmp_path) -> None:
    made = ramp.stamp()
    assert made._repr_png_() == made.content == ramp._repr_png_()
    made.write(tmp_path / "made.png")
    assert (tmp_path / "made.png").read_bytes() == made.content


@pytest.mark.parametrize(("band", "says"), [(None, "green is None, a cutout that could not be made"), (np.zeros((3, 3)), "not ndarray")])
def test_a_band_that_is_no_cutout_is_said(ramp, band, says) -> None:
    with pytest.raises(ValueError, match=says):
        bowerbird.rgb(ramp, band, ramp)
