"""Cutouts of compressed, short, damaged and replaced files, and what is read of a file."""

import contextlib
import gzip
import shutil
import subprocess
import warnings
from concurrent.futures import ThreadPoolExecutor

import bowerbird
import numpy as np
import pytest
from astropy.io import fits
from bowerbird import pixels
from hypothesis import given
from hypothesis import strategies as st

from tests.extensions.cut_checks import EXACT, assert_same_sky_and_pixels, place, separations, slow_is_fine
from tests.extensions.skies import SIP, TPV, Mosaic, offset_of, sky_of


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
