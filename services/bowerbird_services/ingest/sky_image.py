"""Images of a file as brightness on the sky: what one shows at positions, whatever its projection, frame or scale."""

import math
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from astropy import units
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.wcs.utils import proj_plane_pixel_scales
from bowerbird.errors import CutoutError
from bowerbird.image import EVERY, Image, images, plain

_PLANE = 2
# A cube is looked at as its mean, plane by plane; a larger one (bytes) is left out.
_LARGEST_CUBE = 1 << 32
# What stands beside an image in a file and shows no sky of its own.
_BESIDE = frozenset(
    {"STAT", "DQ", "VAR", "VARIANCE", "IVAR", "INVVAR", "ERR", "ERROR", "SIGMA", "RMS", "NOISE", "WHT", "WGT", "WEIGHT"}
    | {"MASK", "BPM", "FLAG", "FLAGS", "CTX", "CON", "EXP", "EXPOSURE", "BKG", "BACKGROUND"}
)
# A pixel reaches so far from its centre.
_HALF = 0.5


class NoImage(Exception):
    """A file shows nothing of the sky; the words say why."""


class SkyImage:
    """One image of an open file, or the mean of a cube; it is read a part at a time."""

    def __init__(self, image: Image, hdu: Any) -> None:
        self._sky, self.shape = image.sky, tuple(image.shape[axis] for axis in image.sky.axes)
        self.band = image.filter
        self.pixel = float(np.min(proj_plane_pixel_scales(image.sky.wcs)))
        if not all(math.isfinite(size) and size > 0 for size in (self.pixel, self.area)):
            raise NoImage("cannot be drawn: its header says that its pixels have no size on the sky")
        self._pixels = hdu.section if len(image.shape) == _PLANE else _mean(hdu, image)

    @property
    def area(self) -> float:
        """About how much of the sky it covers (square degrees)."""
        return float(np.prod(proj_plane_pixel_scales(self._sky.wcs)) * np.prod(self.shape))

    def outline(self, step: float) -> tuple[Any, Any]:
        """Return RA and Dec of points so many pixels apart, all over the image and along its edges; those that have none are left out."""
        ends = [np.append(np.arange(-_HALF, length - _HALF, max(step, 1.0)), length - _HALF) for length in self.shape]
        across, up = np.meshgrid(*ends)
        points = self._sky.points(np.stack([across.ravel(), up.ravel()], axis=-1))
        points = points[np.isfinite(points).all(axis=-1)]
        places = SkyCoord(*points.T, unit="deg", frame=self._sky.frame).icrs
        return places.ra.deg, places.dec.deg

    def pixels_at(self, ra: Any, dec: Any) -> tuple[Any, Any]:
        """Return the pixels of positions, counted from 0; nan where there is none."""
        places = SkyCoord(ra, dec, unit="deg").transform_to(self._sky.frame)
        found = self._sky.pixels(np.stack([places.spherical.lon.to_value(units.deg), places.spherical.lat.to_value(units.deg)], axis=-1))
        return found[..., 0], found[..., 1]

    def values_at(self, ra: Any, dec: Any) -> Any:
        """Return the brightness at positions, between the centres of pixels by the distance from them; None where all are beyond it.

        It is nan beyond the image and in pixels without a value, which add nothing to their neighbours.
        """
        x, y = self.pixels_at(ra, dec)
        with np.errstate(invalid="ignore"):
            inside = (x >= -_HALF) & (y >= -_HALF) & (x < self.shape[0] - _HALF) & (y < self.shape[1] - _HALF)
        if not inside.any():
            return None
        left, right = _reach(x[inside], self.shape[0])
        low, high = _reach(y[inside], self.shape[1])
        block = np.asarray(self._pixels[low:high, left:right], dtype=np.float64)
        found = np.full(x.shape, np.nan, dtype=np.float32)
        found[inside] = _between(block, x[inside] - left, y[inside] - low)
        return found


def _reach(pixels: Any, length: int) -> tuple[int, int]:
    return max(0, int(np.floor(pixels.min()))), min(length, int(np.floor(pixels.max())) + 2)


def _between(block: Any, x: Any, y: Any) -> Any:
    rows, columns = block.shape
    x, y = np.clip(x, 0, columns - 1), np.clip(y, 0, rows - 1)
    column, row = np.minimum(x.astype(np.intp), max(columns - 2, 0)), np.minimum(y.astype(np.intp), max(rows - 2, 0))
    right, up = x - column, y - row
    there = np.isfinite(block)
    block = np.where(there, block, 0)
    total, weights = np.zeros(x.shape), np.zeros(x.shape)
    for down, share_down in ((0, 1 - up), (1, up)):
        for aside, share_aside in ((0, 1 - right), (1, right)):
            at = np.minimum(row + down, rows - 1), np.minimum(column + aside, columns - 1)
            weight = share_down * share_aside * there[at]
            total += weight * block[at]
            weights += weight
    nearest = there[np.rint(y).astype(np.intp), np.rint(x).astype(np.intp)]
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(nearest, total / weights, np.nan)


def _mean(hdu: Any, image: Image) -> Any:
    """Return the mean of an image along all axes but those of the sky."""
    if np.prod(image.shape, dtype=np.float64) * image.dtype.itemsize > _LARGEST_CUBE:
        raise NoImage("is a cube too large to be looked at as one image")
    shape = hdu.shape
    last = len(shape) - 1
    sky = [last - axis for axis in reversed(image.sky.axes)]
    if sky != [last - 1, last]:
        raise NoImage("is a cube whose first two axes are not those of the sky")
    total, count = np.zeros(shape[-2:]), np.zeros(shape[-2:], dtype=np.int64)
    for place in np.ndindex(*shape[:-2]):
        values = np.asarray(hdu.section[place], dtype=np.float64)
        there = np.isfinite(values)
        total += np.where(there, values, 0)
        count += there
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(count > 0, total / count, np.nan)


@contextmanager
def sky_images(file: int) -> Iterator[list[SkyImage]]:
    """Give the images of the sky in an open file; NoImage where there is none that can be read."""
    with _in_words(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what astropy repairs in a header
        with plain(file) as descriptor:
            found = [one for one in images(descriptor, EVERY) if (one.cards.text("EXTNAME") or "").strip().upper() not in _BESIDE]
            if not found:
                raise NoImage("has no image of the sky")
            with os.fdopen(os.dup(descriptor), "rb") as content, fits.open(content, memmap=False) as hdus:
                yield [SkyImage(one, hdus[one.number]) for one in found]


@contextmanager
def _in_words() -> Iterator[None]:
    try:
        yield
    except CutoutError as error:
        raise NoImage(f"cannot be drawn: {error}") from error
    except (ValueError, KeyError, TypeError, IndexError, EOFError, ArithmeticError) as error:
        raise NoImage(f"cannot be drawn: {str(error).splitlines()[0] if str(error) else type(error).__name__}") from error
