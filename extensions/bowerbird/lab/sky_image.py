"""A small copy of an image for the map of the sky: few pixels, each the mean of many, on the plane that touches the sky at its centre."""

import os
import warnings
from io import BytesIO
from typing import Any

import numpy as np
from astropy.coordinates import SkyCoord
from astropy.io import fits

from bowerbird.errors import NotCuttable
from bowerbird.fits_file import is_plain
from bowerbird.image import Choice, Image, file_descriptor, image, opened, plain
from bowerbird.refusals import explained

# Pixels a side of the copy, and of an image that can only be read whole.
SIDE = 1024
_MOST_WHOLE = 1 << 26
_PLANE = 2
# How far from the centre the slope of the coordinates is taken (pixels).
_NEAR = 8.0


def small_copy(path: str | os.PathLike[str], hdu: Choice = None, side: int = SIDE) -> bytes:
    """Return the copy as a FITS file, of so many pixels a side at most; NotCuttable where the image is none of the sky, or too large."""
    with explained(path), file_descriptor(path) as file, plain(file) as descriptor:
        if not is_plain(descriptor):
            raise NotCuttable(f"{os.fspath(path)} is not a FITS file: it does not start as one")
        found = image(descriptor, hdu)
        step = max(1, -(-max(found.shape[axis] for axis in found.sky.axes) // side))
        with opened(descriptor) as hdus:
            values = _values(found, hdus[found.number], step)
    header = _header(found, step)
    return _file(np.ascontiguousarray(values, dtype=">f4"), header)


def _values(found: Image, hdu: Any, step: int) -> Any:
    """Return the means of squares of so many pixels; of a large image each is of one row, so that little of it is read."""
    if len(found.shape) != _PLANE:
        raise NotCuttable("it is a cube; give the map an image of the sky, such as a cut of one plane")
    columns, rows = found.shape
    if found.tiled and columns * rows > _MOST_WHOLE:
        raise NotCuttable("the compressed image is too large for a map; the survey of its release shows it")
    every = step if columns * rows > _MOST_WHOLE else 1
    there = hdu.section[:, :] if found.tiled else np.stack([hdu.section[row, :] for row in range(0, rows, every)])
    plain_values = np.asarray(there, dtype="f8") * hdu.header.get("BSCALE", 1.0) + hdu.header.get("BZERO", 0.0)
    if "BLANK" in hdu.header:
        plain_values[np.asarray(there) == hdu.header["BLANK"]] = np.nan
    return means(plain_values, step // every, step)


def means(values: Any, down: int, across: int) -> Any:
    """Return the means of so many pixels down and across."""
    rows, columns = values.shape
    whole = np.pad(values, ((0, -rows % down), (0, -columns % across)), constant_values=np.nan)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a mean of nothing is nothing
        return np.nanmean(whole.reshape(whole.shape[0] // down, down, -1, across), axis=(1, 3))


def _header(found: Image, step: int) -> fits.Header:
    sky = found.sky
    middle = np.array([(found.shape[axis] - 1) / 2 for axis in sky.axes])
    cross = middle + _NEAR * np.array([[0, 0], [1, 0], [-1, 0], [0, 1], [0, -1]])
    points = sky.points(cross)
    if not np.isfinite(points).all():
        raise NotCuttable("the centre of the image lies outside the sky; the map needs one that has a place there")
    at = SkyCoord(points[:, 0], points[:, 1], unit="deg", frame=sky.frame).icrs
    away = [one.deg for one in at[0].spherical_offsets_to(at[1:])]
    slopes = [[(offsets[first] - offsets[first + 1]) / (2 * _NEAR) * step for first in (0, 2)] for offsets in away]
    header = fits.Header()
    header.update({"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CUNIT1": "deg", "CUNIT2": "deg", "RADESYS": "ICRS"})
    header.update({"CRVAL1": float(at[0].ra.deg), "CRVAL2": float(at[0].dec.deg)})
    header.update({f"CRPIX{axis}": float((middle[axis - 1] + 0.5) / step + 0.5) for axis in (1, 2)})
    header.update({f"CD{row + 1}_{column + 1}": float(slopes[row][column]) for row in (0, 1) for column in (0, 1)})
    return header


def _file(values: Any, header: fits.Header) -> bytes:
    written = BytesIO()
    fits.PrimaryHDU(values, header).writeto(written)
    return written.getvalue()
