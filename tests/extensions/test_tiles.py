"""Pieces of tile-compressed images are, bit for bit, those of the pixels that astropy decompresses."""

import io
import warnings
from pathlib import Path

import bowerbird
import numpy as np
import pytest
from astropy.io import fits
from astropy.io.fits.hdu.compressed import CompImageSection

from tests.extensions.skies import PIXEL, Mosaic, around, offset_of

SIDE = 30 * PIXEL
FLOATS = {"quantize_level": 16.0, "dither_seed": 7}
KINDS = {
    "RICE_1 int16": ("RICE_1", ">i2", {}),
    "RICE_1 int32": ("RICE_1", ">i4", {}),
    "GZIP_1 int32": ("GZIP_1", ">i4", {}),
    "GZIP_2 uint8": ("GZIP_2", "u1", {}),
    "PLIO_1 int16": ("PLIO_1", ">i2", {}),
    "HCOMPRESS_1 int32": ("HCOMPRESS_1", ">i4", {}),
    "GZIP_2 float32 without loss": ("GZIP_2", ">f4", {"quantize_level": 0.0}),
    "GZIP_1 float64 without loss": ("GZIP_1", ">f8", {"quantize_level": 0.0}),
    "RICE_1 float32": ("RICE_1", ">f4", {**FLOATS, "quantize_method": -1}),
    "RICE_1 float32 dithered": ("RICE_1", ">f4", {**FLOATS, "quantize_method": 1}),
    "RICE_1 float64 dithered, zeros kept": ("RICE_1", ">f8", {**FLOATS, "quantize_method": 2}),
    "HCOMPRESS_1 float32 dithered": ("HCOMPRESS_1", ">f4", {**FLOATS, "quantize_method": 1}),
}


def tiled(path: Path, kind: str, tiles: tuple[int, int]) -> Path:
    """Noise with zeros and, for floats, gaps."""
    algorithm, dtype, more = KINDS[kind]
    mosaic = Mosaic()
    dice = np.random.default_rng(8)
    values = dice.normal(100, 10, mosaic.shape)
    values[dice.uniform(size=mosaic.shape) < 0.05] = 0
    values = values.clip(0, 250).astype(dtype)
    if values.dtype.kind == "f":
        values[dice.uniform(size=mosaic.shape) < 0.02] = np.nan
    hdu = fits.CompImageHDU(values, mosaic.header(), compression_type=algorithm, tile_shape=tiles, **more)
    hdu.writeto(path, checksum=True)
    return path


@pytest.mark.parametrize("tiles", [(1, 230), (50, 60), (16, 230)])
@pytest.mark.parametrize("kind", KINDS)
def test_pieces_are_those_of_the_decompressed_image(tmp_path, kind, tiles) -> None:
    if "HCOMPRESS" in kind and tiles[0] < 4:
        pytest.skip("HCOMPRESS_1 has no tiles of a row")
    path = tiled(tmp_path / "tiled.fits", kind, tiles)
    places = around((150.0, 2.0), 10)
    made = bowerbird.cutouts(places, SIDE, path)
    with fits.open(path) as whole:
        values = whole[1].data
        for place, cut in zip(places, made["cutout"], strict=True):
            x, y = offset_of(cut.header)
            rows, columns = cut.data.shape
            piece = values[y : y + rows, x : x + columns]
            assert cut.data.dtype.newbyteorder("=") == piece.dtype.newbyteorder("=")
            assert cut.data.astype(cut.data.dtype.newbyteorder("=")).tobytes() == piece.astype(piece.dtype.newbyteorder("=")).tobytes()
            assert cut.content() == bowerbird.cutout(path, tuple(place), SIDE, as_bytes=True)


def test_unsigned_and_scaled_integers_stay_as_they_are_stored(tmp_path) -> None:
    mosaic = Mosaic()
    path = tmp_path / "unsigned.fits"
    fits.CompImageHDU(mosaic.pixels().astype("u2"), mosaic.header(), tile_shape=(50, 50)).writeto(path)
    (cut,) = bowerbird.cutouts([(150.0, 2.0)], SIDE, path)["cutout"]
    with fits.open(path) as whole, fits.open(io.BytesIO(cut.content()), do_not_scale_image_data=True) as stored:
        x, y = offset_of(cut.header)
        rows, columns = cut.data.shape
        assert np.array_equal(cut.data, whole[1].data[y : y + rows, x : x + columns])
        assert stored[1].data.dtype == np.dtype(">i2")


@pytest.mark.parametrize("tiles", [(1, 230), (50, 60)])
def test_damaged_tiles_are_a_reason_and_fail_no_other(tmp_path, tiles) -> None:
    path = tiled(tmp_path / "tiled.fits", "GZIP_1 int32", tiles)
    good = Mosaic().write(tmp_path / "good.fits")
    content = bytearray(path.read_bytes())
    content[len(content) // 2 : len(content) - 3000] = bytes(len(content) - 3000 - len(content) // 2)
    path.write_bytes(content)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made = bowerbird.cutouts([(150.0, 2.0)] * 2, 120 * PIXEL, [path, good])
    assert "damaged" in made["reason"][0]
    assert made["cutout"][1] is not None


def test_rows_that_the_next_piece_needs_too_are_decompressed_once(tmp_path, monkeypatch) -> None:
    path = tiled(tmp_path / "tiled.fits", "RICE_1 int16", (1, 230))
    decompressed: list[int] = []
    section = CompImageSection.__getitem__

    def watch(self, index):
        found = section(self, index)
        decompressed.append(len(found))
        return found

    monkeypatch.setattr(CompImageSection, "__getitem__", watch)
    bowerbird.cutouts(around((150.0, 2.0), 40), SIDE, path)
    assert sum(decompressed) <= 170, "no row of the image twice"
