"""What tests of cutouts look at: the same pixels, bit for bit, at the same position on the sky."""

import io
from pathlib import Path

import astropy.units as u
import numpy as np
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.wcs import WCS
from hypothesis import HealthCheck, settings

from tests.extensions.skies import SCALE, offset_of, sky_of

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
