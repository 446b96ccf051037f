"""Tiles of a HiPS 1.0: which pixel of the sky stands where in one, and what the coarser ones are made of. Pure.

In arrays here the first row is the lowest one, as FITS has it (section 4.2.1 there: its corner at the top left is the
tile's southern one, and the eastern one is at the bottom left).
"""

from functools import lru_cache
from typing import Any

import numpy as np
from astropy.io import fits
from cdshealpix.nested import healpix_to_lonlat

# A tile's side is 2 to this power pixels.
DEPTH = 9
WIDTH = 1 << DEPTH
# As fine as 64 bits tell pixels apart.
FINEST = 29 - DEPTH
# No HiPS ends before this order, at which its overview is.
OVERVIEW = 3
_THUMB = 64
_COLUMNS = 27
_ROWS = -(-(12 << 2 * OVERVIEW) // _COLUMNS)


@lru_cache(maxsize=4)
def cells(depth: int) -> Any:
    """Return the nested numbers of a tile's cells, 2 to the power of `depth` a side, as they stand in an array."""
    side = np.arange(1 << depth, dtype=np.uint64)
    spread = np.zeros_like(side)
    for bit in range(depth):
        spread |= ((side >> np.uint64(bit)) & np.uint64(1)) << np.uint64(2 * bit)
    # The even bits lead to the north-east, which is downwards; the odd ones to the north-west, to the right.
    found = spread[::-1, None] | (spread[None, :] << np.uint64(1))
    found.setflags(write=False)
    return found


def positions(order: int, tile: int, every: int = 1) -> tuple[Any, Any]:
    """Return RA and Dec in degrees of a tile's pixels: of all, or of each so many'th and the last."""
    numbers = cells(DEPTH)
    if every > 1:
        some = np.unique(np.append(np.arange(0, WIDTH, every), WIDTH - 1))
        numbers = numbers[np.ix_(some, some)]
    shifted = (np.uint64(tile) << np.uint64(2 * DEPTH)) | numbers
    lon, lat = healpix_to_lonlat(shifted.ravel(), order + DEPTH, num_threads=1)
    return lon.deg.reshape(numbers.shape), lat.deg.reshape(numbers.shape)


def header(order: int, tile: int) -> fits.Header:
    """Return the cards of a tile: its place, and a WCS in the projection HPX."""
    (lon,), (lat,) = healpix_to_lonlat(np.array([tile], dtype=np.uint64), order, num_threads=1)
    step = 45 / WIDTH / (1 << order)
    found = fits.Header()
    found["ORDER"], found["NPIX"] = order, tile
    found["CTYPE1"], found["CTYPE2"], found["RADESYS"] = "RA---HPX", "DEC--HPX", "ICRS"
    found["CUNIT1"] = found["CUNIT2"] = "deg"
    found["CRVAL1"] = found["CRVAL2"] = 0.0
    found["CD1_1"] = found["CD1_2"] = found["CD2_2"] = -step
    found["CD2_1"] = step
    found["PV2_1"], found["PV2_2"] = 4.0, 3.0
    across, up = _projected(float(lon.deg), float(lat.deg))
    middle = (WIDTH + 1) / 2
    # The middle of the tile stands there: from it back to the projection's origin, which is a corner of pixels.
    found["CRPIX1"] = _half(middle - (up - across) / (2 * step))
    found["CRPIX2"] = _half(middle + (up + across) / (2 * step))
    return found


def _half(number: float) -> float:
    return float(np.floor(number)) + 0.5


def _projected(lon: float, lat: float) -> tuple[float, float]:
    """Return where a position stands in the projection HPX (FITS WCS, Calabretta & Roukema 2007), in degrees."""
    lon = (lon + 180) % 360 - 180
    sine = np.sin(np.radians(lat))
    if abs(sine) <= 2 / 3:
        return lon, 67.5 * sine
    sigma = np.sqrt(3 * (1 - abs(sine)))
    centre = -180 + (2 * np.floor((lon + 180) * 4 / 360) + 1) * 45
    return centre + (lon - centre) * sigma, float(np.copysign(45 * (2 - sigma), sine))


def halved(values: Any) -> Any:
    """Return the mean of each two by two pixels, of those that have a value."""
    return binned(values, 2)


def binned(values: Any, factor: int) -> Any:
    """Return the mean of each square of so many pixels a side, of those that have a value; nan where none has."""
    rows, columns = (length // factor for length in values.shape)
    blocks = values.reshape(rows, factor, columns, factor)
    there = np.isfinite(blocks)
    count = there.sum(axis=(1, 3))
    total = np.where(there, blocks, 0).sum(axis=(1, 3), dtype=np.float64)
    with np.errstate(invalid="ignore"):
        return np.where(count > 0, total / count, np.nan).astype(np.float32)


def parent(children: dict[int, Any]) -> Any:
    """Return the tile that covers up to four, by the last two bits of their numbers."""
    found = np.full((WIDTH, WIDTH), np.nan, dtype=np.float32)
    half = WIDTH // 2
    for number, values in children.items():
        down, right = number & 1, number >> 1
        row, column = (1 - down) * half, right * half
        found[row : row + half, column : column + half] = halved(values)
    return found


def overview(tiles: dict[int, Any]) -> Any:
    """Return all tiles of OVERVIEW side by side, small, from the top left on (section 4.3.2)."""
    found = np.full((_ROWS * _THUMB, _COLUMNS * _THUMB), np.nan, dtype=np.float32)
    for number, values in tiles.items():
        line, column = divmod(number, _COLUMNS)
        row = (_ROWS - 1 - line) * _THUMB
        found[row : row + _THUMB, column * _THUMB : (column + 1) * _THUMB] = binned(values, WIDTH // _THUMB)
    return found
